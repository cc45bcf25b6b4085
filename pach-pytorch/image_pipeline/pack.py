#!/usr/bin/env python3
"""Pack class folders: look at every image once, quarantine what cannot be used, write the rest as shards.

As a pipeline, a datum is one class: its folder of images joined with its folder of annotations. A broken image never
fails the job; it ends in quarantine/<class>.txt with its reason, and is counted.

    images/<class>/*.JPEG  annotations/<class>/*.xml   →   shards/<class>/part-NNN.bin  index/<class>.parquet
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from index import look, rows_of, write_quarantine
from shards import FORMATS, pack_class
from turbojpeg_region import available


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Pack class folders of images into shards.")
    parser.add_argument("--images", type=Path, default=Path("/pfs/images"))
    parser.add_argument("--annotations", type=Path, default=Path("/pfs/annotations"))
    parser.add_argument("--out", type=Path, default=Path("/pfs/out"))
    parser.add_argument("--format", choices=FORMATS, default="raw")
    parser.add_argument("--side", type=int, default=224, help="a sample's width and height in pixels (224)")
    parser.add_argument(
        "--part-bytes", type=int, default=256 << 20, help="a shard file is closed when it would pass this size"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.side < 1 or options.part_bytes < 1 or options.threads < 1:
        parser.error("--side, --part-bytes and --threads must be at least 1")
    folders = sorted(path for path in options.images.iterdir() if path.is_dir()) if options.images.is_dir() else []
    if not folders:
        parser.error(f"{options.images} has no class folder: put images in as <class>/<name>.JPEG")
    if options.format == "cropped" and not available():
        print("no libjpeg-turbo 3 here (pip install turbojpeg): the JPEGs are kept whole", file=sys.stderr)

    for folder in folders:
        files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.name)
        names = [f"{folder.name}/{path.name}" for path in files]
        described = [options.annotations / folder.name / f"{path.stem}.xml" for path in files]
        rows = look(options.images, names, described, options.threads)
        contents = (path.read_bytes() for path in files)
        table = pack_class(folder.name, rows, contents, options.out, options.format, options.side, options.part_bytes)
        left_out = rows_of(table)
        if left_out:
            (options.out / "quarantine").mkdir(exist_ok=True)
            write_quarantine(options.out / "quarantine" / f"{folder.name}.txt", left_out)
        samples = sum(len(row.boxes) for row in rows)
        size = sum(path.stat().st_size for path in (options.out / "shards" / folder.name).glob("*.bin"))
        print(
            f"{folder.name}: {len(files)} files, {len(files) - len(left_out)} packed with {samples} samples, "
            f"{len(left_out)} quarantined, {size / 1e6:.1f} MB {options.format}"
        )
        for path, reason in left_out:
            print(f"  quarantined {path}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
