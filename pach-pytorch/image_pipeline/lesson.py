"""What the lesson's two commands share: their options, the opening of the data, and the measuring of steps."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

import numpy as np
from index import Index, build_index, describe, is_index_of, read_index
from settings import Settings, SettingsError, read_settings


def arguments_of(description: str) -> argparse.ArgumentParser:
    """The lesson's options and ours."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("-c", "--config", type=Path, required=True, help="the configuration, as ilsvrc.json")
    parser.add_argument(
        "-l", "--logdir", type=Path, help="folder for what each thread did when: a trace and a picture of it"
    )
    parser.add_argument("-n", "--nsteps", type=int, default=10, help="steps to measure (10); one more runs before them")
    parser.add_argument(
        "--num-parallel-readers", "-t", "--nthreads", type=int, help="threads, instead of the configuration's"
    )
    parser.add_argument("--prefetch-buffer-size", type=int, help="batches made ahead, instead of the configuration's")
    parser.add_argument("--batch-size", type=int, help="samples in a batch, instead of the configuration's")
    parser.add_argument("--filelist", type=Path, help="list of files, instead of the configuration's train_filelist")
    parser.add_argument("--index", type=Path, help="where the list's index is kept (beside the list)")
    parser.add_argument("--rank", type=int, default=0, help="this process's number among --size")
    parser.add_argument("--size", type=int, default=1, help="how many processes share an epoch")
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--start-batch", type=int, default=0, help="go on from this batch of the epoch")
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """The configuration with what the command line says instead. Exits with one line where they make no sense."""
    try:
        settings = read_settings(options.config)
    except SettingsError as error:
        raise SystemExit(f"error: {error}") from error
    settings.readers = settings.readers if not options.num_parallel_readers else options.num_parallel_readers
    if options.prefetch_buffer_size is not None:
        settings.prefetch = options.prefetch_buffer_size
    if options.batch_size is not None:
        settings.batch_size = options.batch_size
    settings.train_filelist = options.filelist or settings.train_filelist
    if min(settings.readers, options.nsteps, settings.batch_size) < 1:
        raise SystemExit("error: there must be at least 1 reader, 1 step and 1 sample in a batch")
    if min(settings.prefetch, options.epoch, options.start_batch) < 0:
        raise SystemExit("error: --prefetch-buffer-size, --epoch and --start-batch cannot be negative")
    if not 0 <= options.rank < options.size:
        raise SystemExit(f"error: --rank {options.rank} is not one of --size {options.size} processes")
    if options.logdir:
        try:
            options.logdir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SystemExit(f"error: --logdir {options.logdir}: {error.strerror}") from error
    return settings


def open_index(filelist: Path, path: Path | None, threads: int) -> Index:
    """The list's index, made if there is none yet; says what it found. Exits with one line on trouble."""
    path = path or filelist.with_name(f"{filelist.stem}.index.parquet")
    try:
        if is_index_of(path, filelist):
            index = read_index(path, filelist.parent)
        else:
            print(f"making the index {path} (once for each list)", flush=True)
            started = perf_counter()
            index = build_index(filelist, path, threads=threads)
            print(f"made in {perf_counter() - started:.1f} s")
    except OSError as error:
        raise SystemExit(f"error: {error.filename or filelist}: {error.strerror or error}") from error
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    print("\n".join(describe(path)))
    return index


def check_classes(settings: Settings, index: Index) -> None:
    """The network's last layer must have room for every label. Exits with one line where it has not."""
    if settings.num_classes is not None and len(index.classes) > settings.num_classes:
        raise SystemExit(f'error: {len(index.classes)} classes in the list, "num_classes" is {settings.num_classes}')


class Meter:
    """Measures steps: samples and images a second of wall time, from the end of the first batch on."""

    def __init__(self, index: Index):
        self._index = index
        self._steps: list[tuple[float, int, int]] = []

    def step(self, samples: np.ndarray) -> None:
        """A batch has arrived; samples: their numbers, of which the images follow."""
        images = len(np.unique(np.searchsorted(self._index.first, samples, side="right")))
        self._steps.append((perf_counter(), len(samples), images))

    def rates(self) -> tuple[float, float, float]:
        """(images a second, samples a second, seconds a batch), the first batch left out: it tells of the start."""
        seconds = self._steps[-1][0] - self._steps[0][0]
        samples, images = (sum(step[place] for step in self._steps[1:]) for place in (1, 2))
        return images / seconds, samples / seconds, seconds / (len(self._steps) - 1)

    @property
    def measured(self) -> int:
        return len(self._steps) - 1


def show_batch(number: int, images: object, labels: Iterable[int]) -> None:
    """The lesson's lines for a batch."""
    few = list(labels)
    shown = ", ".join(str(label) for label in few[:12]) + (", ..." if len(few) > 12 else "")
    print(f"batch_number = {number} input shape = {tuple(images.shape)} {images.dtype} labels shape = ({len(few)},)")
    print(f"labels = [{shown}]")


def finish(meter: Meter) -> None:
    """The last lines: rates, named by what they count."""
    if meter.measured < 1:
        raise SystemExit("error: there was only one batch, so there is nothing to measure: take a smaller batch_size")
    images, samples, seconds = meter.rates()
    print(f"measured {meter.measured} batches after the first, {seconds * 1000:.0f} ms each")
    print(f"images/sec = {images:.2f}")
    print(f"samples/sec = {samples:.2f}")


def show_settings(settings: Settings) -> None:
    """The configuration as it is used."""
    print(
        json.dumps({name: str(value) if isinstance(value, Path) else value for name, value in vars(settings).items()})
    )


def main_guard(main) -> None:
    """Run a command; an interruption ends it quietly."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
