#!/usr/bin/env python3
"""Draw an ImageNet-like set: JPEG folders, VOC XML annotations, file lists, and the odd files real sets contain.

    python data/make_images.py OUT                         2,000 + 100 images of 20 classes and 19 odd files (220 MB)
    python data/make_images.py OUT --images 60 --classes 3 --side 160      a small one, in a second

The tree is that of ILSVRC 2012, so that a script written for the real set finds its way:

    OUT/ILSVRC/Data/CLS-LOC/{train,val,odd}/n########/n########_#.JPEG
    OUT/ILSVRC/Annotations/CLS-LOC/{train,val,odd}/n########/n########_#.xml
    OUT/{train,val,odd}.txt        one path a line, relative to OUT

The same seed and the same library versions give the same bytes. Sizes follow the real set: about 500 x 375 pixels,
quality 90, three in four with 4:2:0 chroma, one and a half boxes an image. What is in a box can be learned: a class
is a shape with a stripe direction and two colours.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

SIDES = ((500, 375), (375, 500), (500, 333), (333, 500), (500, 400), (400, 400), (640, 480), (500, 281))
SIDE_SHARES = (0.42, 0.12, 0.16, 0.05, 0.07, 0.06, 0.04, 0.08)
BOX_COUNTS = (1, 2, 3, 4)
BOX_COUNT_SHARES = (0.66, 0.20, 0.10, 0.04)
SUBSAMPLING_444, SUBSAMPLING_420 = 0, 2

Box = tuple[int, int, int, int]
"""xmin, ymin, xmax, ymax in VOC's way: pixels are counted from 1 and both ends belong to the box."""


def class_name(number: int) -> str:
    """A WordNet-like id; the distances are uneven so that a sorted list of names is not a list of numbers."""
    return f"n{1440764 + number * number * 3779 + number * 131:08d}"


def texture(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Noise with the spectrum of a photograph: grids of random colours, each twice as fine and less than half as loud.

    Shape (height, width, 3), float32, around 0..255. The finest grid decides how many bytes the JPEG has.
    """
    picture = np.zeros((height, width, 3), np.float32)
    for cell, loudness in ((160, 95.0), (64, 48.0), (24, 26.0), (9, 18.0), (3, 24.0), (1, 27.0)):
        rows, columns = height // cell + 2, width // cell + 2
        grid = random.standard_normal((rows, columns, 3), np.float32)
        if cell == 1:
            layer = grid[:height, :width] * 0.4 + grid[:height, :width, :1]
        else:
            channels = [
                Image.fromarray(np.ascontiguousarray(grid[:, :, channel])).resize(
                    (width, height), Image.Resampling.BICUBIC
                )
                for channel in range(3)
            ]
            layer = np.stack([np.asarray(channel, np.float32) for channel in channels], axis=2)
        picture += layer * loudness
    return picture * 0.62 + 120.0


def draw_object(picture: np.ndarray, box: Box, number: int) -> None:
    """Paint class `number` into `box`: an ellipse, a diamond or a rounded bar, striped in the class's two colours."""
    left, top, right, bottom = box[0] - 1, box[1] - 1, box[2], box[3]
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    u = (x - (left + right - 1) / 2) / max((right - left) / 2, 1)
    v = (y - (top + bottom - 1) / 2) / max((bottom - top) / 2, 1)
    shape = number % 3
    inside = (u * u + v * v <= 1) if shape == 0 else (abs(u) + abs(v) <= 1) if shape == 1 else (u**4 + v**4 <= 1)
    angle = np.pi * ((number * 5) % 12) / 12
    stripes = 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * (0.12 + 0.02 * (number % 4)))
    hue = 2 * np.pi * ((number * 7) % 20) / 20
    first = 128 + 110 * np.cos(hue + np.array([0.0, 2.1, 4.2], np.float32))
    second = 128 + 90 * np.cos(hue + 1.3 + np.array([0.0, 2.1, 4.2], np.float32))
    colour = stripes[:, :, None] * first + (1 - stripes[:, :, None]) * second
    region = picture[top:bottom, left:right]
    region[inside] = 0.45 * region[inside] + 0.55 * colour[inside]


def random_box(random: np.random.Generator, width: int, height: int) -> Box:
    """A box of a third to nine tenths of each side, anywhere; one in twelve fills the image."""
    if random.random() < 1 / 12:
        return (1, 1, width, height)
    box_width = int(width * random.uniform(0.32, 0.92))
    box_height = int(height * random.uniform(0.32, 0.92))
    left = int(random.integers(0, width - box_width + 1))
    top = int(random.integers(0, height - box_height + 1))
    return (left + 1, top + 1, left + box_width, top + box_height)


