"""Where the networks run, and how many patches or views go at a time there."""

import argparse
import contextlib
import ctypes
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import stage
import torch

PRECISIONS = ("fp32", "bf16", "int8")


def add_arguments(parser: argparse.ArgumentParser, precisions: Sequence[str]) -> None:
    """The original's --device-type and --gpu-number, and the precision."""
    parser.add_argument(
        "--device-type",
        choices=("cpu", "gpu", "auto"),
        default="cpu",
        help="gpu: the CPU takes over, with a word, where there is none (%(default)s)",
    )
    parser.add_argument("--gpu-number", type=stage.natural_number, default=0, help="which GPU (%(default)s)")
    parser.add_argument(
        "--precision",
        choices=precisions,
        default="fp32",
        help="fp32 gives the published numbers; the others trade exactness for speed where the machine has "
        "instructions for them (%(default)s)",
    )


def choose(device_type: str, gpu_number: int) -> torch.device:
    """The device to run on. Asking for a GPU where there is none gives the CPU and a line that says so."""
    keep_freed_memory()
    if device_type == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        if device_type == "gpu":
            stage.say("note: no usable GPU here; running on the CPU instead (same results, slower)")
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if gpu_number >= count:
        raise stage.StageError(f"--gpu-number {gpu_number}: this machine has {count}, numbered from 0")
    # TF32 keeps 10 bits of mantissa in convolutions and would move probabilities in the third digit.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return torch.device("cuda", gpu_number)


def keep_freed_memory() -> None:
    """Tells the C library (glibc) to keep freed blocks instead of handing each large one back to the system.

    Every pass allocates the same tens of megabytes again; without this, a third of its time goes into page faults.
    """
    threshold, trim, arenas = -3, -1, -8
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(threshold, 1 << 30)
        library.mallopt(trim, 1 << 30)
        # Threads would otherwise have heaps of their own, each too small for a large block.
        library.mallopt(arenas, 1)


def rounding(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """A context in which networks compute in bf16 where that is asked for."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


_THREAD = threading.local()


def per_thread(make: Callable[[], Any], key: int) -> Any:
    """What `make` gives, made once in each thread and for each key: buffers that threads must not share."""
    kept = _THREAD.__dict__.setdefault("kept", {})
    if key not in kept:
        kept[key] = make()
    return kept[key]


def single_threaded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes PyTorch use one processor inside the function, in whatever thread it runs.

    On a CPU this program runs several passes side by side, each on one processor. That needs no barriers between
    processors, keeps each pass in its own cache, and two workers on one machine do not get into each other's way.
    """

    def one_processor(*arguments: Any) -> Any:
        if not getattr(_THREAD, "told", False):
            # OpenMP keeps this number for each thread.
            torch.set_num_threads(1)
            _THREAD.told = True
        with torch.inference_mode():
            return function(*arguments)

    return one_processor
