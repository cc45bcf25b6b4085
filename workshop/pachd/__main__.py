"""python -m workshop.pachd --state DIR --port N: run the embedded pachd in the foreground."""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
from pathlib import Path

from workshop.pachd import containers, errors


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
        "--images",
        type=Path,
        metavar="TABLE",
        help="a JSON file that says which image holds which code, as docker/images.json, which it replaces; "
        "its paths count from the folder above it",
    )
    parser.add_argument(
        "--runtime",
        choices=containers.ENGINES,
        default="",
        help="run user code in containers of the pipelines' images (default: as processes of this machine)",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["gc", "probe"],
        help="gc: collect what nothing refers to any more, and end; a daemon that runs there does it. "
        "probe: say how user code would run here (JSON), and end",
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
        return collect(options.state, options.dry_run, options.token)
    if options.command == "probe":
        return probe()
    return_memory()
    spare_threads()
    told_to_end = hear_signals()
    from workshop.pachd.server import Daemon  # after the options: --help is quick

    try:
        daemon = Daemon(
            options.state,
            options.host,
            options.port,
            options.token,
            images=options.images,
            allow_files=options.allow_files,
            runtime=options.runtime,
        )
        daemon.start()
    except (errors.PachydermError, containers.EngineFault, OSError, ValueError) as error:
        print(f"pachd: {error}", file=sys.stderr)
        return 1
    print(f"pachd ready on {daemon.address}", flush=True)
    os.read(told_to_end, 1)
    daemon.stop()
    return 0


def hear_signals() -> int:
    """A pipe that can be read once somebody wants this process to end.

    The kernel may hand a signal to any thread: a main thread that sat in a lock would sleep on.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reader


def return_memory() -> None:
    """Have the C library give large buffers back to the system, but for one message of 20 MiB, and keep few pools."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 20)  # M_MMAP_THRESHOLD, which otherwise grows with the buffers
        libc.mallopt(-1, 22 << 20)  # M_TRIM_THRESHOLD: buffers given back are paid for again, page by page
        libc.mallopt(-8, 2)  # M_ARENA_MAX
    except (OSError, AttributeError):
        pass  # another C library


def spare_threads() -> None:
    """Have gRPC, which is not loaded yet, receive messages on the threads that hand them on.

    Its newer way, with threads of its own, takes twice as many switches between threads for each message.
    """
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")


def probe() -> int:
    """Try what this machine allows and print it: {"mode", "text", "refused", "engines": {name: "" or its fault}}."""
    from workshop.pachd import runner

    engines = {}
    for name in containers.ENGINES:
        try:
            containers.find(name)
            engines[name] = ""
        except containers.EngineFault as fault:
            engines[name] = str(fault)
    found = runner.probe()
    print(json.dumps({"mode": found.mode, "text": found.describe(), "refused": found.refused, "engines": engines}))
    return 0


def collect(state: Path, dry_run: bool, token: str) -> int:
    """Collect the garbage of a state folder: here, or by the daemon that has it."""
    from workshop.pachd.pfs import Pfs, storage
    from workshop.pachd.pps import marks
    from workshop.pachd.store import Held, Store, holder

    if not (state / "pachd.sqlite").exists():
        print(f"pachd: {state} is no state folder: name one with --state", file=sys.stderr)
        return 1
    try:
        try:
            store = Store(state)
        except Held:
            address = holder(state)
            if not address:
                raise
            from workshop.pachd.server import ask_to_collect

            found = ask_to_collect(address, dry_run, token)
        else:
            pfs = Pfs(store)
            pfs.markers.append(marks.mark)
            found = str(storage.collect(pfs, dry_run))
            store.close()
    except (errors.PachydermError, OSError) as error:
        print(f"pachd: {error}", file=sys.stderr)
        return 1
    print(("would collect " if dry_run else "collected ") + found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
