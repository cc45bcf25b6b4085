"""Where a loader's samples come from: files as they are, losslessly cropped JPEGs, or ready pixels.

A source knows its index, makes a worker for each thread, cuts a batch of a plan into pieces that threads take one by
one, and `fill(worker, piece, images)` writes a piece's samples into their slots of the batch. All three give the same
bytes.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from typing import NamedTuple

import native
import numpy as np
from index import Index
from pictures import CAREFUL, QUICK, PictureError, PictureReader
from plan import Plan, Task
from resample import best
from sampler import ChangedError, Sampler, SamplerError
from timeline import Stages


class SampleError(Exception):
    """A sample cannot be made though the index promises it; the text names the file and what to do."""


class Worker:
    """What one thread needs of its own: a decoder, and memory to read files into.

    sampler: does a picture's work in one call, where the machine has what it takes; otherwise None.
    """

    def __init__(self, decoder: str | None, compiled: bool):
        self.reader = PictureReader(decoder)
        self.memory = np.empty(1 << 20, np.uint8)
        self.sampler = Sampler() if compiled else None

    def room(self, size: int) -> np.ndarray:
        if size > self.memory.size:
            self.memory = np.empty(size * 5 // 4, np.uint8)
        return self.memory


class PictureSource:
    """Samples decoded from encoded pictures; the subclass says where the bytes lie."""

    def __init__(self, index: Index, side: int, decoder: str | None = None, resampler: str | None = None):
        """decoder, resampler: names, or None for the best here. Raises LookupError for one that is not here."""
        self.index, self.side = index, side
        self.resampler, self._resample = best(resampler)
        self._wanted = decoder
        self.decoder = PictureReader(decoder).decoder
        self._compiled = (self.decoder, self.resampler) == ("turbojpeg", "native")
        self._boxes = index.boxes.__array_interface__["data"][0]

    def describe(self) -> str:
        """What does the work, for the screen."""
        return f"decoder {self.decoder}, resampler {self.resampler}"

    def worker(self) -> Worker:
        return Worker(self._wanted, self._compiled)

    def picture(self, worker: Worker, image: int) -> tuple[np.ndarray, int, int]:
        """(encoded bytes, left, top): where the encoded picture lies within the one that the boxes are drawn on."""
        raise NotImplementedError

    def sample(self, sampler: Sampler, task: Task, boxes: int, out: int) -> None:
        """Have the sampler make the samples of `task`, from the boxes at one address to the slots at another."""
        raise NotImplementedError

    @staticmethod
    def pieces(plan: Plan, number: int) -> list[Task]:
        """The work of a batch: a picture at a time."""
        return list(plan.tasks(number))

    def fill(self, worker: Worker, task: Task, images: np.ndarray, log: Stages | None = None) -> None:
        """Make the samples of `task`. Raises SampleError."""
        if log:
            log.begin(task.image)
        if worker.sampler is not None and not self.index.careful[task.image]:
            self._fill_compiled(worker.sampler, task, images)
            if log:
                log.marks(list(zip(("read", "decode", "resample"), worker.sampler.spent(), strict=True)))
            return
        boxes = self.index.boxes[task.box : task.box + task.count].tolist()
        data, left, top = self.picture(worker, task.image)
        if log:
            log.mark("read")
        if len(boxes) == 1:
            x0, y0, x1, y1 = boxes[0]
        else:
            edges = list(zip(*boxes, strict=True))
            x0, y0, x1, y1 = min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3])
        kind = CAREFUL if self.index.careful[task.image] else QUICK
        try:
            pixels = worker.reader.read(data, kind, (x0 - left, y0 - top, x1 - left, y1 - top))
        except PictureError as error:
            raise self._changed(task.image, error) from error
        if log:
            log.mark("decode")
        for number, box in enumerate(boxes):
            self._resample(pixels[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0], images[task.slot + number])
        if log:
            log.mark("resample")

    def _fill_compiled(self, sampler: Sampler, task: Task, images: np.ndarray) -> None:
        slot = images.__array_interface__["data"][0] + task.slot * self.side * self.side * 3
        try:
            self.sample(sampler, task, self._boxes + task.box * 8, slot)
        except SamplerError as error:
            raise self._changed(task.image, error) from error

    def _changed(self, image: int, error: Exception) -> SampleError:
        return SampleError(
            f"{self.index.path(image)}: {error}. It has changed since it was indexed: make the index anew"
        )


class FileSource(PictureSource):
    """Samples from the image files themselves."""

    def path(self, image: int) -> str:
        return os.path.join(self.index.root, self.index.path(image))

    def sample(self, sampler: Sampler, task: Task, boxes: int, out: int) -> None:
        path, size = self.path(task.image), int(self.index.sizes[task.image])
        try:
            sampler.from_file(os.fsencode(path), size, boxes, task.count, out, self.side)
        except OSError as error:
            raise self._gone(path, error) from error
        except ChangedError as error:
            raise self._resized(path, size) from error

    @staticmethod
    def _gone(path: str, error: OSError) -> SampleError:
        return SampleError(f"{path}: {error.strerror}. Bring it back, or make the index anew")

    @staticmethod
    def _resized(path: str, size: int) -> SampleError:
        return SampleError(f"{path} is not the {size} bytes that were indexed: make the index anew")

    def picture(self, worker: Worker, image: int) -> tuple[np.ndarray, int, int]:
        path = self.path(image)
        size = int(self.index.sizes[image])
        memory = worker.room(size + 1)
        try:
            file = os.open(path, os.O_RDONLY)
            try:
                got = os.readv(file, [memory[: size + 1]])
                while 0 < got < size:
                    more = os.readv(file, [memory[got : size + 1]])
                    if not more:
                        break
                    got += more
            finally:
                os.close(file)
        except OSError as error:
            raise self._gone(path, error) from error
        if got != size:
            raise self._resized(path, size)
        return memory[:size], 0, 0


class Place(NamedTuple):
    """Where the images of a shard set lie: arrays, one number an image. `files` are numbered by `part`."""

    files: list[Path]
    part: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    left: np.ndarray
    top: np.ndarray


def opened(files: list[Path]) -> list[np.ndarray]:
    """The shard files, mapped into memory once for all threads; uint8."""
    mapped = []
    for path in files:
        with open(path, "rb") as file:
            empty = os.fstat(file.fileno()).st_size == 0
            mapped.append(
                np.zeros(0, np.uint8)
                if empty
                else np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
            )
    return mapped


class CroppedSource(PictureSource):
    """Samples from shards of losslessly cropped JPEGs: fewer bytes, the same pixels."""

    def __init__(self, index: Index, side: int, place: Place, decoder: str | None = None, resampler: str | None = None):
        super().__init__(index, side, decoder, resampler)
        self._place, self._parts = place, opened(place.files)

    def picture(self, worker: Worker | None, image: int) -> tuple[np.ndarray, int, int]:
        place = self._place
        start = int(place.offset[image])
        data = self._parts[place.part[image]][start : start + int(place.length[image])]
        if len(data) != place.length[image]:
            raise SampleError(f"{place.files[place.part[image]]} is shorter than its index says: pack that class again")
        return data, int(place.left[image]), int(place.top[image])

    def sample(self, sampler: Sampler, task: Task, boxes: int, out: int) -> None:
        data, left, top = self.picture(None, task.image)
        address = data.__array_interface__["data"][0]
        sampler.from_bytes(address, len(data), left, top, boxes, task.count, out, self.side)


class Copy(NamedTuple):
    """A piece of work for RawSource: the samples at `addresses`, side by side from `slot` on."""

    slot: int
    addresses: np.ndarray


class RawSource:
    """Samples that lie ready as pixels: a batch is copied together from memory maps."""

    decoder = resampler = "none"
    step = 64

    def __init__(self, index: Index, side: int, place: Place):
        """Raises SampleError where the shard files are not what the manifest says."""
        self.index, self.side = index, side
        self._bytes = side * side * 3
        self._parts = opened(place.files)
        sizes = np.array([part.size for part in self._parts], np.int64)
        wrong = (
            place.offset + np.diff(index.first) * self._bytes > sizes[place.part] if len(sizes) else np.zeros(0, bool)
        )
        if wrong.any():
            file = place.files[place.part[np.flatnonzero(wrong)[0]]]
            raise SampleError(f"{file} is shorter than its index says: pack that class again")
        starts = np.array([part.__array_interface__["data"][0] for part in self._parts], np.uint64)
        # Where each sample lies in memory: an image's samples follow one another.
        within = np.arange(index.samples) - np.repeat(index.first[:-1], np.diff(index.first))
        offsets = np.repeat(place.offset, np.diff(index.first)) + within * self._bytes
        self._addresses = np.repeat(starts[place.part], np.diff(index.first)) + offsets.astype(np.uint64)
        library = native.load("kernels.c")
        self._copy = None
        if library is not None:
            self._copy = library.copy_samples
            self._copy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
            self._copy.restype = None

    def describe(self) -> str:
        return "ready samples"

    def worker(self) -> None:
        return None

    def pieces(self, plan: Plan, number: int) -> list[Copy]:
        """The work of a batch: some samples at a time, each copied on its own."""
        addresses = self._addresses[plan.samples[number]]
        return [Copy(slot, addresses[slot : slot + self.step]) for slot in range(0, len(addresses), self.step)]

    def fill(self, worker: None, piece: Copy, images: np.ndarray, log: Stages | None = None) -> None:
        """Copy the samples of `piece`."""
        if log:
            log.begin(-1)
        target = images.__array_interface__["data"][0] + piece.slot * self._bytes
        if self._copy is not None:
            self._copy(piece.addresses.__array_interface__["data"][0], target, len(piece.addresses), self._bytes)
        else:
            for number, address in enumerate(piece.addresses.tolist()):
                ctypes.memmove(target + number * self._bytes, address, self._bytes)
        if log:
            log.mark("copy")


Source = FileSource | CroppedSource | RawSource