def annotation(wnid: str, stem: str, width: int, height: int, boxes: list[Box]) -> str:
    """The VOC XML ImageNet ships: the image's size, then one object per box."""
    objects = "".join(
        f"\t<object>\n\t\t<name>{escape(wnid)}</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
        f"\t\t<difficult>0</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>{box[0]}</xmin>\n\t\t\t<ymin>{box[1]}</ymin>\n"
        f"\t\t\t<xmax>{box[2]}</xmax>\n\t\t\t<ymax>{box[3]}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        for box in boxes
    )
    return (
        f"<annotation>\n\t<folder>{escape(wnid)}</folder>\n\t<filename>{escape(stem)}</filename>\n"
        f"\t<source>\n\t\t<database>synthetic</database>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n\t\t<depth>3</depth>\n\t</size>\n"
        f"\t<segmented>0</segmented>\n{objects}</annotation>\n"
    )


def encode(picture: np.ndarray, subsampling: int = SUBSAMPLING_420, **options) -> bytes:
    """JPEG bytes of an RGB picture, quality 90 unless told."""
    file = io.BytesIO()
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    image.save(file, "JPEG", **{"quality": 90, "subsampling": subsampling, **options})
    return file.getvalue()


class Set:
    """Where the files go, and how large the pictures are."""

    def __init__(self, out: Path, seed: int, side: int, classes: int):
        self.out, self.seed, self.side, self.classes = out, seed, side, classes

    def size(self, random: np.random.Generator) -> tuple[int, int]:
        width, height = SIDES[int(random.choice(len(SIDES), p=SIDE_SHARES))]
        return max(16, round(width * self.side / 500)), max(16, round(height * self.side / 500))

    def write(self, split: str, wnid: str, stem: str, jpeg: bytes, xml: str | None) -> str:
        """Write one image and its annotation; its path relative to the set, as the file lists hold it."""
        path = Path("ILSVRC/Data/CLS-LOC") / split / wnid / f"{stem}.JPEG"
        (self.out / path).parent.mkdir(parents=True, exist_ok=True)
        (self.out / path).write_bytes(jpeg)
        folder = self.out / "ILSVRC/Annotations/CLS-LOC" / split / wnid
        folder.mkdir(parents=True, exist_ok=True)
        if xml is not None:
            (folder / f"{stem}.xml").write_text(xml)
        return path.as_posix()

    def draw(self, key: tuple[int, ...], number: int, boxes: list[Box] | None = None, size=None):
        """(picture, boxes, random source) of the image that `key` names; the same for the same seed."""
        random = np.random.default_rng([self.seed, *key])
        width, height = size or self.size(random)
        if boxes is None:
            count = int(random.choice(BOX_COUNTS, p=BOX_COUNT_SHARES))
            boxes = [random_box(random, width, height) for _ in range(count)]
        picture = texture(random, width, height)
        for box in boxes:
            draw_object(picture, box, number)
        return picture, boxes, random

    def image(self, split: str, number: int, serial: int) -> str:
        """Draw and write image `serial` of class `number`."""
        picture, boxes, random = self.draw((len(split), number, serial), number)
        subsampling = SUBSAMPLING_420 if random.random() < 0.75 else SUBSAMPLING_444
        wnid = class_name(number)
        stem = f"{wnid}_{serial}"
        height, width = picture.shape[:2]
        xml = annotation(wnid, stem, width, height, boxes)
        return self.write(split, wnid, stem, encode(picture, subsampling), xml)

    def split(self, split: str, images: int, threads: int) -> list[str]:
        """Write `images` images, dealt over the classes in turn; their paths, sorted."""
        jobs = [(split, index % self.classes, index // self.classes) for index in range(images)]
        with ThreadPoolExecutor(threads) as pool:
            return sorted(pool.map(lambda job: self.image(*job), jobs))

    def odd(self) -> list[str]:
        """Write one file of each odd kind into the folder of class 0; their paths, sorted by name."""
        wnid = class_name(0)
        width, height = max(32, self.side), max(32, self.side * 3 // 4)
        whole: Box = (width // 5, height // 5, width * 4 // 5, height * 4 // 5)
        paths = []

        def add(
            kind: str, jpeg=None, boxes: list[Box] | None = None, xml: str | None = "", size=(width, height)
        ) -> None:
            picture, _, _ = self.draw((99, len(paths)), 0, [whole], (width, height))
            data = encode(picture) if jpeg is None else jpeg(picture) if callable(jpeg) else jpeg
            text = annotation(wnid, f"{wnid}_{kind}", *size, [whole] if boxes is None else boxes) if xml == "" else xml
            paths.append(self.write("odd", wnid, f"{wnid}_{kind}", data, text))

        def convert(mode: str, kind: str, **options):
            def make(picture: np.ndarray) -> bytes:
                file = io.BytesIO()
                Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).convert(mode).save(file, kind, **options)
                return file.getvalue()

            return make

        def oriented(picture: np.ndarray) -> bytes:
            exif = Image.Exif()
            exif[0x0112] = 6
            return encode(picture, exif=exif.tobytes())

        add("grey", convert("L", "JPEG", quality=90))
        add("cmyk", convert("CMYK", "JPEG", quality=90))
        add("png", convert("RGB", "PNG"))
        add("exif6", oriented)
        add("progressive", lambda picture: encode(picture, progressive=True))
        add("restart", lambda picture: encode(picture, restart_marker_rows=1))
        add("trailing", lambda picture: encode(picture) + b"junk after the end" * 40)
        add("truncated", lambda picture: encode(picture)[: len(encode(picture)) * 3 // 5])
        add("corrupt", lambda picture: _damage(encode(picture)))
        add("empty", b"")
        add("box_outside", boxes=[(width * 2 // 3, height // 2, width + 40, height + 25)])
        add("box_edge", boxes=[(1, 1, width, height)])
        add("box_away", boxes=[(width + 10, height + 10, width + 60, height + 60)])
        add("box_zero", boxes=[(width // 2, height // 4, width // 2 - 1, height // 2)])
        add("box_reversed", boxes=[(whole[2], whole[3], whole[0], whole[1])])
        add("box_none", boxes=[])
        add("no_xml", xml=None)
        larger = tuple(round(edge * 1.6) for edge in whole)
        add("wrong_size", boxes=[larger], size=(round(width * 1.6), round(height * 1.6)))
        add("other_shape", size=(width * 2, height))
        return paths


def _damage(jpeg: bytes) -> bytes:
    """Break the entropy-coded data in the middle without touching a marker: the length and the end stay right."""
    start, end = len(jpeg) // 2, len(jpeg) // 2 + 48
    return jpeg[:start] + bytes(byte ^ 0x15 if byte < 0xC0 else byte for byte in jpeg[start:end]) + jpeg[end:]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw a deterministic ImageNet-like set of images.")
    parser.add_argument(
        "out", type=Path, help="folder to fill; a set that was drawn there before with the same options stays"
    )
    parser.add_argument("--images", type=int, default=2000, help="training images (2000)")
    parser.add_argument("--val", type=int, default=None, help="validation images (a twentieth of the training images)")
    parser.add_argument("--classes", type=int, default=20, help="classes (20)")
    parser.add_argument("--side", type=int, default=500, help="typical longer side in pixels (500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-odd", action="store_true", help="leave out the odd files")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.images < 1 or options.classes < 1 or options.side < 16:
        parser.error("--images and --classes must be at least 1, --side at least 16")
    val = options.images // 20 if options.val is None else options.val
    wanted = {"images": options.images, "val": val, "odd": not options.no_odd}
    wanted |= {name: getattr(options, name) for name in ("classes", "side", "seed")}
    stamp = options.out / "set.json"
    if stamp.exists() and json.loads(stamp.read_text()).get("wanted") == wanted:
        print(f"{options.out}: {json.loads(stamp.read_text())['counts']}")
        return 0
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty and holds another set; give a new folder, or remove it first")

    options.out.mkdir(parents=True, exist_ok=True)
    images = Set(options.out, options.seed, options.side, options.classes)
    splits = {"train": images.split("train", options.images, options.threads)}
    splits["val"] = images.split("val", val, options.threads)
    if not options.no_odd:
        splits["odd"] = images.odd()
    total = 0
    for split, paths in splits.items():
        (options.out / f"{split}.txt").write_text("".join(f"{path}\n" for path in paths))
        total += sum((options.out / path).stat().st_size for path in paths)
    counts = ", ".join(f"{len(paths)} {split}" for split, paths in splits.items())
    counts += f" files, {options.classes} classes, {total / 1e6:.1f} MB"
    stamp.write_text(json.dumps({"wanted": wanted, "counts": counts}) + "\n")
    print(f"{options.out}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
