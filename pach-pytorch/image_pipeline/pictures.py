"""From a file's bytes to its pixels: what each kind of file is, and who decodes it.

A file is known by its first bytes, never by its name. JPEGs with one or three components take the quick way (a part
only, where libjpeg-turbo 3 is found; the whole picture through simplejpeg elsewhere: the same bytes either way). PNGs
and CMYK JPEGs take the careful way through Pillow. EXIF orientation is not applied: boxes are drawn on the stored
pixels.
"""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

import numpy as np
from turbojpeg_region import JpegError, Region, RegionDecoder, available

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

QUICK, CAREFUL = "jpeg", "careful"
DECODERS = ("turbojpeg", "simplejpeg")


ODDITIES = {
    "grey": "used, the one channel three times",
    "CMYK JPEG": "used, turned into RGB",
    "PNG": "used, decoded as what it is, whatever its name says",
    "EXIF orientation ignored": "used as stored: boxes are drawn on the stored pixels",
    "bytes after the end": "used, what follows the end is not read",
}
"""What can be odd about a picture that can be decoded → what is done with it."""


class PictureError(Exception):
    """The bytes are no picture that can be used; the text is the reason, for the quarantine list."""


class Header(NamedTuple):
    """What the first bytes say of a picture: who decodes it, and its size in pixels."""

    kind: str
    width: int
    height: int
    components: int


def read_header(data: bytes) -> Header:
    """Look at a file's first bytes. Raises PictureError for what is neither a JPEG nor a PNG."""
    if not data:
        raise PictureError("the file is empty")
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_header(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 33:
        width, height = struct.unpack(">II", data[16:24])
        return Header(CAREFUL, width, height, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(data[25], 0))
    raise PictureError("neither a JPEG nor a PNG")


def _jpeg_header(data: bytes) -> Header:
    """Walk the JPEG's segments to its frame header (SOF)."""
    position = 2
    while position + 9 < len(data):
        if data[position] != 0xFF:
            raise PictureError("the JPEG's header is damaged")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack(">HHB", data[position + 5 : position + 10])
            if not width or not height:
                raise PictureError("the JPEG's header gives no size")
            return Header(QUICK if components in (1, 3) else CAREFUL, width, height, components)
        position += 2 + length
    raise PictureError("the JPEG ends within its header")


def oddities(data: bytes, header: Header) -> list[str]:
    """What is odd about a picture that can be decoded: keys of ODDITIES."""
    found = []
    if data[:2] != b"\xff\xd8":
        found.append("PNG")
    elif header.components == 4:
        found.append("CMYK JPEG")
    elif header.components == 1:
        found.append("grey")
    if b"Exif\0\0" in data[:4096] and _orientation(data) not in (0, 1):
        found.append("EXIF orientation ignored")
    if data[:2] == b"\xff\xd8" and data[-2:] != b"\xff\xd9":
        found.append("bytes after the end")
    return found


def _orientation(data: bytes) -> int:
    """The EXIF orientation, 0 where there is none or the block cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return int(image.getexif().get(0x0112, 0))
    except Exception:
        return 0


def careful_pixels(data: bytes) -> np.ndarray:
    """Decode a PNG or a CMYK JPEG whole, to RGB. Alpha is dropped. Raises PictureError."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            if image.mode == "CMYK":
                # Pillow has turned Adobe's inverted inks the right way round; the formula is TensorFlow's.
                inks = 255 - np.asarray(image, np.uint16)
                return (inks[:, :, :3] * inks[:, :, 3:] // 255).astype(np.uint8)
            return np.asarray(image.convert("RGB"))
    except Exception as error:
        raise PictureError(f"Pillow cannot decode it: {error}") from error


class PictureReader:
    """Decodes parts of pictures; one for each thread."""

    def __init__(self, decoder: str | None = None):
        """decoder: one of DECODERS, or None for the best there is. Raises LookupError where it is not installed."""
        found = {"turbojpeg": available(), "simplejpeg": simplejpeg is not None}
        if decoder is None:
            decoder = next((name for name in DECODERS if found[name]), None)
        if decoder is None or not found.get(decoder):
            raise LookupError(
                f"no JPEG decoder {decoder or ''} here: pip install turbojpeg simplejpeg".replace("  ", " ")
            )
        self.decoder = decoder
        self._region = RegionDecoder() if decoder == "turbojpeg" else None

    def read(self, data, kind: str, region: Region | None = None) -> np.ndarray:
        """RGB pixels (height, width, 3), uint8, of a part of a picture; use them before the next call.

        data: bytes, or anything with the buffer protocol. Raises PictureError, whose text is the reason.
        """
        if kind == CAREFUL:
            pixels = careful_pixels(bytes(data))
        elif self._region is not None:
            try:
                return self._region.decode(data, region)
            except JpegError as error:
                raise PictureError(str(error)) from error
        else:
            try:
                pixels = simplejpeg.decode_jpeg(data, "RGB")
            except ValueError as error:
                raise PictureError(str(error)) from error
        if region is None:
            return pixels
        left, top, right, bottom = region
        if not (0 <= left < right <= pixels.shape[1] and 0 <= top < bottom <= pixels.shape[0]):
            raise PictureError(f"the part {region} is not within {pixels.shape[1]} x {pixels.shape[0]}")
        return pixels[top:bottom, left:right]
