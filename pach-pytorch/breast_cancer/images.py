"""Mammograms and heatmaps as files: 16-bit grey PNGs, and HDF5 maps laid out as the original writes them.

The HDF5 library is imported where it is needed: the first two stages run without it.
"""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from stage import StageError, whole_file

# Pillow's guard against decompression bombs begins below the size of a large detector (4,096 x 5,625 and up).
Image.MAX_IMAGE_PIXELS = 400_000_000

GREY_MODES = {"L": np.uint8, "I;16": np.uint16, "I;16B": np.uint16, "I;16L": np.uint16, "I;16N": np.uint16}

# zlib at level 6 takes seven times as long for files 6 % smaller.
PNG_COMPRESSION = 1


def read_mammogram(path: Path) -> np.ndarray:
    """The pixels of a grey PNG, (height, width), uint8 or uint16; StageError for anything else."""
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode == "I":
                pixels = np.array(image)
                if pixels.min() < 0 or pixels.max() > 65535:
                    raise StageError(f"{path.name}: pixel values beyond 16 bits; a mammogram is 8- or 16-bit grey")
                return pixels.astype(np.uint16)
            if mode not in GREY_MODES:
                raise StageError(
                    f"{path.name}: its pixels are {mode}; a mammogram has one grey channel of 8 or 16 bits, "
                    "so convert it to grey first"
                )
            return np.array(image).astype(GREY_MODES[mode], copy=False)
    except FileNotFoundError:
        raise StageError(f"{path.name}: no such image in {path.parent}, though the exam list names it") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StageError(f"{path.name}: not a readable PNG ({reason})") from None


def write_png(pixels: np.ndarray, path: Path) -> None:
    """Writes grey (uint8, uint16) or RGB (uint8) pixels as a PNG, whole or not at all."""
    with whole_file(Path(path)) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, "PNG", compress_level=PNG_COMPRESSION)


def write_heatmap(heatmap: np.ndarray, path: Path) -> None:
    """Writes a (height, width) float32 map: dataset `image`, transposed, lzf-compressed, as the original does."""
    import h5py

    with whole_file(Path(path)) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("image", data=np.ascontiguousarray(heatmap.T, dtype=np.float32), compression="lzf")


def read_heatmap(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """The (height, width) float32 map of an image of this shape, in the stored image's orientation."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            stored = np.asarray(file["image"], dtype=np.float32)
    except FileNotFoundError:
        raise StageError(f"{path.name}: no such heatmap in {path.parent}; run generate_heatmaps first") from None
    except (OSError, KeyError) as error:
        raise StageError(f"{path.name}: not a readable heatmap ({error})") from None
    if stored.ndim != 2 or stored.shape[::-1] != shape:
        raise StageError(
            f"{path.name}: the heatmap's shape {stored.shape[::-1]} is not its image's {shape}; "
            "they come from different runs"
        )
    return stored.T


def standardise(pixels: np.ndarray, dtype: type) -> np.ndarray:
    """Pixels less their mean, over their population standard deviation (at least 1e-5), computed in `dtype`."""
    pixels = pixels.astype(dtype)
    pixels -= pixels.mean()
    pixels /= max(pixels.std(), 1e-5)
    return pixels
