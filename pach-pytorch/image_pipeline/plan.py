"""The plan of an epoch: which sample fills which slot of which batch, on every rank. A pure function.

The samples (boxes) of an epoch stand in one sequence, shuffled by (seed, epoch) alone. Step k takes the next world *
batch samples of it; rank r's batch is the r-th part of those. So

  - all ranks have the same number of equally large batches (no rank waits at the end of an epoch for one that never
    comes),
  - the sequence, and each step's samples taken together, do not depend on how many ranks share a step of the same size,
  - (seed, epoch, step) names a batch for ever: to resume is to start at another step.

What is left at the end of the sequence is dropped, or filled up from its start (`last="wrap"`).

Shuffling is by image: an image's boxes stay neighbours and it is decoded once, as in the lesson. `shuffle="samples"`
shuffles the boxes themselves, which costs nothing where samples are ready (raw shards), and one more decode per
further box elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

SHUFFLES = ("images", "samples", "none")
LAST = ("drop", "wrap")


def mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: uint64 → uint64, one to one; the same everywhere and in every version of NumPy."""
    mixture = values.copy()
    mixture ^= mixture >> np.uint64(30)
    mixture *= np.uint64(0xBF58476D1CE4E5B9)
    mixture ^= mixture >> np.uint64(27)
    mixture *= np.uint64(0x94D049BB133111EB)
    mixture ^= mixture >> np.uint64(31)
    return mixture


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """The numbers 0 .. count-1 in an order that (seed, epoch) decides: sorted by a 64-bit hash. int32.

    The hash is one to one in the number, so there are no ties.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    values = np.empty(count, np.uint64)
    with np.errstate(over="ignore"):
        key = mixed(np.array([seed % 2**64], np.uint64))
        key = mixed(key + golden * np.uint64(epoch + 1))
        for start in range(0, count, 1 << 16):  # in parts, since the temporary arrays would weigh more than the result
            part = np.arange(start + 1, min(start + (1 << 16), count) + 1, dtype=np.uint64)
            values[start : start + len(part)] = mixed(part * golden ^ key)
    return np.argsort(values).astype(np.int32)


class Task(NamedTuple):
    """Decode `image` once, and resample its boxes from number `box` on into `count` slots from `slot` on."""

    image: int
    box: int
    slot: int
    count: int


@dataclass(frozen=True)
class Plan:
    """A rank's batches of one epoch: samples[k, j] is the sample in slot j of batch k.

    samples: int32 of shape (batches, batch); first: (images + 1,), image i has samples first[i] .. first[i+1]-1.
    """

    samples: np.ndarray
    first: np.ndarray

    @property
    def batches(self) -> int:
        return len(self.samples)

    def tasks(self, number: int) -> Iterator[Task]:
        """The work of batch `number`, in the order of its slots; an image whose boxes are neighbours comes once."""
        row = self.samples[number].astype(np.int64)
        images = np.searchsorted(self.first, row, side="right") - 1
        breaks = np.flatnonzero((np.diff(row) != 1) | (np.diff(images) != 0)) + 1
        starts = [0, *breaks.tolist()]
        for start, end in zip(starts, [*starts[1:], len(row)], strict=True):
            yield Task(int(images[start]), int(row[start]), start, end - start)


def sequence(first: np.ndarray, seed: int, epoch: int, shuffle: str = "images") -> np.ndarray:
    """All samples of an epoch in order: int32 of shape (samples,)."""
    if shuffle not in SHUFFLES:
        raise ValueError(f"shuffle is {shuffle!r}; it can be {', '.join(SHUFFLES)}")
    samples = int(first[-1])
    if shuffle == "none":
        return np.arange(samples, dtype=np.int32)
    if shuffle == "samples":
        return permutation(samples, seed, epoch)
    order = permutation(len(first) - 1, seed, epoch)
    starts = first.astype(np.int32)
    counts = np.diff(starts)[order]
    starts = starts[order]
    del order
    # Sample number less place in the sequence is the same for all samples of an image.
    starts += counts
    starts -= np.cumsum(counts, dtype=np.int32)
    gathered = np.repeat(starts, counts)
    gathered += np.arange(samples, dtype=np.int32)
    return gathered


def plan_epoch(
    first: np.ndarray,
    seed: int,
    epoch: int,
    batch: int,
    rank: int = 0,
    world: int = 1,
    shuffle: str = "images",
    last: str = "drop",
) -> Plan:
    """Deal an epoch's samples to `world` ranks in batches of `batch`, and return what rank `rank` gets.

    Raises ValueError for numbers that make no sense, and where there are not enough samples for a single step.
    """
    if batch < 1 or world < 1 or not 0 <= rank < world:
        raise ValueError(f"batch {batch}, world {world} and rank {rank} make no sense together")
    if last not in LAST:
        raise ValueError(f"last is {last!r}; it can be {', '.join(LAST)}")
    order = sequence(first, seed, epoch, shuffle)
    if not len(order):
        raise ValueError("there is no sample to make a batch of")
    step = batch * world
    steps = len(order) // step
    if last == "wrap":
        steps = -(-len(order) // step)
        order = np.resize(order, steps * step)
    if not steps:
        raise ValueError(f"{len(order)} samples do not fill one step of {world} x {batch}; take smaller batches")
    return Plan(np.ascontiguousarray(order[: steps * step].reshape(steps, world, batch)[:, rank]), first)
