"""Lazy inputs: each file is a named pipe, whose content flows when somebody opens it, once, and else never.

One child process feeds all pipes of a datum. It finds out who waits by trying: a pipe can be opened for writing without
waiting as soon as it has a reader.
"""

import contextlib
import errno
import os
import select
import signal
import stat
import time

QUICK, SLOW = 0.002, 0.02  # seconds between two looks at the pipes: while something happens, and when nothing does
PIECE = 1 << 16


class Feeder:
    """The process that feeds the pipes of the datum at hand."""

    def __init__(self, packs):
        self._packs = packs
        self._pid = 0
        self._report = -1

    def start(self, pipes):
        """Feed [(path, size, extents)]; an extent is (pack number, offset, length)."""
        self.stop()
        if not pipes:
            return
        self._report, told = os.pipe()
        for end in (self._report, told):
            os.set_blocking(end, False)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid:
            os.close(told)
            return
        try:
            if told != 3:
                os.dup2(told, 3)
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))  # above all the way to the daemon: it must end with its owner
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            _feed({path: (size, extents) for path, size, extents in pipes}, self._packs, 3, parent)
        finally:
            os._exit(0)

    def stop(self):
        """End the process; the bytes of the files that were opened since it was started."""
        if not self._pid:
            return 0
        pid, self._pid = self._pid, 0
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        except ChildProcessError:
            pass  # it ended with the command
        try:
            sizes = os.read(self._report, 1 << 20)
        except BlockingIOError:
            sizes = b""
        os.close(self._report)
        return sum(int.from_bytes(sizes[at : at + 8], "big") for at in range(0, len(sizes) - 7, 8))


def _feed(waiting, packs, report, parent):
    writers: dict = {}  # handle -> what writes into it
    poll, pause = select.poll(), QUICK
    while (waiting or writers) and os.getppid() == parent:
        begun = time.monotonic()
        opened = [(path, handle) for path in list(waiting) for handle in _open(path, waiting)]
        for path, handle in opened:
            size, extents = waiting.pop(path)
            writers[handle] = _content(extents, packs)
            poll.register(handle, select.POLLOUT)
            with contextlib.suppress(BlockingIOError):  # thousands of files: the count is a lower bound then
                os.write(report, size.to_bytes(8, "big"))
        pause = QUICK if opened or writers else min(SLOW, pause * 2)
        looked = time.monotonic() - begun
        for handle, _ in poll.poll(max(pause, 20 * looked) * 1000):
            try:
                writers[handle].send(handle)
            except (StopIteration, BrokenPipeError):
                poll.unregister(handle)
                del writers[handle]
                os.close(handle)


def _open(path, waiting):
    """[a handle] when the pipe has a reader, [] when it has none; a pipe that user code took away is given up."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO:
            del waiting[path]
        return []
    if stat.S_ISFIFO(os.fstat(handle).st_mode):
        return [handle]
    os.close(handle)
    del waiting[path]
    return []


def _content(extents, packs):
    """Write a file's content into the handle that is sent in, as much as fits each time."""
    writer = _written(extents, packs)
    next(writer)
    return writer


def _written(extents, packs):
    handle = yield
    for pack, offset, length in extents:
        source = os.open(f"{packs}/{pack:08d}.pack", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while length > 0:
                data = os.pread(source, min(length, PIECE), offset)
                if not data:
                    return
                offset, length = offset + len(data), length - len(data)
                while data:
                    try:
                        data = data[os.write(handle, data) :]
                    except BlockingIOError:
                        handle = yield
        finally:
            os.close(source)
