"""What every stage shares: one-line errors, files written whole, and a fair share of this machine's processors."""

import argparse
import concurrent.futures
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class StageError(Exception):
    """A mistake in the input or the command, told in one line: what is wrong, where, and what to do about it."""


def run(main: Callable[[list[str] | None], None]) -> None:
    """Runs a stage; a StageError becomes one line on stderr and exit status 1."""
    try:
        main(None)
    except StageError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except (MemoryError, RuntimeError) as error:
        # PyTorch's own errors, of a GPU or not, are RuntimeErrors that say so.
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        print(
            "error: not enough memory for this exam; give the worker more (the specs request 4G), or a GPU fewer "
            "patches at a time (--batch-size)",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    except OSError as error:
        print(f"error: {error.strerror or error}: {error.filename or 'a file of this stage'}", file=sys.stderr)
        raise SystemExit(1) from None


def positive_int(text: str) -> int:
    """argparse type: a whole number, at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def natural_number(text: str) -> int:
    """argparse type: a whole number, at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` that takes its place only if the block succeeds.

    A stage that is stopped half-way leaves no half-written file, and a second run replaces the first one's files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; the next stage may run as another user.
        temporary.chmod(0o666 & ~current_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def current_umask() -> int:
    """The process's umask. It can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def available_processors() -> int:
    """How many processors this process may keep busy: its affinity, its container's quota, and OMP_NUM_THREADS.

    Where a machine runs several workers, whoever starts them sets OMP_NUM_THREADS to each one's share.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = container_quota()
    if quota is not None:
        count = min(count, max(1, int(quota + 0.5)))
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        count = min(count, int(asked))
    return max(1, count)


def container_quota() -> float | None:
    """Processors that the container's CPU limit allows (cgroup v2, then v1), None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text().strip()
            period = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit():
        return None
    return int(quota) / int(period)


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """`[function(item) for item in items]`, in that order, on `workers` threads; the first error wins.

    Threads and not processes: NumPy, SciPy, Pillow and PyTorch all let go of the interpreter lock while they work,
    and a process would spend longer importing them than it would save.
    """
    items = list(items)
    if workers <= 1 or len(items) <= 1:
        return [function(item) for item in items]
    with concurrent.futures.ThreadPoolExecutor(min(workers, len(items))) as pool:
        pending = [pool.submit(function, item) for item in items]
        try:
            return [one.result() for one in pending]
        finally:
            for one in pending:
                one.cancel()


def say(text: str) -> None:
    """One line of progress on stderr; stdout stays free for results."""
    print(text, file=sys.stderr, flush=True)
