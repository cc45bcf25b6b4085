"""Crop and centres in the original's shape of work, for breast_cancer.py to time: plain_crop.py crop|centres EXAM.

A pool of two processes over an exam's images; every step over the whole image. Writes and reads EXAM/plain/.
"""

import multiprocessing
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage


def crop(path: Path) -> None:
    """Cuts one image to the largest region that 100 steps of erosion leave, dilated back."""
    pixels = np.array(Image.open(path))
    mask = ndimage.binary_erosion(pixels > 0, iterations=100)
    regions, count = ndimage.label(mask)
    sizes = [int((regions == number).sum()) for number in range(1, count + 1)]
    mask = ndimage.binary_dilation(regions == 1 + int(np.argmax(sizes)), iterations=100)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    folder = path.parent / "plain"
    folder.mkdir(exist_ok=True)
    Image.fromarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]).save(folder / path.name)


def centre(path: Path) -> int:
    """The row around which a window of the classifier's height holds most of the breast."""
    mask = np.array(Image.open(path.parent / "plain" / path.name)) > 0
    return int(np.convolve(mask.sum(axis=1), np.ones(min(2677, len(mask))), "valid").argmax())


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        files = sorted(Path(sys.argv[2]).glob("*.png"))
        pool.map({"crop": crop, "centres": centre}[sys.argv[1]], files)
