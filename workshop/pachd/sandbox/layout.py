"""/pfs as a datum finds it: its inputs, an empty `out`, `.env`. The directories are reused from datum to datum."""

import os
import stat

SCRATCH = ".scratch"
OUT = "out"
ENV = ".env"
PIECE = 1 << 20


class Layout:
    """One worker's /pfs. `folder` is where this process finds it, `shown` is what user code calls it."""

    def __init__(self, folder, packs, open_to_all=False):
        self.folder = folder
        self.scratch = f"{folder}/{SCRATCH}/datum"
        self.out = f"{self.scratch}/{OUT}"
        self.packs = packs
        self.foreign = False  # user code has another root: its links are not ours to follow
        self._mode = (0o777, 0o666) if open_to_all else (0o755, 0o644)  # user code may run as somebody else
        self.pipes = []
        self._handles = {}
        os.umask(0 if open_to_all else 0o022)
        empty(folder)
        os.makedirs(self.out, self._mode[0])
        if open_to_all:
            os.chmod(folder, 0o777)
            os.chmod(f"{folder}/{SCRATCH}", 0o777)
        self._shown = {SCRATCH}

    def prepare(self, inputs, env_text):
        """Lay out [(input name, flags, [(path, size, extents)])]; the bytes of input that were written.

        An extent is (pack number, offset, length). Flags: 1 = empty files, 2 = lazy: named pipes, which `pipes` then
        lists for whoever feeds them. What an earlier datum left behind is removed first.
        """
        self.pipes = []
        self._sweep({name for name, _, _ in inputs})
        written = 0
        made = {self.scratch}
        for name, flags, files in inputs:
            root = f"{self.scratch}/{name}"
            if root not in made:
                self._directory(root)
                made.add(root)
            for path, size, extents in files:
                if path.endswith("/"):  # an empty tree: the root of an input without files
                    continue
                place = root + path
                parent = place[: place.rfind("/")]
                if parent not in made:
                    os.makedirs(parent, self._mode[0], exist_ok=True)
                    made.add(parent)
                if flags & 2:
                    os.mkfifo(place, 0o666)
                    self.pipes.append((place, size, extents))
                    continue
                self._file(place, () if flags & 1 else extents)
                written += 0 if flags & 1 else size
        self._file(f"{self.scratch}/{ENV}", (), env_text)
        self._link({name for name, _, _ in inputs} | {OUT, ENV})
        return written

    def clear(self):
        """Remove what the datum left, its inputs included."""
        self._sweep(set())

    def _directory(self, path):
        try:
            os.mkdir(path, self._mode[0])
        except FileExistsError:
            if os.path.islink(path) or not os.path.isdir(path):
                os.unlink(path)
                os.mkdir(path, self._mode[0])

    def _file(self, path, extents, data=b""):
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, self._mode[1])
        try:
            if data:
                os.write(target, data)
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

    def _sweep(self, keep):
        """Empty the scratch directory; directories of inputs in `keep`, and `out`, stay as empty directories."""
        try:
            entries = os.scandir(self.scratch)
        except OSError:  # user code took it away
            if os.path.lexists(f"{self.folder}/{SCRATCH}"):
                remove(f"{self.folder}/{SCRATCH}")
            return os.makedirs(self.out, self._mode[0])
        with entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    empty(entry.path)
                    if entry.name not in keep and entry.name != OUT:
                        os.rmdir(entry.path)
                else:
                    os.unlink(entry.path)
        try:
            if not stat.S_ISDIR(os.lstat(self.out).st_mode):
                os.unlink(self.out)
                os.mkdir(self.out, self._mode[0])
        except FileNotFoundError:
            os.mkdir(self.out, self._mode[0])
        return None

    def _link(self, names):
        """Make /pfs hold exactly the links to `names`, whatever user code did to it."""
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
