#!/usr/bin/env python3
"""Build training batches from a list of JPEGs and time it: serial, then parallel (PyTorch).

    python ilsvrc_dataset.py -c ilsvrc.json --num-parallel-readers 1 --prefetch-buffer-size 0   one thread
    python ilsvrc_dataset.py -c ilsvrc.json --num-parallel-readers 8 --prefetch-buffer-size 2   eight, 2 batches ahead

List → index (once) → plan (rank's share, shuffled each epoch) → threads that read, decode and crop into the batch's
own memory → batches ahead of need. What is measured is work: nothing in the timed loop sleeps.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from time import perf_counter_ns

import torch
from lesson import (
    Meter,
    arguments_of,
    check_classes,
    finish,
    main_guard,
    open_index,
    settings_of,
    show_batch,
    show_settings,
)
from loader import Loader
from shards import open_shards
from sources import FileSource, SampleError
from timeline import Trace
from torch_batches import pinned_memory


def main(arguments: list[str] | None = None) -> int:
    parser = arguments_of("Build training batches from a list of JPEGs and time it (PyTorch).")
    parser.add_argument("--manifest", type=Path, help="read packed shards by this manifest instead of the list's files")
    parser.add_argument("--shards", type=Path, help="the folder of the manifest's shards (`shards` beside it)")
    parser.add_argument("--shuffle", choices=("images", "samples"), default="images", help="what is shuffled (images)")
    parser.add_argument("--decoder", choices=("turbojpeg", "simplejpeg"), help="instead of the best there is")
    parser.add_argument("--resampler", choices=("native", "opencv", "numpy"), help="instead of the best there is")
    options = parser.parse_args(arguments)
    settings = settings_of(options)
    show_settings(settings)
    torch.set_num_threads(1)
    try:
        if options.manifest:
            source = open_shards(options.manifest, options.shards or options.manifest.parent / "shards")
            print("\n".join(source.index.report()))
        else:
            index = open_index(settings.train_filelist, options.index, settings.readers)
            source = FileSource(index, settings.side, options.decoder, options.resampler)
        check_classes(settings, source.index)
        trace = Trace() if options.logdir else None
        loader = Loader(
            source,
            settings.batch_size,
            seed=settings.seed,
            rank=options.rank,
            world=options.size,
            threads=settings.readers,
            prefetch=settings.prefetch,
            shuffle=options.shuffle if settings.shuffle else "none",
            reshuffle=settings.reshuffle,
            trace=trace,
            allocate=pinned_memory if torch.cuda.is_available() else None,
        )
        loader.epoch, loader.next_batch = options.epoch, options.start_batch
        if options.start_batch >= len(loader):
            raise SystemExit(f"error: the epoch has {len(loader)} batches, so none is number {options.start_batch}")
        print(f"num labels {len(source.index.classes)}; {source.describe()}")
        print(f"each of {options.size} ranks has {len(loader)} batches of {settings.batch_size}")
        meter = Meter(source.index)
        for batch in islice(_endless(loader), options.nsteps + 1):
            meter.step(batch.samples)
            started = perf_counter_ns()
            images, labels = torch.from_numpy(batch.images), torch.from_numpy(batch.labels)
            show_batch(batch.number, images, labels.tolist())
            if trace:
                trace.add("consumer", "use batch", started, perf_counter_ns(), batch=batch.number)
    except (SampleError, LookupError, ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from error
    finish(meter)
    if trace:
        write_trace(trace, options.logdir, meter, settings.readers, settings.prefetch)
    return 0


def _endless(loader: Loader):
    """Epoch after epoch."""
    while True:
        yield from loader


def write_trace(trace: Trace, folder: Path, meter: Meter, readers: int, prefetch: int) -> None:
    """Write trace.json (open it at https://ui.perfetto.dev) and trace.svg, and say how busy each thread was."""
    trace.write(folder / "trace.json")
    images, samples, _ = meter.rates()
    setting = f"{readers} reader{'s' * (readers > 1)}, {prefetch} batches ahead"
    title = f"{setting}: {images:.0f} images/s, {samples:.0f} samples/s"
    (folder / "trace.svg").write_text(trace.picture(title))
    print("busy: " + ", ".join(f"{thread} {share:.0%}" for thread, share in trace.busy().items()))
    print(f"wrote {folder / 'trace.json'} (open it at https://ui.perfetto.dev) and {folder / 'trace.svg'}")


if __name__ == "__main__":
    main_guard(main)
