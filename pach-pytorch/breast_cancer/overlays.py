"""Heatmaps laid over their mammograms, as pictures for people."""

import base64
import zlib

import numpy as np

# OpenCV's colour tables COLORMAP_HOT and COLORMAP_DEEPGREEN, 256 RGB colours each, as differences from one colour to
# the next. They are not quite any formula.
_TABLES = {
    "malignant": "c-muNVrFK7U=YN{M#i|rF);|jX+}l{Murg#m_Ps)A~eH{j3YacnVFecSV;r`OZNi)",
    "benign": "c-muN7&3sF7Jz|qWCPkn6%!*P69|Jy7@Ibj67xY20ROK7{r",
}
IMAGE_SHARE = 0.8
GLOW_STRENGTH = 0.6
GLOW_COLOURS = (70, 215)


def colour_table(kind: str) -> np.ndarray:
    """(256, 3) uint8 RGB: black to red to white for malignant, black to green to white for benign."""
    steps = np.frombuffer(zlib.decompress(base64.b85decode(_TABLES[kind])), dtype=np.int8)
    return np.cumsum(steps.reshape(3, 256).T, axis=0, dtype=np.int64).astype(np.uint8)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Values stretched from their own least and greatest to 0 to 255, cut to whole numbers; all 0 if they are equal.

    Integers are scaled in single and floats in double precision, as OpenCV's normalize does.
    """
    least, greatest = float(values.min()), float(values.max())
    if greatest == least:
        return np.zeros(values.shape, dtype=np.uint8)
    scale = 255.0 * (1.0 / (greatest - least))
    precision = np.float32 if np.issubdtype(values.dtype, np.integer) else np.float64
    stretched = values.astype(precision) * precision(scale) + precision(-least * scale)
    return np.clip(stretched.astype(np.float32), 0, 255).astype(np.uint8)


def overlay(mammogram: np.ndarray, heatmap: np.ndarray, kind: str, absolute: bool = False) -> np.ndarray:
    """(height, width, 3) uint8 RGB: the mammogram in grey with the coloured heatmap shining through.

    Both are stretched to their own range, as the original does, so that even a map of tiny probabilities shows its
    pattern; `absolute` colours probability 0 to 1 instead, so that pictures can be compared.
    """
    grey = to_bytes(mammogram).astype(np.float64)[..., None]
    level = np.clip(heatmap * 255, 0, 255).astype(np.uint8) if absolute else to_bytes(heatmap)
    colour = colour_table(kind).astype(np.float64)[level]
    return np.rint(IMAGE_SHARE * grey + (1 - IMAGE_SHARE) * colour).astype(np.uint8)


def glow(mammogram: np.ndarray, heatmap: np.ndarray, kind: str, highest: float) -> np.ndarray:
    """(height, width, 3) uint8 RGB: the mammogram in grey, tinted the more the nearer a probability is to `highest`.

    The background, and where nothing is suspected, stay as they are. Pictures with the same `highest` can be compared.
    """
    level = np.where(mammogram > 0, np.clip(heatmap / max(highest, 1e-9), 0, 1), 0)
    grey = to_bytes(mammogram).astype(np.float32)[..., None]
    colour = colour_table(kind).astype(np.float32)[glow_steps(level)]
    strength = (GLOW_STRENGTH * level)[..., None]
    return np.rint(grey + strength * (colour - grey)).astype(np.uint8)


def glow_steps(level: np.ndarray) -> np.ndarray:
    """Which colours of the table show levels 0 to 1: its dark beginning and its white end tell nothing on grey."""
    return (GLOW_COLOURS[0] + level * (GLOW_COLOURS[1] - GLOW_COLOURS[0])).astype(np.uint8)
