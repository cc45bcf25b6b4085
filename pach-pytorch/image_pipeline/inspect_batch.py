#!/usr/bin/env python3
"""Look at one batch: a contact sheet of its samples with labels, and of the images they were cut from with their boxes.

python inspect_batch.py -c ilsvrc.json --out batch.png          the first batch of epoch 0
python inspect_batch.py --manifest manifest.parquet --batch-size 16 --out batch.png
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from lesson import main_guard, open_index
from loader import Batch, Loader
from PIL import Image, ImageDraw
from settings import SettingsError, read_settings
from shards import open_shards
from sources import FileSource, SampleError

CELL, CAPTION, GAP = 128, 14, 6


def fitted(picture: Image.Image) -> tuple[Image.Image, float]:
    """The picture made to fit a cell, and by how much it shrank."""
    scale = min(CELL / picture.width, CELL / picture.height)
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))), scale


def original(source, image: int) -> tuple[Image.Image, int, int] | None:
    """(the picture that boxes are drawn on, or its cropped part; that part's left, top); None from ready samples."""
    if not hasattr(source, "picture"):
        return None
    data, left, top = source.picture(source.worker(), image)
    picture = Image.open(io.BytesIO(bytes(data))).convert("RGB")
    return picture, left, top


def contact_sheet(source, batch: Batch, columns: int = 8) -> Image.Image:
    """A batch in one picture: each sample with its class, under it the image with all its boxes, this one's red."""
    index = source.index
    drawn_on = hasattr(source, "picture")
    cell_height = CAPTION + CELL + (CELL + 4 if drawn_on else 0)
    rows = -(-len(batch.samples) // columns)
    sheet = Image.new("RGB", (columns * (CELL + GAP) + GAP, rows * (cell_height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for slot, sample in enumerate(batch.samples.tolist()):
        x = GAP + slot % columns * (CELL + GAP)
        y = GAP + slot // columns * (cell_height + GAP)
        image = int(np.searchsorted(index.first, sample, side="right")) - 1
        label = int(batch.labels[slot])
        draw.text((x, y), f"{label} {index.classes[label]} #{sample}", fill="black")
        picture, _ = fitted(Image.fromarray(batch.images[slot]))
        sheet.paste(picture, (x, y + CAPTION))
        found = original(source, image)
        if found is None:
            continue
        small, scale = fitted(found[0])
        left, top = x, y + CAPTION + CELL + 4
        sheet.paste(small, (left, top))
        for number in range(int(index.first[image]), int(index.first[image + 1])):
            box = index.boxes[number].tolist()
            corners = [
                (box[0] - found[1]) * scale,
                (box[1] - found[2]) * scale,
                (box[2] - found[1]) * scale,
                (box[3] - found[2]) * scale,
            ]
            place = [left + corners[0], top + corners[1], left + corners[2] - 1, top + corners[3] - 1]
            draw.rectangle(place, outline="red" if number == sample else "yellow", width=2)
    return sheet


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw a contact sheet of one batch, with boxes and labels.")
    parser.add_argument(
        "-c", "--config", type=Path, help="the lesson's configuration; or give --filelist or --manifest"
    )
    parser.add_argument("--filelist", type=Path)
    parser.add_argument("--index", type=Path, help="where the list's index is kept (beside the list)")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--shards", type=Path, help="the folder of the manifest's shards (`shards` beside it)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--batch", type=int, default=0, help="which batch of the epoch (0)")
    parser.add_argument("--out", type=Path, default=Path("batch.png"))
    options = parser.parse_args(arguments)
    try:
        side, filelist = 224, options.filelist
        if options.config:
            settings = read_settings(options.config)
            side, filelist = settings.side, filelist or settings.train_filelist
        if options.manifest:
            source = open_shards(options.manifest, options.shards or options.manifest.parent / "shards")
            print("\n".join(source.index.report()))
        elif filelist:
            source = FileSource(open_index(filelist, options.index, 2), side)
        else:
            parser.error("give one of --config, --filelist, --manifest")
        loader = Loader(
            source, min(options.batch_size, source.index.samples), seed=options.seed, prefetch=0, last="wrap"
        )
        loader.epoch, loader.next_batch = options.epoch, options.batch
        if not 0 <= options.batch < len(loader):
            raise SystemExit(f"error: the epoch has {len(loader)} batches, so none is number {options.batch}")
        batch = next(iter(loader))
        contact_sheet(source, batch).save(options.out)
    except (SettingsError, SampleError, LookupError, ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"wrote {options.out}: batch {batch.number} of epoch {batch.epoch}, {len(batch.samples)} samples")
    return 0


if __name__ == "__main__":
    main_guard(main)
