"""/pfs as a datum finds it: its inputs, an empty `out`, `.env`. The directories are reused from datum to datum.

Inputs that are small lie in memory where there is a place for them: on a disk the making and removing of files costs
more than everything else that is done for a short datum. `out` is always on the disk, whatever comes to lie in it. A
datum that failed is tried again with all of it on the disk, where an input can be renamed or linked to an output.
"""

import os
import time

SCRATCH = ".scratch"
OUT = "out"
ENV = ".env"
PIECE = 1 << 20
SMALL, FEW = 256 << 10, 100  # bytes and files of inputs that may lie in memory
SETTLED = 20_000_000  # ns after which another change of a directory is sure to change its time too


class Layout:
    """One worker's /pfs. `folder` is where this process finds it; `memory` is a directory in memory, "" without one."""

    def __init__(self, folder, packs, open_to_all=False, memory=""):
        self.folder = folder = os.path.realpath(folder)
        self.scratch = f"{folder}/{SCRATCH}/datum"
        self.memory = memory
        self.out = f"{self.scratch}/{OUT}"
        self.packs = packs
        self.foreign = False  # user code has another root: its links are not ours to follow
        self._mode = (0o777, 0o666) if open_to_all else (0o755, 0o644)  # user code may run as somebody else
        self.pipes = []
        self._shape = None  # of the datum before: whether its inputs lie in memory, and their names
        self._env = -1
        self._handles = {}
        # Directory -> (what it was seen to hold, its time of change), or None: see _as_it_was.
        self._settled = dict.fromkeys([folder, self.scratch, *([memory] if memory else [])])
        os.umask(0 if open_to_all else 0o022)
        empty(folder)
        os.makedirs(self.out, self._mode[0])
        if open_to_all:
            for path in (folder, f"{folder}/{SCRATCH}", *([memory] if memory else [])):
                os.chmod(path, 0o777)

    def prepare(self, inputs, env_text, again=False):
        """Lay out [(input name, flags, [(path, size, extents)])]; the bytes of input that were written.

        An extent is (pack number, offset, length). Flags: 1 = empty files, 2 = lazy: named pipes, which `pipes` then
        lists for whoever feeds them. What an earlier datum left behind is removed first. `again`: it has failed once.
        """
        in_memory = bool(self.memory) and not again and _small(inputs)
        place = self.memory if in_memory else self.scratch
        shape = (in_memory, [name for name, _, _ in inputs])
        if self._stands(shape):
            made = {f"{place}/{name}" for name in shape[1]}
            for folder in (*made, self.out):
                empty(folder)
        else:
            made = self._build(place, set(shape[1]), in_memory)
            self._shape = shape
        self.pipes = []
        written = 0
        for name, flags, files in inputs:
            root = f"{place}/{name}"
            if root not in made:
                os.mkdir(root, self._mode[0])
                made.add(root)
            for path, size, extents in files:
                if path.endswith("/"):  # an empty tree: the root of an input without files
                    continue
                target = root + path
                parent = target[: target.rfind("/")]
                if parent not in made:
                    os.makedirs(parent, self._mode[0], exist_ok=True)
                    made.add(parent)
                if flags & 2:
                    os.mkfifo(target, 0o666)
                    self.pipes.append((target, size, extents))
                    continue
                self._file(target, () if flags & 1 else extents)
                written += 0 if flags & 1 else size
        os.pwrite(self._env, env_text, 0)
        os.ftruncate(self._env, len(env_text))
        return written

    def _stands(self, shape):
        """Whether all directories are as the datum before, of the same shape, needed them."""
        try:
            return shape == self._shape and all(
                known is not None and os.stat(folder).st_ctime_ns == known[1] for folder, known in self._settled.items()
            )
        except OSError:
            return False

    def _build(self, place, names, in_memory):
        """Make and empty the directories that a datum needs; those of inputs that are there."""
        links = ({ENV} | names if in_memory else {ENV}) if self.memory else set()
        kept = self._sweep(self.scratch, {OUT} if in_memory else {OUT} | names, links)
        if OUT not in kept:
            os.mkdir(self.out, self._mode[0])
        for name in links - kept:
            os.symlink(f"{self.memory}/{name}", f"{self.scratch}/{name}")
        if self.memory:
            in_there = self._sweep(self.memory, names if in_memory else set())
            kept = in_there if in_memory else kept
        env = f"{self.memory or self.scratch}/{ENV}"
        if self._env >= 0:
            os.close(self._env)
            self._env = -1
        try:
            self._env = self._opened(env)
        except OSError:  # user code made something else of it
            remove(env)
            self._env = self._opened(env)
        self._link(names | {OUT, ENV})
        return {f"{place}/{name}" for name in kept}

    def _opened(self, path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, self._mode[1])

    def within(self, path):
        """The path below /pfs of something in a datum's directories; None when it lies elsewhere."""
        for place in (self.scratch, self.memory):
            if place and path.startswith(f"{place}/"):
                return path[len(place) + 1 :]
        return None

    def _file(self, path, extents):
        target = self._opened(path)
        try:
            for pack, offset, length in extents:
                source = self._handles.get(pack)
                if source is None:
                    source = self._open(pack)
                while length > 0:
                    data = os.pread(source, min(length, PIECE), offset)
                    if not data:
                        raise OSError(f"pack {pack} ends before offset {offset}")
                    os.write(target, data)
                    offset += len(data)
                    length -= len(data)
        finally:
            os.close(target)

    def _open(self, pack):
        if len(self._handles) >= 64:
            os.close(self._handles.pop(next(iter(self._handles))))
        handle = self._handles[pack] = os.open(f"{self.packs}/{pack:08d}.pack", os.O_RDONLY | os.O_CLOEXEC)
        return handle

    def _sweep(self, place, folders, links=frozenset()):
        """Empty a directory of ours; the names of what stays: `folders`, empty, and `links` into the memory."""
        try:
            if self._as_it_was(place, (folders, links)):
                for name in folders:
                    empty(f"{place}/{name}")
                return folders | links
            entries = os.scandir(place)
        except OSError:  # user code took it away
            if place == self.scratch and os.path.lexists(f"{self.folder}/{SCRATCH}"):
                remove(f"{self.folder}/{SCRATCH}")
            os.makedirs(place, self._mode[0], exist_ok=True)
            return set()
        kept = set()
        with entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    empty(entry.path)
                    if entry.name in folders:
                        kept.add(entry.name)
                    else:
                        os.rmdir(entry.path)
                elif entry.name in links and _leads_to(entry.path, f"{self.memory}/{entry.name}"):
                    kept.add(entry.name)
                elif entry.name != ENV or ENV in links or not entry.is_file(follow_symlinks=False):
                    os.unlink(entry.path)
        if kept == folders | links:
            self._seen(place, (folders, links))
        return kept

    def _link(self, names):
        """Make /pfs hold exactly the links to `names`, whatever user code did to it."""
        if self._as_it_was(self.folder, names):
            return
        present = set()
        for name in os.listdir(self.folder):
            if name == SCRATCH:
                continue
            path = f"{self.folder}/{name}"
            if name in names and _leads_to(path, f"{SCRATCH}/datum/{name}"):
                present.add(name)
            else:
                remove(path)
        for name in names - present:
            os.symlink(f"{SCRATCH}/datum/{name}", f"{self.folder}/{name}")
        self._seen(self.folder, names)

    def _seen(self, folder, holds):
        """Remember what a directory holds, if its time of change is so old that any later change shows in it."""
        changed = os.stat(folder).st_ctime_ns
        self._settled[folder] = (holds, changed) if time.time_ns() - changed > SETTLED else None

    def _as_it_was(self, folder, holds):
        """Whether a directory holds what it was seen to hold, and that is what is wanted."""
        known = self._settled.get(folder)
        return known is not None and known[0] == holds and os.stat(folder).st_ctime_ns == known[1]


