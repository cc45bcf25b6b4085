"""The loader's batches as tensors, in the shape PyTorch's DataLoader expects."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from loader import Loader
from torch.utils.data import IterableDataset, get_worker_info


def pinned_memory(size: int) -> object:
    """Memory that a GPU can copy from by itself, for Loader(allocate=...) where there is a GPU."""
    return torch.empty(size, dtype=torch.uint8, pin_memory=True).numpy()


class Batches(IterableDataset):
    """(images, labels) of each batch: uint8 (batch, side, side, 3) and int64 (batch,), without a copy.

    Use it as it is, or in DataLoader(batches, batch_size=None): the threads are the loader's own, so num_workers
    stays 0. state_dict() and load_state_dict() are the loader's.
    """

    def __init__(self, loader: Loader):
        self.loader = loader

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if get_worker_info() is not None:
            raise RuntimeError(
                "the loader's threads do the work: use DataLoader(..., num_workers=0) and Loader(threads=...)"
            )
        for batch in self.loader:
            yield torch.from_numpy(batch.images), torch.from_numpy(batch.labels)

    def __len__(self) -> int:
        return len(self.loader)

    def state_dict(self) -> dict[str, object]:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self.loader.load_state_dict(state)


def to_float(images: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
    """uint8 (batch, side, side, 3) of 0..255 → float32 (batch, 3, side, side) of 0..1 on `device`.

    The bytes travel first and become four times as many there.
    """
    return images.to(device, non_blocking=True).permute(0, 3, 1, 2).to(torch.float32).div_(255)
