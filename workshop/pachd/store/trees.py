"""Trees of files by hash: a directory is a persistent map, a commit's content is one value.

A root (`bytes`) is a directory's value: bytes below, files below, files below with a datum tag, map root. b"" or None
is an empty tree. Equal content is an equal root, copying a directory is copying its value, an edit rewrites one path.

An entry's key is NAME, "/" for a directory, NUL, datum tag ("" for the default tag and for directories), which sorts
paths as Pachyderm does: bytewise, a directory by its name with the slash. A file's value is its size and its chunks;
more than 16 chunks are kept in nodes of their own, 1,024 each.
Paths are absolute: "/a/b" names a file, "/a/b/" a directory, "/" the whole tree. Empty directories do not exist.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from workshop.pachd.store import maps
from workshop.pachd.store.blobs import HASH_SIZE, Content, digest
from workshop.pachd.store.maps import Maps

Root = bytes | None
_DIRECTORY = struct.Struct(">QQQ")
_INLINE = 16  # chunks that a file's value holds itself
_LISTED = 1024  # chunks in a node of a longer list


class Directory(NamedTuple):
    """What is known of a directory without looking into it."""

    map: bytes
    size: int
    files: int
    tagged: int  # files with a datum tag


NOTHING = Directory(maps.EMPTY, 0, 0, 0)


class Entry(NamedTuple):
    """A file or directory at a path. A directory's path ends in "/"; `value` is what `copy` takes."""

    path: str
    tag: str
    value: bytes

    @property
    def is_directory(self) -> bool:
        return self.path[-1:] == "/"


class Put(NamedTuple):
    """The file at path and tag holds `content` from now on."""

    path: str
    tag: str
    content: Content


class Delete(NamedTuple):
    """The file at path and tag is gone; or, when path ends in "/", all files of this tag below it."""

    path: str
    tag: str = ""


class Copy(NamedTuple):
    """What `value` (an Entry's) holds lies at `path` from now on: a file of this tag, or a directory with its tags."""

    path: str
    tag: str
    value: bytes


class Clear(NamedTuple):
    """A directory is gone, whatever tags its files have."""

    path: str


Edit = Put | Delete | Copy | Clear


def unpack(value: Root) -> Directory:
    """What a root or a directory's value says."""
    return Directory(value[24:], *_DIRECTORY.unpack_from(value)) if value else NOTHING


def _pack(directory: Directory) -> bytes:
    return _DIRECTORY.pack(*directory[1:]) + directory[0] if directory.map else b""


def size(value: Root) -> int:
    """Bytes of all files below a root."""
    return unpack(value).size


def entry_size(entry: Entry) -> int:
    """Bytes of a file, or of all files below a directory."""
    return int.from_bytes(entry.value[:8], "big")  # both kinds of values begin with it


def name_of(key: bytes) -> tuple[str, str]:
    """A key's name ("b/" for a directory) and datum tag."""
    name, _, tag = key.partition(b"\0")
    return name.decode("utf-8", "surrogateescape"), tag.decode("utf-8", "surrogateescape")


def key_of(name: str, tag: str = "") -> bytes:
    """The key of a file or directory in the map of the directory that it lies in."""
    return f"{name}\0{tag}".encode("utf-8", "surrogateescape")