def _small(inputs):
    written = [files for _, flags, files in inputs if not flags & 3]
    return sum(map(len, written)) <= FEW and sum([size for files in written for _, size, _ in files]) <= SMALL


def _leads_to(path, target):
    try:
        return os.readlink(path) == target
    except OSError:
        return False


def empty(folder):
    """Remove everything in a directory, whatever user code made of it, without following links."""
    try:
        _empty(folder)
    except (OSError, RecursionError):  # too deep, too long, changed meanwhile: rm walks by handles
        names = [f"{folder}/{name}" for name in os.listdir(folder)]
        for start in range(0, len(names), 500):
            pid = os.posix_spawnp("rm", ["rm", "-rf", "--", *names[start : start + 500]], os.environ)
            os.waitpid(pid, 0)


def _empty(folder):
    try:
        entries = os.scandir(folder)
    except PermissionError:
        os.chmod(folder, 0o700)
        entries = os.scandir(folder)
    with entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                _empty(entry.path)
                _insist(os.rmdir, entry.path, folder)
            else:
                _insist(os.unlink, entry.path, folder)


def remove(path):
    """Remove a file, a link or a directory tree."""
    if os.path.isdir(path) and not os.path.islink(path):
        empty(path)
        os.rmdir(path)
    else:
        os.unlink(path)


def _insist(action, path, parent):
    try:
        action(path)
    except PermissionError:
        os.chmod(parent, 0o700)
        action(path)
