"""A private root for user code: this machine's file system, with a /pfs and a /code of its own.

Linux only, as root or (through a user namespace) as an ordinary user. Where the kernel or its rules say no, the caller
falls back to replacing the prefixes /pfs and /code in commands.
"""

import contextlib
import ctypes
import os
import signal

NEWNS, NEWUSER, NEWPID = 0x00020000, 0x10000000, 0x20000000
BIND, REC, PRIVATE, MOVE, RDONLY, REMOUNT, NOSUID, NODEV, NOEXEC = 4096, 16384, 1 << 18, 8192, 1, 32, 2, 4, 8
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36
MEMORY = "/.pfs"  # where small inputs lie; half of the machine's memory at most, as for any tmpfs
REPLACED = ("pfs", "code")  # our own; everything else at the top of the file system is bound through


class Libc:
    """The three calls that Python does not offer."""

    def __init__(self):
        self._library = ctypes.CDLL(None, use_errno=True)

    def _checked(self, answer, what):
        if answer != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{what}: {os.strerror(error)}")

    def unshare(self, flags):
        self._checked(self._library.unshare(flags), "unshare")

    def mount(self, source, target, kind, flags, data=""):
        encoded = [text.encode() if text else None for text in (source, target, kind)]
        done = self._library.mount(*encoded, ctypes.c_ulong(flags), data.encode() or None)
        self._checked(done, f"mount {target}")

    def prctl(self, option, value):
        self._checked(self._library.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def unshare(libc, processes):
    """Leave the parent's namespaces: mounts, with `processes` also process ids, for an ordinary user also users."""
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(NEWNS | (NEWPID if processes else 0) | (NEWUSER if uid else 0))
    if uid:  # keep our own ids: user code writes files as the person who started the daemon
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    libc.mount("none", "/", None, REC | PRIVATE)


def become_init(libc):
    """Fork the first process of the new process-id namespace and return in it; the parent waits and ends with it.

    Whoever kills either of the two kills every process below: the kernel ends a namespace with its first process.
    """
    child = os.fork()
    if child == 0:
        libc.prctl(SET_PDEATHSIG, signal.SIGKILL)
        return
    for number in range(3):
        os.close(number)
    while True:
        try:
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 255)
        except InterruptedError:
            continue


def enter_root(libc, root, pfs, code, processes):
    """Make `root` (an empty directory) the new /: the old one, but with `pfs` at /pfs and the `code` table bound in.

    `code` maps places like /code to folders of this machine (read-only). Raises OSError where that is not allowed.
    """
    libc.mount("tmpfs", root, "tmpfs", NOSUID, "mode=755,size=256m")
    for entry in os.scandir("/"):
        place = f"{root}/{entry.name}"
        if entry.name in REPLACED or (entry.name == "proc" and processes):
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), place)
        elif entry.is_dir():
            os.mkdir(place)
            libc.mount(entry.path, place, None, BIND | REC)
        elif entry.is_file():
            os.close(os.open(place, os.O_CREAT, 0o644))
            libc.mount(entry.path, place, None, BIND)
    if processes:
        os.mkdir(f"{root}/proc")
        try:
            libc.mount("proc", f"{root}/proc", "proc", NOSUID | NODEV | NOEXEC)
        except OSError:  # a container that hides parts of /proc: show the outer one
            libc.mount("/proc", f"{root}/proc", None, BIND | REC)
    os.mkdir(f"{root}/pfs")
    libc.mount(pfs, f"{root}/pfs", None, BIND)
    os.mkdir(f"{root}{MEMORY}")
    libc.mount("tmpfs", f"{root}{MEMORY}", "tmpfs", NOSUID, "mode=755")
    for place, folder in code.items():
        target = _place(libc, root, [part for part in place.split("/") if part])
        libc.mount(folder, target, None, BIND)
        _read_only(libc, target)
    os.chdir(root)
    libc.mount(root, "/", None, MOVE)
    os.chroot(".")
    os.chdir("/")


def _place(libc, root, parts):
    """A directory of the new root to mount on. The machine's own folders get no new entry: where one is needed, a
    folder is covered by a fresh one, into which all that it holds is bound.
    """
    folder, own = root, True
    for part in parts:
        target = f"{folder}/{part}"
        if not os.path.lexists(target):
            if not own:
                _cover(libc, folder)
                own = True
            os.mkdir(target)
        else:
            own = own and not os.path.ismount(target) and folder != root
        folder = target
    return folder


def _cover(libc, folder):
    """Put a writable copy of a folder's first level over it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc.mount("tmpfs", folder, "tmpfs", NOSUID, "mode=755,size=64m")
        for name in os.listdir(handle):
            there, here = f"/proc/self/fd/{handle}/{name}", f"{folder}/{name}"
            if os.path.islink(there):
                os.symlink(os.readlink(there), here)
                continue
            if os.path.isdir(there):
                os.mkdir(here)
            else:
                os.close(os.open(here, os.O_CREAT, 0o644))
            with contextlib.suppress(OSError):
                libc.mount(there, here, None, BIND | REC)
    finally:
        os.close(handle)


def _read_only(libc, target):
    """Best effort: within a user namespace the outer mount's own flags have to be repeated, and we do not know them."""
    for more in (0, NOSUID | NODEV, NOSUID | NODEV | NOEXEC):
        with contextlib.suppress(OSError):
            libc.mount(None, target, None, BIND | REMOUNT | RDONLY | more)
            return


def _write(path, text):
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
