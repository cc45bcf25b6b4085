"""Decoding a part of a JPEG, or a JPEG cut down without decoding, gives the very pixels of decoding it whole."""

import io

import numpy as np
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from turbojpeg_region import available, crop_lossless

needs_turbojpeg = pytest.mark.skipif(not available(), reason="libjpeg-turbo 3 (package turbojpeg) is not installed")
SUBSAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def jpeg(width, height, seed=0, mode="RGB", **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88, **options)
    return file.getvalue()


@st.composite
def pictures_and_parts(draw):
    width, height = draw(st.integers(1, 120)), draw(st.integers(1, 120))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    options = {"subsampling": draw(st.sampled_from([0, 1, 2])), "progressive": draw(st.booleans())}
    if draw(st.booleans()):
        options = {"mode": "L", "progressive": options["progressive"]}
    return jpeg(width, height, draw(st.integers(0, 99)), **options), (left, top, right, bottom)


@needs_turbojpeg
@given(pictures_and_parts())
@settings(max_examples=150, deadline=None)
def test_a_part_decoded_alone_is_the_part_of_the_whole(drawn):
    data, part = drawn
    left, top, right, bottom = part
    whole = pictures.PictureReader("simplejpeg").read(data, "jpeg")
    alone = pictures.PictureReader("turbojpeg").read(data, "jpeg", part)
    assert np.array_equal(alone, whole[top:bottom, left:right])


@needs_turbojpeg
@given(pictures_and_parts())
@settings(max_examples=150, deadline=None)
def test_a_losslessly_cropped_jpeg_decodes_to_the_same_pixels(drawn):
    data, (left, top, right, bottom) = drawn
    found = crop_lossless(data, (left, top, right, bottom))
    assert found is not None
    cropped, x, y = found
    assert x <= left and y <= top
    whole = pictures.PictureReader("simplejpeg").read(data, "jpeg")
    part = pictures.PictureReader().read(cropped, "jpeg", (left - x, top - y, right - x, bottom - y))
    assert np.array_equal(part, whole[top:bottom, left:right])


@pytest.mark.parametrize("decoder", [name for name in pictures.DECODERS if name != "turbojpeg" or available()])
class TestEveryDecoder:
    def test_gives_pillows_pixels(self, decoder):
        for subsampling in SUBSAMPLINGS.values():
            data = jpeg(90, 70, subsampling=subsampling)
            pixels = pictures.PictureReader(decoder).read(data, "jpeg")
            assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.98])
    def test_never_fills_in_what_a_truncated_file_lacks(self, decoder, share):
        data = jpeg(160, 120)
        with pytest.raises(pictures.PictureError):
            pictures.PictureReader(decoder).read(data[: int(len(data) * share)], "jpeg")

    def test_notices_damage_above_and_within_the_part_it_was_asked_for(self, decoder):
        data = jpeg(160, 120)
        for part in ((0, 60, 20, 68), (0, 100, 160, 120)):
            with pytest.raises(pictures.PictureError):
                pictures.PictureReader(decoder).read(data[: len(data) // 3], "jpeg", part)

    def test_refuses_a_part_outside_the_picture(self, decoder):
        with pytest.raises(pictures.PictureError, match="not within 20 x 10"):
            pictures.PictureReader(decoder).read(jpeg(20, 10), "jpeg", (0, 0, 21, 10))

    def test_can_be_used_again_after_an_error(self, decoder):
        reader, data = pictures.PictureReader(decoder), jpeg(50, 40)
        expected = reader.read(data, "jpeg").copy()
        with pytest.raises(pictures.PictureError):
            reader.read(data[:300], "jpeg")
        assert np.array_equal(reader.read(data, "jpeg"), expected)


def test_a_picture_is_known_by_its_first_bytes():
    png = io.BytesIO()
    Image.new("RGBA", (7, 5), (200, 10, 20, 128)).save(png, "PNG")
    assert pictures.read_header(png.getvalue())[:3] == ("careful", 7, 5)
    assert pictures.careful_pixels(png.getvalue())[0, 0].tolist() == [200, 10, 20]
    assert pictures.read_header(jpeg(33, 21))[:3] == ("jpeg", 33, 21)
    with pytest.raises(pictures.PictureError, match="neither a JPEG nor a PNG"):
        pictures.read_header(b"GIF89a" + bytes(40))
    with pytest.raises(pictures.PictureError, match="empty"):
        pictures.read_header(b"")


def test_cmyk_becomes_rgb_by_ink_times_black():
    file = io.BytesIO()
    inks = np.full((16, 16, 4), (40, 120, 200, 60), np.uint8)
    Image.fromarray(inks, "CMYK").save(file, "JPEG", quality=100)
    data = file.getvalue()
    assert pictures.read_header(data).kind == "careful"
    expected = [(255 - ink) * (255 - 60) // 255 for ink in (40, 120, 200)]
    assert np.abs(pictures.careful_pixels(data)[8, 8].astype(int) - expected).max() <= 2


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_header(data):
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        try:
            header = pictures.read_header(start + data)
        except pictures.PictureError:
            continue
        assert header.kind in ("jpeg", "careful")