class Trees:
    """Reads and edits trees through `maps`."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps

    # -------------------------------------------------------------- files

    def content(self, value: bytes) -> Content:
        """What a file's value stands for."""
        body = value[8:]
        if len(body) % HASH_SIZE:  # "L" and the nodes of a long list
            body = b"".join(self.maps.node(name).values[0] for name in _split(body[1:]))
        return Content(int.from_bytes(value[:8], "big"), tuple(_split(body)))

    def value(self, content: Content) -> bytes:
        """A file's value; lists of chunks that are too long for it are stored."""
        number, chunks = content.size.to_bytes(8, "big"), content.chunks
        if len(chunks) <= _INLINE:
            return number + b"".join(chunks)
        lists = [b"".join(chunks[at : at + _LISTED]) for at in range(0, len(chunks), _LISTED)]
        return number + b"L" + b"".join(self.maps.build([(b"chunks", part)]) for part in lists)

    def file_hash(self, value: bytes) -> bytes:
        """The hash of a file: that of its chunks' hashes."""
        return digest(value[8:]) if (len(value) - 8) % HASH_SIZE == 0 else self.content(value).hash

    def hash(self, entry: Entry) -> bytes:
        """What files or directories of the same content have in common; names below count, datum tags do not."""
        return self.directory_hash(entry.value) if entry.is_directory else self.file_hash(entry.value)

    def directory_hash(self, value: Root) -> bytes:
        """The hash of a directory: of names and hashes below it, in order."""
        root = unpack(value).map
        return self._hash(root) if root else digest(b"")

    def _hash(self, name: bytes) -> bytes:
        known = _HASHES.get(name)
        if known is not None:
            return known
        node = self.maps.node(name)
        if node.level:
            result = digest(b"".join(map(self._hash, node.values)))
        else:
            parts = []
            for key, value in zip(node.keys, node.values, strict=True):
                label = key[: key.index(0) + 1]
                parts.append(label)
                parts.append(self.directory_hash(value) if label[-2:] == b"/\0" else self.file_hash(value))
            result = digest(b"".join(parts))
        if len(_HASHES) >= 200_000:
            _HASHES.clear()
        _HASHES[name] = result
        return result

    # -------------------------------------------------------------- looking

    def directory(self, root: Root, path: str) -> bytes:
        """The value of a directory ("/a/" or "/a"), b"" when there is none."""
        value = root or b""
        for part in path.split("/"):
            if part and value:
                value = self.maps.get(unpack(value).map, key_of(part + "/")) or b""
        return value

    def lookup(self, root: Root, path: str, tag: str | None = None) -> list[Entry]:
        """What lies at a path: its files of all tags (or of `tag`), then its directory. More than one collide.

        "/a" and "/a/" find both files and directories; "/" is found when the tree holds anything.
        """
        path = path.rstrip("/")
        if not path:
            return [Entry("/", "", root)] if root else []
        parent, name = path.rsplit("/", 1)
        directory = unpack(self.directory(root, parent)).map
        if tag is not None:
            found = [(key_of(name, tag), self.maps.get(directory, key_of(name, tag)))]
        else:
            found = list(self.maps.items(directory, key_of(name), name.encode("utf-8", "surrogateescape") + b"\1"))
        entries = [Entry(path, name_of(key)[1], value) for key, value in found if value is not None]
        below = self.maps.get(directory, key_of(name + "/"))
        if below is not None:
            entries.append(Entry(path + "/", "", below))
        return entries

    def file(self, root: Root, path: str, tag: str = "") -> bytes | None:
        """The value of the file at exactly this path and tag."""
        parent, name = path.rsplit("/", 1)
        return self.maps.get(unpack(self.directory(root, parent)).map, key_of(name, tag))

    def children(self, value: Root, path: str, start: str = "", reverse: bool = False) -> Iterator[Entry]:
        """The entries of a directory, of path order; `start` is a name ("b/" for a directory) to begin at or after.

        In reverse it is where to begin before.
        """
        path = path.rstrip("/") + "/"
        low = b"" if reverse else start.encode("utf-8", "surrogateescape")
        high = start.encode("utf-8", "surrogateescape") if reverse and start else None
        for key, child in self.maps.items(unpack(value).map, low, high, reverse):
            name, tag = name_of(key)
            yield Entry(path + name, tag, child)

    def walk(self, value: Root, path: str = "/", after: str = "", reverse: bool = False) -> Iterator[Entry]:
        """Everything below a directory, in path order: a directory, then what is below it. (Reversed: the mirror.)

        Only from the path `after` on, itself included (reversed: only what lies before it); subtrees that are left out
        are not read.
        """
        path = path.rstrip("/") + "/"
        items = self.maps.items(unpack(value).map, reverse=reverse)
        if after.startswith(path) and after != path:
            low = after[len(path) :].split("/", 1)[0].encode("utf-8", "surrogateescape")
            if reverse:
                items = self.maps.items(unpack(value).map, b"", low + b"/\1", reverse=True)
            else:
                items = self.maps.items(unpack(value).map, low)
        elif after and reverse and after <= path:
            return
        for key, child in items:
            name, tag = name_of(key)
            full = path + name
            if full[-1] != "/":
                if not after or (full < after if reverse else full >= after):
                    yield Entry(full, tag, child)
                continue
            inside = after if after and (full.startswith(after) or after.startswith(full)) else ""
            if not inside and after and (full > after if reverse else full < after):
                continue
            if reverse:
                yield from self.walk(child, full, inside, reverse=True)
                if not after or full < after:
                    yield Entry(full, "", child)
            else:
                if not after or full >= after:
                    yield Entry(full, "", child)
                yield from self.walk(child, full, inside)

    def diff(self, old: Root, new: Root, path: str = "/") -> Iterator[tuple[Entry | None, Entry | None]]:
        """What differs below two directories, in path order; a directory comes before what is below it."""
        path = path.rstrip("/") + "/"
        if (old or b"") == (new or b""):
            return
        for key, before, after in self.maps.diff(unpack(old).map, unpack(new).map):
            name, tag = name_of(key)
            full = path + name
            yield (
                None if before is None else Entry(full, tag, before),
                None if after is None else Entry(full, tag, after),
            )
            if full[-1] == "/":
                yield from self.diff(before, after, full)

    # -------------------------------------------------------------- editing

    def edit(self, root: Root, edits: Iterable[Edit]) -> bytes:
        """The root of a tree with edits made in order. Runs of edits to different paths are made together."""
        pending: dict[tuple[str, str], bytes | None] = {}
        for edit in edits:
            if type(edit) is Put:
                pending[edit.path, edit.tag] = self.value(edit.content)
            elif edit.path[-1:] != "/":
                assert isinstance(edit, (Delete, Copy))
                pending[edit.path, edit.tag] = edit.value if isinstance(edit, Copy) else None
            else:
                root = self.edit_files(root, pending)
                pending = {}
                root = self._edit_directory(root, edit)
        return self.edit_files(root, pending)

    def edit_files(self, root: Root, files: dict[tuple[str, str], bytes | None], same: set[str] | None = None) -> bytes:
        """The root with files (path, tag) set to values (`value`) or removed (None); `same` gets those that were so."""
        if not files:
            return root or b""
        below: dict = {}
        folders: dict[str, dict] = {"": below}
        for (path, tag), value in files.items():
            parent, _, name = path.rpartition("/")
            folder = folders.get(parent) or _folder(folders, parent)
            folder[key_of(name, tag)] = value
        return self._apply(root or b"", below, "/", same)

    def _apply(self, value: bytes, edits: dict, path: str = "/", same: set[str] | None = None) -> bytes:
        """The value of a directory with edits made: key to a value, to None, or to edits of a directory below."""
        directory = unpack(value)
        changes: dict[bytes, bytes | None] = {}
        size, files, tagged = directory[1:]
        for key, change in edits.items():
            old = self.maps.get(directory.map, key) if directory.map else None
            if type(change) is dict:
                change = self._apply(old or b"", change, path + name_of(key)[0], same) or None
            if change == old:
                if same is not None and not key.endswith(b"/\0"):
                    same.add(path + name_of(key)[0])
                continue
            changes[key] = change
            for one, sign in ((old, -1), (change, 1)):
                if one is not None:
                    size += sign * int.from_bytes(one[:8], "big")
                    if key.endswith(b"/\0"):
                        inner = unpack(one)
                        files += sign * inner.files
                        tagged += sign * inner.tagged
                    else:
                        files += sign
                        tagged += sign * (key[-1] != 0)
        return _pack(Directory(self.maps.update(directory.map, changes), size, files, tagged)) if changes else value

    def _edit_directory(self, root: Root, edit: Edit) -> bytes:
        old = self.directory(root, edit.path)
        if isinstance(edit, Copy):
            return self.graft(root, edit.path, edit.value)
        if isinstance(edit, Clear):
            return self.graft(root, edit.path, b"")
        return self.graft(root, edit.path, self._without(old, edit.tag))

    def _without(self, value: bytes, tag: str) -> bytes:
        """A directory's value without its files of one tag."""
        directory = unpack(value)
        if (directory.tagged == 0) if tag else (directory.tagged == directory.files):
            return value
        if not tag and directory.tagged == 0:
            return b""
        changes: dict[bytes, bytes | dict | None] = {}
        wanted = b"\0" + tag.encode("utf-8", "surrogateescape")
        for key, child in list(self.maps.items(directory.map)):
            if key.endswith(b"/\0"):
                rest = self._without(child, tag)
                if rest != child:
                    changes[key] = rest or None
            elif key[key.index(0) :] == wanted:
                changes[key] = None
        return self._apply(value, changes)

    def graft(self, root: Root, path: str, value: bytes) -> bytes:
        """The root of a tree whose directory at `path` is this one (b"": none), whatever was there."""
        names = [part for part in path.split("/") if part]
        if not names:
            return value
        edits: dict = {key_of(names[-1] + "/"): value or None}
        for name in reversed(names[:-1]):
            edits = {key_of(name + "/"): edits}
        return self._apply(root or b"", edits)

    # -------------------------------------------------------------- marking and checking

    def reachable(self, root: Root, nodes: set[bytes]) -> Iterator[bytes]:
        """The chunks of all files below a root, as often as they occur; adds the nodes it passes to `nodes`.

        What lies below nodes that are there already is left out.
        """
        stack = [unpack(root).map]
        while stack:
            for _, node in self.maps.reachable(stack.pop(), nodes):
                if node.level:
                    continue
                for key, value in zip(node.keys, node.values, strict=True):
                    if key.endswith(b"/\0"):
                        stack.append(unpack(value).map)
                    else:
                        if (len(value) - 8) % HASH_SIZE:
                            nodes.update(_split(value[9:]))
                        yield from self.content(value).chunks


_HASHES: dict[bytes, bytes] = {}  # of nodes of directories; equal nodes have equal hashes for ever


def _split(body: bytes) -> Sequence[bytes]:
    return [body[at : at + HASH_SIZE] for at in range(0, len(body), HASH_SIZE)]


def _folder(folders: dict[str, dict], path: str) -> dict:
    """The edits of a directory, within those of the directories above it."""
    missing = []
    while path not in folders:
        missing.append(path)
        path = path.rpartition("/")[0]
    folder = folders[path]
    for path in reversed(missing):
        key = key_of(path.rpartition("/")[2] + "/")
        folder[key] = folders[path] = folder = {}
    return folder
