"""The index of a file list: read every file once, then never again look at an XML or wonder whether a JPEG is whole.

One row for each listed file, in the list's order, quarantined ones too: path, class, label, size in bytes and in pixels, SHA-256,
who decodes it, its boxes clamped and checked, and a note of what was odd about it. Kept as one Parquet file.

In memory (`Index`) the rows that can be used are packed arrays, not Python objects: 1.28 million images take some
130 MB once, shared by all threads.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotations import AnnotationError, parse, true_boxes
from pictures import PictureError, PictureReader, oddities, read_header

VERSION = "1"
OK, NOTED, QUARANTINED = "ok", "noted", "quarantined"

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
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
        "path": [row.path for row in fixed],
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

    path_bytes, path_ends: paths end to end, and where each ends; boxes: (samples, 4) uint16; labels: (images,) int32;
    sizes: bytes of each file; careful: who decodes it; first: (images + 1,) int64.
    """

    root: Path
    classes: list[str]
    path_bytes: np.ndarray
    path_ends: np.ndarray
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
        start = int(self.path_ends[image])
        return self.path_bytes[start : int(self.path_ends[image + 1])].tobytes().decode()

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


def from_table(table: pa.Table, root: Path) -> Index:
    """Pack the rows that can be used. Columns needed: path, label, bytes, kind, boxes, status."""
    status = table.column("status").combine_chunks().cast(pa.string())
    counts = Counter({entry["values"]: entry["counts"] for entry in status.value_counts().to_pylist()})
    usable = table.filter(pa.compute.not_equal(status, QUARANTINED)) if counts[QUARANTINED] else table
    paths = _plain(usable.column("path"), pa.large_string())
    _, offsets, characters = paths.buffers()
    count = len(paths)
    ends = np.frombuffer(offsets, np.int64)[paths.offset : paths.offset + count + 1] if count else np.zeros(1, np.int64)
    boxes = _plain(usable.column("boxes"), pa.large_list(pa.uint16()))
    edges = np.asarray(boxes.flatten()).reshape(-1, 4)
    starts = np.asarray(boxes.offsets, np.int64)
    metadata = table.schema.metadata or {}
    return Index(
        root=root,
        classes=json.loads(metadata.get(b"classes", b"[]")),
        path_bytes=np.frombuffer(characters, np.uint8) if count and characters is not None else np.zeros(0, np.uint8),
        path_ends=ends,
        labels=np.asarray(usable.column("label").combine_chunks(), np.int32),
        sizes=np.asarray(usable.column("bytes").combine_chunks(), np.int64),
        careful=np.asarray(pa.compute.equal(_plain(usable.column("kind"), pa.string()), "careful")),
        first=(starts - (starts[0] if len(starts) else 0)) // 4 if count else np.zeros(1, np.int64),
        boxes=edges,
        counts=dict(counts),
    )


def _plain(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """A column as one array of the type wanted."""
    array = column.cast(kind).combine_chunks()
    return array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)


def read_index(path: Path, root: Path | None = None) -> Index:
    """Open an index file. root: where the list's paths start (the folder written into the index, if None)."""
    columns = ["path", "label", "bytes", "kind", "boxes", "status"]
    table = pq.read_table(path, columns=columns, memory_map=True)
    metadata = table.schema.metadata or {}
    if metadata.get(b"version") != VERSION.encode():
        raise ValueError(f"{path} is not an index of version {VERSION}: delete it and let it be made anew")
    return from_table(table, root or path.parent / metadata.get(b"root", b".").decode())


def quarantine_of(path: Path) -> list[tuple[str, str]]:
    """(path, reason) of each quarantined file of an index."""
    table = pq.read_table(path, columns=["path", "status", "note"])
    rows = table.filter(pa.compute.equal(table.column("status").cast(pa.string()), QUARANTINED))
    return list(zip(rows.column("path").to_pylist(), rows.column("note").to_pylist(), strict=True))


def notes_of(path: Path) -> Counter[str]:
    """How often each note was made in an index, quarantined files left out."""
    table = pq.read_table(path, columns=["status", "note"])
    rows = table.filter(pa.compute.equal(table.column("status").cast(pa.string()), NOTED))
    return Counter(note for notes in rows.column("note").to_pylist() for note in notes.split(", "))


def build_index(
    filelist: Path, out: Path, root: Path | None = None, classes: Sequence[str] | None = None, threads: int = 2, whole=True
) -> Index:
    """Make the index of a file list, write it to `out`, and the quarantine list beside it if there is one.

    filelist: one path a line, relative to `root` (the list's own folder, if None) or absolute. classes: the classes of the
    training set, for a list that does not decide them itself; otherwise all of this list's, sorted.
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
    pq.write_table(table, draft, compression="zstd")
    draft.replace(out)
    write_quarantine(out.with_name(f"{out.stem.removesuffix('.index')}.quarantine.txt"), rows_of(table))
    return from_table(table, root)


def rows_of(table: pa.Table) -> list[tuple[str, str]]:
    """(path, reason) of a table's quarantined rows."""
    status = table.column("status").cast(pa.string()).to_pylist()
    found = zip(table.column("path").to_pylist(), status, table.column("note").to_pylist(), strict=True)
    return [(path, note) for path, state, note in found if state == QUARANTINED]


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
