"""python -m workshop.pachd --state DIR --port N: run the embedded pachd in the foreground."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from workshop.pachd import errors


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m workshop.pachd", description="The embedded pachd, in the foreground."
    )
    parser.add_argument(
        "--state", type=Path, default=Path(".workshop"), help="folder that holds everything (default .workshop)"
    )
    parser.add_argument(
        "--port", type=int, default=30650, help="port to listen on; 0 = any that is free (default 30650)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; others than loopback need a token")
    parser.add_argument(
        "--token",
        default=os.environ.get("PACHD_TOKEN", ""),
        help="what clients must send as authn-token (or $PACHD_TOKEN)",
    )
    parser.add_argument(
        "--allow-files",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder whose files may be put by file:// URL; may be repeated (default: none)",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["gc"],
        help="gc: collect what nothing refers to any more, and end; the daemon must be stopped",
    )
    parser.add_argument("--dry-run", action="store_true", help="with gc: say what would be collected")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every decision")
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    if options.command == "gc":
        return collect(options.state, options.dry_run)
    return_memory()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    from workshop.pachd.server import Daemon  # after the options: --help is quick

    try:
        daemon = Daemon(options.state, options.host, options.port, options.token, allow_files=options.allow_files)
        daemon.start()
    except (errors.PachydermError, OSError, ValueError) as error:
        print(f"pachd: {error}", file=sys.stderr)
        return 1
    print(f"pachd ready on {daemon.address}", flush=True)
    over.wait()
    daemon.stop()
    return 0


def return_memory() -> None:
    """Have the C library give large buffers back to the system at once, and keep few pools: messages have 20 MiB."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD, which otherwise grows with the buffers
        libc.mallopt(-8, 2)  # M_ARENA_MAX
    except (OSError, AttributeError):
        pass  # another C library


def collect(state: Path, dry_run: bool) -> int:
    """Collect the garbage of a state folder that no daemon holds."""
    from workshop.pachd.pfs import Pfs, storage
    from workshop.pachd.pps import marks
    from workshop.pachd.store import Store

    if not (state / "pachd.sqlite").exists():
        print(f"pachd: {state} is no state folder: name one with --state", file=sys.stderr)
        return 1
    try:
        store = Store(state)
        pfs = Pfs(store)
        pfs.markers.append(marks.mark)
        print(("would collect " if dry_run else "collected ") + str(storage.collect(pfs, dry_run)))
        store.close()
    except (errors.PachydermError, OSError) as error:
        print(f"pachd: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
