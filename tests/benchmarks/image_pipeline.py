#!/usr/bin/env python3
"""The image pipeline's table, made on your own machine: ours, plain serial Pillow, and its rivals side by side.

    python tests/benchmarks/image_pipeline.py            all that is installed, 3 rounds, a set drawn for the purpose
    python tests/benchmarks/image_pipeline.py --set DIR --rounds 5 --images 2000
    TENSORFLOW_PYTHON=.../bin/python GRAIN_PYTHON=.../bin/python python tests/benchmarks/image_pipeline.py

Every contender runs in a process of its own, one after the other, all of them once a round, so that a slow minute
hits all; figures are medians of the rounds, ratios are taken within a round. 224 x 224, batches of 64, images in
file-list order. TENSORFLOW_PYTHON and GRAIN_PYTHON name interpreters that have those installed (with simplejpeg,
opencv and pyarrow for Grain).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "pach-pytorch" / "image_pipeline"
sys.path.insert(0, str(SCRIPTS))
SIDE, BATCH = 224, 64
Result = dict[str, float]


def cpu_seconds() -> float:
    """CPU time of this process and of the children it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def resident() -> float:
    """Resident memory now, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def most_resident() -> float:
    """The most memory this process ever had resident, in MB (ru_maxrss would count its parent's as well)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM:"))


def measure(batches: Callable[[], object], images: int) -> Result:
    """Run through `batches()` once: what it took, and until the first batch was there."""
    before, cpu, started = resident(), cpu_seconds(), perf_counter()
    first = samples = 0
    for batch in batches():
        first = first or perf_counter() - started
        samples += len(batch)
    seconds, cpu = perf_counter() - started, cpu_seconds() - cpu
    peak = most_resident()
    return {
        "images": images,
        "samples": samples,
        "seconds": seconds,
        "cpu": cpu,
        "first": first,
        "memory": max(0.0, peak - before),
    }


# Contenders: each opens the set, prepares what it may prepare, and returns what measure() found.


def open_set(folder: Path, images: int):
    """The index that our own contenders read."""
    from index import read_index

    return read_index(folder / f"bench{images}.index.parquet", folder)


def ours(folder: Path, images: int, threads: int = 2, decoder=None, resampler=None, consume: str = "uint8") -> Result:
    import torch
    from loader import Loader
    from sources import FileSource
    from torch_batches import to_float

    torch.set_num_threads(1)
    index = open_set(folder, images)
    source = FileSource(index, SIDE, decoder, resampler)
    loader = Loader(source, BATCH, threads=threads, prefetch=2, shuffle="none", last="wrap")

    def batches():
        for batch in loader:
            yield batch.labels if consume == "uint8" else to_float(torch.from_numpy(batch.images))

    return measure(batches, images)


def full_decode(folder: Path, images: int, threads: int = 2) -> Result:
    """The limit of whoever decodes whole pictures: nothing but libjpeg-turbo, no crop, no resize, nobody waits."""
    from pictures import PictureReader

    index = open_set(folder, images)
    paths = [folder / index.path(image) for image in range(index.images)]
    readers = [PictureReader() for _ in range(threads)]

    def batches():
        def share(number: int) -> list:
            return [readers[number].read(path.read_bytes(), "jpeg") for path in paths[number::threads]]

        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(share, range(threads))

    return measure(batches, images)


def listed(folder: Path, images: int) -> list[str]:
    return (folder / f"bench{images}.txt").read_text().split()


def voc_boxes(path: str) -> list[tuple[int, int, int, int]]:
    """The boxes of an image's annotation, as any script reads them."""
    from xml.etree import ElementTree

    root = ElementTree.parse(path.replace("/Data/", "/Annotations/").replace(".JPEG", ".xml")).getroot()
    found = []
    for box in root.iter("bndbox"):
        x0, y0, x1, y1 = (int(box.findtext(name, "0")) for name in ("xmin", "ymin", "xmax", "ymax"))
        found.append((x0 - 1, y0 - 1, x1, y1))
    return found


def pillow_samples(path: str) -> list:
    """An image's samples the plain way: Pillow, float32 in 0..1."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        picture = image.convert("RGB")
    return [
        np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box), np.float32) / 255
        for box in voc_boxes(path)
    ]


def turbo_samples(path: str) -> list:
    """An image's samples with simplejpeg and OpenCV, uint8."""
    import cv2
    import simplejpeg

    cv2.setNumThreads(1)
    with open(path, "rb") as file:
        picture = simplejpeg.decode_jpeg(file.read(), "RGB")
    return [cv2.resize(picture[y0:y1, x0:x1], (SIDE, SIDE)) for x0, y0, x1, y1 in voc_boxes(path)]


def batched(samples):
    """Lists of samples an image → stacked batches."""
    import numpy as np

    kept: list = []
    for some in samples:
        kept += some
        while len(kept) >= BATCH:
            yield np.stack(kept[:BATCH])
            kept = kept[BATCH:]
    if kept:
        yield np.stack(kept)


def pillow_serial(folder: Path, images: int) -> Result:
    paths = [str(folder / path) for path in listed(folder, images)]
    return measure(lambda: batched(map(pillow_samples, paths)), images)


def torch_loader(folder: Path, images: int, make: Callable[[str], list], workers: int) -> Result:
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    torch.set_num_threads(1)
    paths = [str(folder / path) for path in listed(folder, images)]

    class Lesson(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            mine = paths if info is None else paths[info.id :: info.num_workers]
            for batch in batched(map(make, mine)):
                yield torch.from_numpy(np.ascontiguousarray(batch))

    return measure(lambda: iter(DataLoader(Lesson(), batch_size=None, num_workers=workers, prefetch_factor=2)), images)


def grain_simplejpeg(folder: Path, images: int) -> Result:
    import grain

    paths = [str(folder / path) for path in listed(folder, images)]
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=64)
    dataset = grain.MapDataset.source(paths).map(turbo_samples)
    return measure(lambda: batched(dataset.to_iter_dataset(options)), images)


def tensorflow_data(folder: Path, images: int) -> Result:
    from plan import plan_epoch
    from tf_ilsvrc_dataset import build_dataset

    index = open_set(folder, images)
    plan = plan_epoch(index.first, 0, 0, BATCH, shuffle="none", last="wrap")

    def batches():
        for pictures, _ in build_dataset(index, plan, BATCH, SIDE, 2, 2):
            yield pictures.numpy()

    return measure(batches, images)


RAW_EPOCHS = 60


def open_packed(folder: Path, images: int, form: str):
    """A packed set, with its pages in the cache, as after a first epoch."""
    from shards import open_shards

    packed = folder / f"packed-{form}-{images}"
    for part in sorted((packed / "shards").rglob("*.bin")):
        part.read_bytes()
    return open_shards(packed / "manifest.parquet", packed / "shards")


def shards(folder: Path, images: int, form: str) -> Result:
    """Epochs over a packed set in random order."""
    from loader import Loader

    source = open_packed(folder, images, form)
    shuffle, prefetch, epochs = ("samples", 4, RAW_EPOCHS) if form == "raw" else ("images", 2, 1)
    loader = Loader(source, BATCH, threads=2, prefetch=prefetch, shuffle=shuffle, last="wrap")

    def batches():
        for _ in range(epochs):
            for batch in loader:
                yield batch.labels

    return measure(batches, images * epochs)


def raw_copy(folder: Path, images: int) -> Result:
    """The limit of whoever copies ready samples: two threads fill four batches over and over, and nobody waits."""
    import numpy as np
    from plan import plan_epoch

    source = open_packed(folder, images, "raw")
    buffers = np.zeros((4, BATCH, SIDE, SIDE, 3), np.uint8)
    plan = plan_epoch(source.index.first, 0, 0, BATCH, shuffle="samples", last="wrap")

    def batches():
        def share(thread: int) -> list:
            for number in range(thread, RAW_EPOCHS * plan.batches, 2):
                for piece in source.pieces(plan, number % plan.batches):
                    source.fill(None, piece, buffers[number % 4])
            return range(RAW_EPOCHS * plan.samples.size // 2)

        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(share, (0, 1))

    return measure(batches, images * RAW_EPOCHS)


def plan_large(folder: Path, images: int) -> Result:
    """Open the index of 1.28 million images, plan an epoch for rank 3 of 8: time, and the process's memory."""
    from index import read_index
    from plan import plan_epoch

    before = perf_counter()
    index = read_index(folder / "large.index.parquet", folder)
    opened = perf_counter()
    plan = plan_epoch(index.first, 1, 0, 256, 3, 8)
    done = perf_counter()
    name = index.path(index.images - 1)
    assert plan.batches and name.endswith(".JPEG")
    peak = most_resident()
    return {
        "images": index.images,
        "samples": index.samples,
        "open": opened - before,
        "plan": done - opened,
        "seconds": done - before,
        "peak": peak,
    }


CONTENDERS: dict[str, tuple[str, Callable[[Path, int], Result]]] = {
    "pillow": ("plain serial Pillow, float32", pillow_serial),
    "limit": ("libjpeg-turbo, whole pictures decoded and nothing else, 2 threads", full_decode),
    "limit-1": ("the same, 1 thread", lambda folder, images: full_decode(folder, images, threads=1)),
    "ours": ("ours, 2 threads", ours),
    "ours-1": ("ours, 1 thread", lambda folder, images: ours(folder, images, threads=1)),
    "ours-float": (
        "ours, 2 threads, cast to float32 by the consumer",
        lambda folder, images: ours(folder, images, consume="float"),
    ),
    "ours-packages": (
        "ours, packages only: turbojpeg's parts + OpenCV, 2 threads",
        lambda folder, images: ours(folder, images, resampler="opencv"),
    ),
    "ours-whole": (
        "ours, packages only: simplejpeg (whole) + OpenCV, 2 threads",
        lambda folder, images: ours(folder, images, decoder="simplejpeg", resampler="opencv"),
    ),
    "grain": ("Grain + simplejpeg + OpenCV, 2 threads", grain_simplejpeg),
    "loader-pillow": (
        "torch DataLoader, Pillow, float32, 2 workers",
        lambda f, n: torch_loader(f, n, pillow_samples, 2),
    ),
    "loader-simplejpeg": (
        "torch DataLoader, simplejpeg + OpenCV, uint8, 2 workers",
        lambda f, n: torch_loader(f, n, turbo_samples, 2),
    ),
    "tensorflow": ("tf.data as in tf_ilsvrc_dataset.py, 2 readers", tensorflow_data),
    "cropped": ("losslessly cropped shards, 2 threads", lambda folder, images: shards(folder, images, "cropped")),
    "raw-limit": ("ready samples copied into batches and nothing else, 2 threads", raw_copy),
    "raw": ("raw shards, random order, 2 threads, 4 ahead", lambda folder, images: shards(folder, images, "raw")),
}
INTERPRETERS = {"tensorflow": "TENSORFLOW_PYTHON", "grain": "GRAIN_PYTHON"}


def run(name: str, folder: Path, images: int) -> Result | str:
    """Run a contender in a process of its own; its figures, or why there are none."""
    python = os.environ.get(INTERPRETERS.get(name, ""), sys.executable)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [python, __file__, "--contender", name, "--set", str(folder), "--images", str(images)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:110]
    return json.loads(done.stdout.strip().splitlines()[-1])


def prepare(folder: Path, images: int) -> None:
    """Draw the set, index the first images of it, pack them, and make a list of 1.28 million; each only once."""
    if not (folder / "train.txt").exists():
        print(f"drawing {max(images, 100)} images into {folder} ...", flush=True)
        command = [
            sys.executable,
            ROOT / "data" / "make_images.py",
            folder,
            "--images",
            str(max(images, 100)),
            "--val",
            "0",
            "--no-odd",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    names = (folder / "train.txt").read_text().split()
    step = max(1, len(names) // images)
    (folder / f"bench{images}.txt").write_text("\n".join(names[::step][:images]) + "\n")
    import pyarrow.parquet as pq
    from index import annotation_path, build_index, is_index_of, look
    from shards import merge, pack_class

    filelist, index = folder / f"bench{images}.txt", folder / f"bench{images}.index.parquet"
    if not is_index_of(index, filelist):
        print("indexing ...", flush=True)
        build_index(filelist, index, folder)
    for form in ("raw", "cropped"):
        packed = folder / f"packed-{form}-{images}"
        if (packed / "manifest.parquet").exists():
            continue
        print(f"packing {form} shards ...", flush=True)
        by_class: dict[str, list[str]] = {}
        for name in listed(folder, images):
            by_class.setdefault(Path(name).parent.name, []).append(name)
        tables = []
        for wnid, paths in by_class.items():
            rows = look(folder, paths, [folder / annotation_path(path) for path in paths])
            tables.append(pack_class(wnid, rows, ((folder / path).read_bytes() for path in paths), packed, form, SIDE))
        pq.write_table(merge(tables, {}), packed / "manifest.parquet")
    if not (folder / "large.index.parquet").exists():
        print("writing an index of 1.28 million images ...", flush=True)
        write_large(folder / "large.index.parquet")


def write_large(path: Path, images: int = 1_280_000) -> None:
    """An index as ImageNet's would be: 1.28 million paths of 1,000 classes, one and a half boxes each."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from index import ROWS, SCHEMA, VERSION

    random = np.random.default_rng(0)
    number = np.arange(images)
    counts = random.choice([1, 2, 3, 4], images, p=[0.66, 0.2, 0.1, 0.04])
    edges = random.integers(0, 500, (counts.sum(), 4)).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(counts) * 4]).astype(np.int32)
    constant = {"kind": "jpeg", "status": "ok"}
    columns = {
        "folder": pa.array([f"ILSVRC/Data/CLS-LOC/train/n{n:08d}" for n in range(1000)]).take(pa.array(number // 1280)),
        "name": pa.array([f"n{n // 1280:08d}_{n}.JPEG" for n in range(images)]),
        "wnid": pa.array([f"n{n:08d}" for n in range(1000)]).take(pa.array(number // 1280)),
        "label": pa.array((number // 1280).astype(np.int32)),
        "bytes": pa.array(random.integers(50_000, 200_000, images)),
        "sha256": pa.array([b"\0" * 32] * images, pa.binary(32)),
        "width": pa.array(np.full(images, 500, np.uint16)),
        "height": pa.array(np.full(images, 375, np.uint16)),
        "boxes": pa.ListArray.from_arrays(pa.array(offsets), pa.array(edges.ravel())),
        "note": pa.array([""] * images),
        **{name: pa.array([value] * images) for name, value in constant.items()},
    }
    table = pa.table({field.name: columns[field.name].cast(field.type) for field in SCHEMA}, SCHEMA)
    metadata = {"version": VERSION, "classes": json.dumps([f"n{n:08d}" for n in range(1000)]), "root": ".", "list": ""}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd", row_group_size=ROWS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, default=Path(tempfile.gettempdir()) / "image-pipeline-benchmark")
    parser.add_argument("--images", type=int, default=1000, help="images each contender reads in a round (1000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[*CONTENDERS, "large"])
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        work = plan_large if options.contender == "large" else CONTENDERS[options.contender][1]
        print(json.dumps(work(options.set, options.images)))
        return 0

    prepare(options.set, options.images)
    names = [name for name in CONTENDERS if not options.only or name in (*options.only, "pillow")]
    found: dict[str, list[Result]] = {name: [] for name in names}
    missing: dict[str, str] = {}
    for _ in range(options.rounds):
        for name in names:
            result = run(name, options.set, options.images) if name not in missing else missing[name]
            if isinstance(result, str):
                missing[name] = result
            else:
                found[name].append(result)
    size = f"{options.images} images, {SIDE} x {SIDE}, batches of {BATCH}"
    print(f"{size}, {options.rounds} rounds, {os.cpu_count()} cores; medians")
    heads = f"{'images/s':>9}{'samples/s':>10}{'x Pillow':>9}{'CPU ms/image':>13}{'CPU x':>7}{'first s':>8}{'+MB':>6}"
    print(f"{'':66}{heads}")

    def median(values) -> float:
        return statistics.median(values)

    for name in names:
        rows = found[name]
        if not rows:
            print(f"{CONTENDERS[name][0]:66}  not run: {missing.get(name, '')}")
            continue
        pairs = list(zip(rows, found["pillow"], strict=False))
        rates = [row["images"] / row["seconds"] for row in rows]
        gains = [row["images"] / row["seconds"] / (base["images"] / base["seconds"]) for row, base in pairs]
        costs = [row["cpu"] / row["images"] * 1000 for row in rows]
        saved = [base["cpu"] / base["images"] / (row["cpu"] / row["images"]) for row, base in pairs]
        print(
            f"{CONTENDERS[name][0]:66}{median(rates):>9.0f}{median(r['samples'] / r['seconds'] for r in rows):>10.0f}"
            f"{median(gains):>9.2f}{median(costs):>13.3f}{median(saved):>7.2f}"
            f"{median(r['first'] for r in rows):>8.3f}{median(r['memory'] for r in rows):>6.0f}"
        )
    for one, two, name in (("ours-1", "ours", "ours"), ("limit-1", "limit", "decoding alone")):
        if found.get(one) and found.get(two):
            gains = [alone["seconds"] / both["seconds"] for alone, both in zip(found[one], found[two], strict=False)]
            print(f"1 -> 2 threads: {name} {median(gains):.2f} x")
    if not options.only or "large" in options.only:
        large = [run("large", options.set, options.images) for _ in range(options.rounds)]
        good = [result for result in large if not isinstance(result, str)]
        print(
            f"list of {good[0]['images']:,.0f} images ({good[0]['samples']:,.0f} samples): opened in "
            f"{median(r['open'] for r in good):.2f} s, planned in {median(r['plan'] for r in good):.2f} s, "
            f"{median(r['peak'] for r in good):.0f} MB for the whole process"
            if good
            else f"large list: not run: {large[0]}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
