"""Shards: the samples of a class packed once, for jobs that read the set more than once.

    raw       the samples themselves, uint8 side x side x 3, end to end
    cropped   one JPEG an image, cut losslessly to the boxes and a block around: half the bytes, the same samples

A packed class is `shards/<class>/part-NNN.bin` and `index/<class>.parquet`; the latter has a row for each image, as
the index of a file list has, and where the image lies. The manifest is all classes' rows in one file, with labels:
classes in sorted order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from index import QUARANTINED, SCHEMA, VERSION, Index, Row, from_table, to_table
from pictures import CAREFUL, PictureReader
from resample import best
from sources import CroppedSource, Place, RawSource
from turbojpeg_region import JpegError, crop_lossless

RAW, CROPPED = "raw", "cropped"
FORMATS = (RAW, CROPPED)
PLACE_FIELDS = [
    ("part", pa.string()),
    ("offset", pa.int64()),
    ("length", pa.int64()),
    ("left", pa.uint16()),
    ("top", pa.uint16()),
]
"""part: path of the shard file below the shards' folder. left, top: where a cropped JPEG lies in the picture."""
SHARD_SCHEMA = pa.schema([*SCHEMA, *[pa.field(*field) for field in PLACE_FIELDS]])


class Packer:
    """Writes one class's shard files; a part is closed when it has reached `part_bytes`."""

    def __init__(self, folder: Path, wnid: str, side: int, part_bytes: int):
        self.folder, self.wnid, self.side, self.part_bytes = folder, wnid, side, part_bytes
        self._reader, self._resample = PictureReader(), best()[1]
        self._file = None
        self._number = self._offset = 0

    def __enter__(self) -> Packer:
        return self

    def __exit__(self, *_) -> None:
        if self._file:
            self._file.close()

    def add(self, row: Row, data: bytes, form: str) -> tuple[str, int, int, int, int]:
        """Append an image; where it lies: (part, offset, length, left, top)."""
        content, left, top = self._samples(row, data), 0, 0
        if form == CROPPED:
            content, left, top = self._cropped(row, data)
        if self._file is None or (self._offset and self._offset + len(content) > self.part_bytes):
            self._open_next()
        place = (f"{self.wnid}/part-{self._number - 1:03d}.bin", self._offset, len(content), left, top)
        self._file.write(content)
        self._offset += len(content)
        return place

    def _open_next(self) -> None:
        if self._file:
            self._file.close()
        folder = self.folder / self.wnid
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / f"part-{self._number:03d}.bin", "wb")  # noqa: SIM115  closed by __exit__
        self._number, self._offset = self._number + 1, 0

    def _samples(self, row: Row, data: bytes) -> bytes:
        pixels = self._reader.read(data, row.kind)
        samples = np.empty((len(row.boxes), self.side, self.side, 3), np.uint8)
        for sample, (left, top, right, bottom) in zip(samples, row.boxes, strict=True):
            self._resample(pixels[top:bottom, left:right], sample)
        return samples.tobytes()

    @staticmethod
    def _cropped(row: Row, data: bytes) -> tuple[bytes, int, int]:
        """The cropped JPEG and its place; the file as it is where it is none, or where cropping saves nothing."""
        if row.kind == CAREFUL:
            return data, 0, 0
        edges = np.array(row.boxes)
        union = (*(int(edge) for edge in edges[:, :2].min(axis=0)), *(int(edge) for edge in edges[:, 2:].max(axis=0)))
        try:
            cropped = crop_lossless(data, union)
        except JpegError:
            cropped = None
        return cropped if cropped is not None and len(cropped[0]) < len(data) else (data, 0, 0)


def pack_class(
    wnid: str,
    rows: Sequence[Row],
    contents: Iterator[bytes],
    out: Path,
    form: str,
    side: int,
    part_bytes: int = 256 << 20,
) -> pa.Table:
    """Write a class's shard files and its index below `out`; the index table.

    contents: the bytes of each row's file, in the order of the rows; those of quarantined rows are not looked at.
    """
    nowhere = (None, 0, 0, 0, 0)
    with Packer(out / "shards", wnid, side, part_bytes) as packer:
        places = [
            nowhere if row.status == QUARANTINED else packer.add(row, data, form)
            for row, data in zip(rows, contents, strict=True)
        ]
    table = to_table(rows, [wnid], {"format": form, "side": str(side)})
    for (name, kind), values in zip(PLACE_FIELDS, zip(*places, strict=True), strict=True):
        table = table.append_column(name, pa.array(values, kind))
    (out / "index").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / "index" / f"{wnid}.parquet", compression="zstd")
    return table


def merge(tables: Sequence[pa.Table], commits: dict[str, str]) -> pa.Table:
    """One manifest of packed classes: rows by class, labels by the classes' sorted names.

    commits: what was read from where, kept with the manifest. Raises ValueError where the classes do not fit together.
    """
    described = []
    for table in tables:
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if metadata.get("version") != VERSION:
            raise ValueError(f"a class was packed by another version ({metadata.get('version')}): pack it again")
        described.append((json.loads(metadata["classes"])[0], metadata["format"], int(metadata["side"]), table))
    if not described:
        raise ValueError("there is no packed class to make a manifest of")
    if len({(form, side) for _, form, side, _ in described}) > 1:
        raise ValueError("the classes were packed in different formats or sizes: pack them again")
    described.sort(key=lambda entry: entry[0])
    classes = [wnid for wnid, *_ in described]
    if len(set(classes)) != len(classes):
        raise ValueError("a class was packed twice")
    labelled = []
    for label, (_, _, _, table) in enumerate(described):
        quarantined = pa.compute.equal(table.column("status").cast(pa.string()), QUARANTINED)
        labels = pa.compute.if_else(quarantined, pa.scalar(-1, pa.int32()), pa.scalar(label, pa.int32()))
        labelled.append(
            table.set_column(table.schema.get_field_index("label"), "label", labels).replace_schema_metadata(None)
        )
    merged = pa.concat_tables([table.cast(SHARD_SCHEMA) for table in labelled]).unify_dictionaries()
    _, form, side, _ = described[0]
    about = {
        "version": VERSION,
        "classes": json.dumps(classes),
        "format": form,
        "side": str(side),
        "commits": json.dumps(commits),
    }
    return merged.replace_schema_metadata(about)


def open_shards(manifest: Path, shards: Path) -> RawSource | CroppedSource:
    """A source of samples from a manifest and the folder its shard files are in.

    Raises ValueError where the manifest is of another version, FileNotFoundError where a shard file is missing.
    """
    table = pq.read_table(manifest)
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if metadata.get("version") != VERSION or metadata.get("format") not in FORMATS:
        raise ValueError(f"{manifest} is no manifest of version {VERSION}: make it anew")
    index: Index = from_table(table, shards)
    usable = table.filter(pa.compute.not_equal(table.column("status").cast(pa.string()), QUARANTINED))
    parts = usable.column("part").combine_chunks().dictionary_encode()
    parts = parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
    files = [shards / name for name in parts.dictionary.to_pylist()]
    for file in files:
        if not file.exists():
            raise FileNotFoundError(f"{file} is named by the manifest and is not there")
    offset, length, left, top = (np.asarray(usable.column(name).combine_chunks()) for name, _ in PLACE_FIELDS[1:])
    place = Place(files, np.asarray(parts.indices), offset, length, left, top)
    side = int(metadata["side"])
    return RawSource(index, side, place) if metadata["format"] == RAW else CroppedSource(index, side, place)
