#!/usr/bin/env python3
"""A training step that reads a commit of shards: batches by (seed, epoch, step), a record of each.

Writes steps.csv (one line a step: loss, and the SHA-256 of the batch's bytes), model.pt, and provenance.json: the
commits read and the numbers that, with them, name each batch for ever.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch
from loader import Loader
from manifest import commits_of_inputs
from shards import open_shards
from sources import SampleError
from torch_batches import to_float


def network(classes: int) -> torch.nn.Module:
    """Small enough for a CPU and a few steps: it shows that batches train, not how well one can train."""
    return torch.nn.Sequential(
        torch.nn.AvgPool2d(4),
        torch.nn.Conv2d(3, 16, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(128, classes),
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train a few steps on a commit of shards.")
    parser.add_argument("--shards", type=Path, default=Path("/pfs/index-and-pack/shards"))
    parser.add_argument("--manifest", type=Path, default=Path("/pfs/manifest/manifest.parquet"))
    parser.add_argument("--out", type=Path, default=Path("/pfs/out"))
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    try:
        source = open_shards(options.manifest, options.shards)
        index = source.index
        loader = Loader(
            source, options.batch, seed=options.seed, threads=options.threads, shuffle="samples", last="wrap"
        )
        model = network(len(index.classes))
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        options.out.mkdir(parents=True, exist_ok=True)
        print("\n".join(index.report()))
        step = 0
        with open(options.out / "steps.csv", "w", newline="") as file:
            log = csv.writer(file, lineterminator="\n")
            log.writerow(["step", "epoch", "batch", "loss", "sha256"])
            while step < options.steps:
                for batch in loader:
                    images, labels = torch.from_numpy(batch.images), torch.from_numpy(batch.labels)
                    optimiser.zero_grad()
                    loss = torch.nn.functional.cross_entropy(model(to_float(images)), labels)
                    loss.backward()
                    optimiser.step()
                    digest = hashlib.sha256(batch.images).hexdigest()
                    log.writerow([step, batch.epoch, batch.number, f"{loss.item():.4f}", digest])
                    print(f"step {step} epoch {batch.epoch} batch {batch.number} loss {loss.item():.4f}")
                    step += 1
                    if step == options.steps:
                        break
    except (SampleError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    torch.save(model.state_dict(), options.out / "model.pt")
    recorded = json.loads((pq.read_schema(options.manifest).metadata or {}).get(b"commits", b"{}"))
    provenance = {
        "commits": {**recorded, **commits_of_inputs()},
        "seed": options.seed,
        "batch": options.batch,
        "world": 1,
        "shuffle": "samples",
        "steps": options.steps,
        "samples": index.samples,
        "classes": index.classes,
    }
    (options.out / "provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
