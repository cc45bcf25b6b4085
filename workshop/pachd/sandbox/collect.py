"""What user code left in /pfs/out, as (path, size, chunk hashes); regular files only, links by rule."""

import os
import stat
from operator import attrgetter

CHUNK = 1 << 20
GLOB_CHARACTERS = "*?[]{}!()@+^"
PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
PLAIN = PRINTABLE - frozenset(GLOB_CHARACTERS)
CANNOT = "cannot upload file produced by the user code because its name cannot be represented in PFS: "


class Refused(Exception):
    """The output cannot be kept; the text is the one a real worker logs."""


def name_fault(path):
    """Why PFS cannot store a path; "" when it can."""
    if PLAIN.issuperset(path):
        return ""
    if not PRINTABLE.issuperset(path):
        return f"path ({path}) invalid: only printable ASCII characters allowed"
    for character in path:
        if character in GLOB_CHARACTERS:
            return f"path ({path}) invalid: globbing character ({character}) not allowed in path"
    return ""


class Collector:
    """Reads one worker's output directory into a pack. `give` is told (path, size, chunk hashes) of each file."""

    def __init__(self, layout, packs):
        self.layout = layout
        self.packs = packs
        self.inputs = {}

    def collect(self, inputs, give):
        """The bytes of all files. `inputs` = as laid out: a link to an empty file stands for its real content."""
        self.inputs = {name: (flags, files) for name, flags, files in inputs}
        self.give = give
        self.total = 0
        self._walk(self.layout.out, "")
        return self.total

    def _walk(self, folder, prefix):
        stack = [(folder, prefix)]
        while stack:
            place, shown = stack.pop()
            try:
                with _opened(place, os.scandir) as entries:
                    found = sorted(entries, key=_by_name)
            except OSError as error:
                raise Refused(f"open {self._shown(place)}: {_words(error)}") from None
            for entry in found:
                path = f"{shown}/{entry.name}"
                if entry.is_symlink():
                    self._follow(entry.path, path)
                elif entry.is_dir(follow_symlinks=False):
                    stack.append((entry.path, path))
                elif entry.is_file(follow_symlinks=False):
                    self._file(entry.path, path)
                else:
                    self._special(entry.stat(follow_symlinks=False).st_mode, path)

    def _special(self, mode, path):
        if stat.S_ISFIFO(mode):
            return  # as a real worker does: a named pipe has no content to keep
        if stat.S_ISSOCK(mode):
            raise Refused("archive/tar: sockets not supported")
        raise Refused(f"cannot upload {path}: it is a device, not a file")

    def _follow(self, link, path):
        """A link to anything outside of `out` stands for what it leads to."""
        try:
            target = self._target_of(link)
            mode = os.stat(target).st_mode
        except OSError as error:
            raise Refused(f"stat {_target(link)}: {_words(error)}") from None
        relative = self.layout.within(target)
        if relative is not None:
            name, _, rest = relative.partition("/")
            if name not in self.inputs:
                raise Refused(f'could not find input "{name}"')
            flags, files = self.inputs[name]
            if flags:
                return self._by_reference(files, f"/{rest}" if rest else "", path)
        if stat.S_ISDIR(mode):
            return self._linked_directory(target, path)
        if not stat.S_ISREG(mode):
            raise Refused(f"cannot upload {path}: it leads to {target}, which is not a file")
        return self._file(target, path)

    def _target_of(self, link):
        if not self.layout.foreign:
            return os.path.realpath(link, strict=True)
        from workshop.pachd.sandbox.contained import resolve

        target = resolve(link, self.layout.folder)
        if target is None:
            raise Refused(f"{_target(link)} is the container's own file, which went with it: copy it to /pfs/out")
        return target

    def _linked_directory(self, folder, path):
        for place, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                source = f"{place}/{name}"
                below = os.path.relpath(source, folder)
                try:
                    source = self._target_of(source)
                    mode = os.stat(source).st_mode
                except OSError as error:
                    raise Refused(f"open {source}: {_words(error)}") from None
                if stat.S_ISREG(mode):
                    self._file(source, f"{path}/{below}")
                else:
                    self._special(mode, f"{path}/{below}")

    def _by_reference(self, files, source, path):
        """Chunks of input files that were laid out empty: the caller knows them by their path."""
        for place, size, _ in files:
            if place == source or place.startswith(f"{source}/"):
                name = path + place[len(source) :]
                self._checked(name)
                self.total += size
                self.give(name, size, place)

    def _shown(self, place):
        below = self.layout.within(place)
        return place if below is None else f"/pfs/{below}"

    def _checked(self, path):
        fault = name_fault(path)
        if fault:
            raise Refused(CANNOT + fault.replace("(/", "(", 1))

    def _file(self, place, path):
        self._checked(path)
        try:
            handle = _opened(place, lambda name: os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            raise Refused(f"open {self._shown(place)}: {_words(error)}") from None
        chunks, size = [], 0
        try:
            while True:
                data = os.read(handle, CHUNK)
                while 0 < len(data) < CHUNK:  # chunks are cut at whole multiples, so short reads are topped up
                    more = os.read(handle, CHUNK - len(data))
                    if not more:
                        break
                    data += more
                if not data:
                    break
                size += len(data)
                chunks.append(self.packs.add(data))
                if len(data) < CHUNK:
                    break
        finally:
            os.close(handle)
        self.total += size
        self.give(path, size, chunks)


_by_name = attrgetter("name")


def _opened(place, action):
    """Open something that user code may have taken our rights to."""
    try:
        return action(place)
    except PermissionError:
        os.chmod(place, 0o700)
        return action(place)


def _words(error):
    return os.strerror(error.errno or 0).lower()


def _target(link):
    try:
        return os.readlink(link)
    except OSError:
        return link
