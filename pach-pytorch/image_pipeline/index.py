#!/usr/bin/env python3
"""The index of a file list: read every file once, then never again look at an XML or wonder whether a JPEG is whole.

One row for each listed file, in the list's order, quarantined ones too: path, class, label, size in bytes and in
pixels, SHA-256, who decodes it, its boxes clamped and checked, and a note of what was odd about it. Kept as one
Parquet file.

In memory (`Index`) the rows that can be used are packed arrays, not Python objects: 1.28 million images take some
85 MB once, shared by all threads.

    python index.py train.txt        makes train.index.parquet, and says what was odd
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotations import POLICY, AnnotationError, parse, true_boxes
from pictures import ODDITIES, PictureError, PictureReader, oddities, read_header

VERSION = "1"
ROWS = 1 << 14
"""Rows that are written, and read, at a time."""
OK, NOTED, QUARANTINED = "ok", "noted", "quarantined"

SCHEMA = pa.schema(
    [
        ("folder", pa.dictionary(pa.int32(), pa.string())),
        ("name", pa.string()),
        ("wnid", pa.dictionary(pa.int32(), pa.string())),
        ("label", pa.int32()),
        ("bytes", pa.int64()),
        ("sha256", pa.binary(32)),
        ("width", pa.uint16()),
        ("height", pa.uint16()),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
        ("boxes", pa.list_(pa.uint16())),
        ("status", pa.dictionary(pa.int8(), pa.string())),
        ("note", pa.string()),
    ]
)
"""boxes: four numbers a box, left top right bottom. label: -1 for a quarantined row. note: empty, or what was odd."""


class Row(NamedTuple):
    """One file, looked at."""

    path: str
    wnid: str
    bytes: int
    sha256: bytes
    width: int
    height: int
    kind: str
    boxes: list[tuple[int, int, int, int]]
    status: str
    note: str


def annotation_path(path: str) -> str:
    """The annotation of an image in ILSVRC's tree: the folder `Data` becomes `Annotations`, the suffix `.xml`.

    Only a whole folder named Data is replaced, the last one; a path without it is its own annotation's path.
    """
    pure = PurePosixPath(path).with_suffix(".xml")
    parts = list(pure.parts)
    places = [number for number, part in enumerate(parts[:-1]) if part == "Data"]
    if places:
        parts[places[-1]] = "Annotations"
    return str(PurePosixPath(*parts))


def inspect_file(root: Path, path: str, annotation: Path | None, reader: PictureReader, whole: bool = True) -> Row:
    """Look at one image and its annotation.

    whole: decode the picture to its end; otherwise only its header is read, and a broken one is met in training.
    """
    wnid = PurePosixPath(path).parent.name

    def quarantined(reason: str, data: bytes = b"") -> Row:
        return Row(path, wnid, len(data), hashlib.sha256(data).digest(), 0, 0, "", [], QUARANTINED, reason)

    try:
        data = (root / path).read_bytes()
    except OSError as error:
        return quarantined(f"cannot be read: {error.strerror or error}")
    try:
        header = read_header(data)
        if whole:
            reader.read(data, header.kind)
    except PictureError as error:
        return quarantined(str(error), data)
    try:
        described = parse(annotation.read_bytes()) if annotation is not None else None
    except FileNotFoundError:
        described = None
    except (AnnotationError, OSError) as error:
        return quarantined(f"annotation unreadable: {error}", data)
    boxes, notes = true_boxes(described, header.width, header.height)
    notes = [*oddities(data, header), *notes]
    status = NOTED if notes else OK
    digest = hashlib.sha256(data).digest()
    return Row(path, wnid, len(data), digest, header.width, header.height, header.kind, boxes, status, ", ".join(notes))


def look(
    root: Path, paths: Sequence[str], annotations: Sequence[Path | None], threads: int = 2, whole: bool = True
) -> list[Row]:
    """Look at every file, `threads` at a time; rows in the order of `paths`."""
    readers: list[PictureReader] = []

    def share(first: int) -> list[Row]:
        reader = PictureReader()
        readers.append(reader)
        return [
            inspect_file(root, paths[number], annotations[number], reader, whole)
            for number in range(first, min(first + 64, len(paths)))
        ]

    with ThreadPoolExecutor(threads) as pool:
        return [row for rows in pool.map(share, range(0, len(paths), 64)) for row in rows]


def to_table(rows: Iterable[Row], classes: Sequence[str], metadata: dict[str, str] | None = None) -> pa.Table:
    """Rows as a Parquet table; labels are places in `classes`, and a class not among them is quarantined."""
    known = {wnid: label for label, wnid in enumerate(classes)}
    fixed = [
        row
        if row.status == QUARANTINED or row.wnid in known
        else row._replace(status=QUARANTINED, note=f"class {row.wnid} is not among the {len(known)} classes", boxes=[])
        for row in rows
    ]
    columns = {
        "folder": [row.path.rpartition("/")[0] for row in fixed],
        "name": [row.path.rpartition("/")[2] for row in fixed],
        "wnid": [row.wnid for row in fixed],
        "label": [-1 if row.status == QUARANTINED else known[row.wnid] for row in fixed],
        "bytes": [row.bytes for row in fixed],
        "sha256": [row.sha256 for row in fixed],
        "width": [row.width for row in fixed],
        "height": [row.height for row in fixed],
        "kind": [row.kind for row in fixed],
        "boxes": [[edge for box in row.boxes for edge in box] for row in fixed],
        "status": [row.status for row in fixed],
        "note": [row.note for row in fixed],
    }
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}, SCHEMA)
    return table.replace_schema_metadata({"version": VERSION, "classes": json.dumps(list(classes)), **(metadata or {})})


@dataclass
class Index:
    """The images that can be used, packed. Image i has boxes first[i] .. first[i+1]-1; a box is a sample.

    folder: (images,) int32, each file's place in `folders`; names: the files' names end to end, those of image i from
    name_ends[i] to name_ends[i+1]; labels: (images,) int32; sizes: (images,) uint32, bytes of each file; careful:
    (images,) bool, who decodes it; first: (images + 1,) int64; boxes: (samples, 4) uint16; counts: rows of each
    status.
    """

    root: Path
    classes: list[str]
    folders: list[str]
    folder: np.ndarray
    names: np.ndarray
    name_ends: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    careful: np.ndarray
    first: np.ndarray
    boxes: np.ndarray
    counts: dict[str, int]

    @property
    def images(self) -> int:
        return len(self.labels)

    @property
    def samples(self) -> int:
        return len(self.boxes)

    def path(self, image: int) -> str:
        """The path of an image, relative to `root`."""
        name = self.names[self.name_ends[image] : self.name_ends[image + 1]].tobytes().decode()
        folder = self.folders[self.folder[image]]
        return f"{folder}/{name}" if folder else name

    def report(self) -> list[str]:
        """How many files were taken and left, line by line: printed wherever an index is made or opened."""
        total = sum(self.counts.values())
        lines = [
            f"{total} files: {self.images} used with {self.samples} samples (boxes) of {len(self.classes)} classes, "
            f"{self.counts.get(QUARANTINED, 0)} quarantined"
        ]
        if self.counts.get(NOTED):
            lines[0] += f", {self.counts[NOTED]} used with a note"
        return lines


COLUMNS = ["folder", "name", "label", "bytes", "kind", "boxes", "status"]


def from_table(table: pa.Table, root: Path) -> Index:
    """Pack the rows of a table that can be used."""
    return pack_rows(table.select(COLUMNS).to_batches(), len(table), table.schema.metadata or {}, root)


def read_index(path: Path, root: Path | None = None) -> Index:
    """Open an index file. root: where the list's paths start (the folder written into the index, if None).

    A few rows at a time, so that opening takes little more memory than the index itself.
    """
    with pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:
        metadata = file.schema_arrow.metadata or {}
        if metadata.get(b"version") != VERSION.encode():
            raise ValueError(f"{path} is not an index of version {VERSION}: delete it and let it be made anew")
        root = root or path.parent / metadata.get(b"root", b".").decode()
        batches = file.iter_batches(batch_size=ROWS, columns=COLUMNS, use_threads=False)
        index = pack_rows(batches, file.metadata.num_rows, metadata, root)
        batches.close()
    pa.default_memory_pool().release_unused()
    return index


def pack_rows(batches: Iterable[pa.RecordBatch], rows: int, metadata: dict[bytes, bytes], root: Path) -> Index:
    """Pack the rows that can be used; each batch is let go of before the next is read."""
    counts: Counter[str] = Counter()
    folders: dict[str, int] = {}
    folder, labels, name_lengths, box_counts = (np.empty(rows, np.int32) for _ in range(4))
    sizes, careful = np.empty(rows, np.uint32), np.empty(rows, bool)
    names, boxes = bytearray(), bytearray()  # they grow in place, where joining arrays would hold everything twice
    count = 0
    for batch in batches:
        status = batch.column("status").cast(pa.string())
        counts.update({entry["values"]: entry["counts"] for entry in status.value_counts().to_pylist()})
        usable = batch.filter(pa.compute.not_equal(status, QUARANTINED))
        here = slice(count, count + len(usable))
        count += len(usable)
        coded = usable.column("folder").cast(pa.string()).dictionary_encode()
        numbers = np.array([folders.setdefault(name, len(folders)) for name in coded.dictionary.to_pylist()], np.int32)
        folder[here] = numbers[np.asarray(coded.indices)]
        characters, name_lengths[here] = _characters(usable.column("name"))
        names += characters.data
        labels[here] = usable.column("label")
        sizes[here] = usable.column("bytes")
        careful[here] = pa.compute.equal(usable.column("kind").cast(pa.string()), "careful")
        box_counts[here] = np.asarray(pa.compute.list_value_length(usable.column("boxes"))) // 4
        boxes += np.asarray(usable.column("boxes").flatten()).data
        del batch, status, usable, coded
    return Index(
        root=root,
        classes=json.loads(metadata.get(b"classes", b"[]")),
        folders=list(folders),
        folder=folder[:count],
        names=np.frombuffer(names, np.uint8),
        name_ends=_ends(name_lengths[:count], np.uint32),
        labels=labels[:count],
        sizes=sizes[:count],
        careful=careful[:count],
        first=_ends(box_counts[:count]),
        boxes=np.frombuffer(boxes, np.uint16).reshape(-1, 4),
        counts=dict(counts),
    )


def _ends(lengths: np.ndarray, kind: type = np.int64) -> np.ndarray:
    """Where each of some things end to end begins, and the last ends: one more than there are lengths."""
    ends = np.zeros(len(lengths) + 1, kind)
    np.cumsum(lengths, out=ends[1:])
    return ends


def _characters(names: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """(the names' bytes end to end, each name's length), without a Python object for each."""
    _, offsets, characters = names.buffers()
    if not len(names):
        return np.zeros(0, np.uint8), np.zeros(0, np.int32)
    ends = np.frombuffer(offsets, np.int32)[names.offset : names.offset + len(names) + 1]
    return np.frombuffer(characters, np.uint8)[ends[0] : ends[-1]], np.diff(ends)


def quarantine_of(path: Path) -> list[tuple[str, str]]:
    """(path, reason) of each quarantined file of an index."""
    return rows_of(pq.read_table(path, columns=["folder", "name", "status", "note"]))


def notes_of(path: Path) -> Counter[str]:
    """How often each note was made in an index, quarantined files left out."""
    table = pq.read_table(path, columns=["status", "note"])
    rows = table.filter(pa.compute.equal(table.column("status").cast(pa.string()), NOTED))
    return Counter(note for notes in rows.column("note").to_pylist() for note in notes.split(", "))


def describe(path: Path) -> list[str]:
    """An index file in words: how many files were used and left out, each reason, each note and what was done."""
    lines = read_index(path).report()
    reasons = Counter(reason for _, reason in quarantine_of(path))
    lines += [f"  quarantined {count} x {reason}" for reason, count in sorted(reasons.items())]
    done = {**ODDITIES, **POLICY}
    return lines + [f"  noted {count} x {note}: {done[note]}" for note, count in sorted(notes_of(path).items())]


def build_index(
    filelist: Path,
    out: Path,
    root: Path | None = None,
    classes: Sequence[str] | None = None,
    threads: int = 2,
    whole=True,
) -> Index:
    """Make the index of a file list, write it to `out`, and the quarantine list beside it if there is one.

    filelist: one path a line, relative to `root` (the list's own folder, if None) or absolute. classes: the classes
    of the training set, for a list that does not decide them itself; otherwise all of this list's, sorted.
    """
    root = root or filelist.parent
    text = filelist.read_bytes()
    paths = [line.strip() for line in text.decode().splitlines() if line.strip()]
    if not paths:
        raise ValueError(f"{filelist} lists no file")
    rows = look(root, paths, [root / annotation_path(path) for path in paths], threads, whole)
    names = sorted({row.wnid for row in rows}) if classes is None else list(classes)
    relative = str(root.resolve()) if root.resolve() != out.parent.resolve() else "."
    table = to_table(rows, names, {"root": relative, "list": hashlib.sha256(text).hexdigest()})
    draft = out.with_name(out.name + ".part")
    pq.write_table(table, draft, compression="zstd", row_group_size=ROWS)
    draft.replace(out)
    write_quarantine(out.with_name(f"{out.stem.removesuffix('.index')}.quarantine.txt"), rows_of(table))
    return from_table(table, root)


def rows_of(table: pa.Table) -> list[tuple[str, str]]:
    """(path, reason) of a table's quarantined rows."""
    rows = table.filter(pa.compute.equal(table.column("status").cast(pa.string()), QUARANTINED))
    places = zip(*(rows.column(name).to_pylist() for name in ("folder", "name", "note")), strict=True)
    return [(f"{folder}/{name}" if folder else name, note) for folder, name, note in places]


def write_quarantine(path: Path, quarantined: list[tuple[str, str]]) -> None:
    """Write the list of files left out: path, tab, reason. No list remains where nothing was left out."""
    if quarantined:
        path.write_text("".join(f"{name}\t{reason}\n" for name, reason in quarantined))
    else:
        path.unlink(missing_ok=True)


def is_index_of(path: Path, filelist: Path) -> bool:
    """Whether `path` is an index of this version, made of this very list."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return False
    listed = hashlib.sha256(filelist.read_bytes()).hexdigest().encode()
    return metadata.get(b"version") == VERSION.encode() and metadata.get(b"list") == listed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the index of a list of images: look at every file once.")
    parser.add_argument("filelist", type=Path, help="one path a line, relative to the list's folder")
    parser.add_argument("--out", type=Path, help="the index file (beside the list)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--headers-only", action="store_true", help="do not decode: a broken file is met in training")
    options = parser.parse_args(arguments)
    out = options.out or options.filelist.with_name(f"{options.filelist.stem}.index.parquet")
    try:
        build_index(options.filelist, out, threads=options.threads, whole=not options.headers_only)
        print("\n".join(describe(out)))
    except OSError as error:
        raise SystemExit(f"error: {error.filename or options.filelist}: {error.strerror or error}") from error
    except (ValueError, LookupError) as error:
        raise SystemExit(f"error: {error}") from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
