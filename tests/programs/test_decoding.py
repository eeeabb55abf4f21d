"""One picture of any kind as an array: what it becomes, and what is refused."""

from __future__ import annotations

import io
import os
import resource
import socket
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from picture_files import COLOUR, GREY, chunk, encoded, gif_of_size, png
from PIL import Image

from jaxcnn.programs.data import decoding
from jaxcnn.programs.data.decoding import fitted, read_image
from jaxcnn.programs.data.errors import DataError, PictureError


def read(content: bytes, size=None, channels=3, fit="crop"):
    return read_image(io.BytesIO(content), size=size, channels=channels, fit=fit)


def grey(image):
    return np.repeat(image[..., None], 3, axis=2)


RGBA = np.dstack([COLOUR, GREY])
OVER_WHITE = np.asarray(
    Image.alpha_composite(Image.new("RGBA", (32, 24), "white"), Image.fromarray(RGBA)).convert(
        "RGB"
    )
)
SIXTEEN_BITS = GREY.astype(np.uint16) * 256 + GREY[::-1]  # the lower byte is another one
NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
PALETTE = Image.fromarray(COLOUR).quantize(16)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(encoded(COLOUR), COLOUR, id="colour"),
        pytest.param(encoded(GREY), grey(GREY), id="grey"),
        pytest.param(encoded(GREY > 128), grey(255 * np.uint8(GREY > 128)), id="1 bit"),
        pytest.param(encoded(RGBA), OVER_WHITE, id="alpha"),
        pytest.param(encoded(RGBA, "WEBP", lossless=True, exact=True), OVER_WHITE, id="webp"),
        pytest.param(encoded(PALETTE), np.asarray(PALETTE.convert("RGB")), id="palette"),
        pytest.param(encoded(SIXTEEN_BITS), grey(GREY), id="16 bits"),
        pytest.param(encoded(SIXTEEN_BITS, "TIFF"), grey(GREY), id="16 bits in TIFF"),
        pytest.param(encoded(SIXTEEN_BITS.astype(np.int32), "TIFF"), grey(GREY), id="32 bits"),
        pytest.param(encoded(GREY.astype(np.float32) / 255, "TIFF"), grey(GREY), id="float"),
        pytest.param(
            encoded(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"), COLOUR, id="CMYK in TIFF"
        ),
        pytest.param(encoded(COLOUR, "BMP"), COLOUR, id="BMP"),
        pytest.param(encoded(COLOUR, "PPM"), COLOUR, id="PPM"),
        pytest.param(encoded(COLOUR, "TGA"), COLOUR, id="TGA"),
        pytest.param(
            png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 65535, 0, 256, 255, 128, 65535)),
            np.array([[[255, 0, 1], [0, 0, 255]]]),
            id="16 bits of colour",
        ),
        pytest.param(
            encoded(GREY, transparency=0),
            grey(np.where(GREY == 0, 255, GREY)),
            id="one level of grey is transparent",
        ),
    ],
)
def test_a_kind_of_image_becomes_its_pixels(content, expected):
    image = read(content)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "WEBP", "JPEG2000"])
def test_a_kind_that_loses_a_little_is_near(kind):
    smooth = np.asarray(Image.fromarray(COLOUR).resize((64, 48)))
    assert np.abs(read(encoded(smooth, kind)).astype(int) - smooth).mean() < 8


def test_cmyk_in_jpeg_is_not_inverted():
    content = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    np.testing.assert_allclose(read(content)[8, 8].astype(int), [255, 0, 0], atol=4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    first, second = (Image.new("RGB", (8, 8), (level,) * 3) for level in (10, 200))
    content = encoded(first, kind, save_all=True, append_images=[second])
    assert (read(content) == 10).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_stands_upright(orientation):
    """The stored image for each value of the tag, by its table: which side of the
    picture the first row and the first column of the file are."""
    upright = COLOUR
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    content = encoded(np.ascontiguousarray(stored), exif=exif)
    np.testing.assert_array_equal(read(content), upright)
    assert read(content, size=(6, 8)).shape == (6, 8, 3)


def test_damaged_exif_data_do_not_matter():
    content = encoded(COLOUR, "JPEG")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200, 222))
    damaged = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    np.testing.assert_array_equal(read(damaged), read(content))


def test_grey_is_the_luma_of_colour():
    red = encoded(np.full((4, 4, 3), (200, 0, 0), np.uint8))
    assert (read(red, channels=1) == round(0.299 * 200)).all()
    assert read(red, channels=1).shape == (4, 4, 1)
    np.testing.assert_array_equal(read(encoded(GREY), channels=1)[..., 0], GREY)


# Sizes.


BARS = np.zeros((20, 40, 3), np.uint8)
BARS[:, :10] = BARS[:, 30:] = 255  # white, black, white


def test_crop_cuts_the_longer_side():
    assert (read(encoded(BARS), size=(20, 20), fit="crop") == 0).all()


def test_pad_adds_black():
    image = read(encoded(np.full((20, 40, 3), 255, np.uint8)), size=(40, 40), fit="pad")
    assert (image[10:30] == 255).all()
    assert (image[:10] == 0).all() and (image[30:] == 0).all()


def test_stretch_distorts():
    image = read(encoded(BARS), size=(20, 20), fit="stretch")[10, :, 0]
    assert image[:4].min() == image[16:].min() == 255
    assert image[7:13].max() == 0


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(1, 900), (900, 1), (1, 1), (7, 5)])
def test_every_shape_gets_the_size(fit, shape):
    content = encoded(np.zeros((*shape, 3), np.uint8))
    assert read(content, size=(6, 9), fit=fit).shape == (6, 9, 3)


def test_the_right_size_is_left_alone():
    np.testing.assert_array_equal(read(encoded(COLOUR), size=(24, 32)), COLOUR)


@pytest.mark.parametrize("size", [(1600, 1200), (192, 144)])
def test_a_large_jpeg_is_near_to_what_resizing_all_of_it_gives(size):
    """It is decoded at a fraction of its size."""
    large = Image.fromarray(NOISE).resize(size, Image.Resampling.BICUBIC)
    expected = np.asarray(large.resize((32, 24), Image.Resampling.BICUBIC))
    image = read(encoded(large, "JPEG", quality=95), size=(24, 32))
    assert np.abs(image.astype(int) - expected).mean() < 4


def test_an_array_is_brought_to_a_size_as_a_file_is():
    for image in (COLOUR, GREY[..., None]):
        np.testing.assert_array_equal(
            fitted(image, (8, 8), 1, "crop"),
            read(encoded(image if image.shape[2] == 3 else GREY), size=(8, 8), channels=1),
        )


# What is refused.


JPEG = encoded(COLOUR, "JPEG")
REFUSED = [
    pytest.param(b"", "is empty", id="empty"),
    pytest.param(b"hello\n" * 100, "is no image that Pillow reads", id="text"),
    pytest.param(b"<html></html>", "is no image that Pillow reads", id="web page"),
    pytest.param(encoded(COLOUR, "EPS"), "is no image that Pillow reads", id="EPS is a program"),
    pytest.param(JPEG[: len(JPEG) // 2], "is damaged: ", id="cut JPEG"),
    pytest.param(encoded(NOISE)[:-200], "is damaged: ", id="cut PNG"),
    pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(50), "", id="PNG without a header"),
    pytest.param(png(60_000, 60_000, 1, 0, bytes(9)), "has more than the 134,217,728", id="bomb"),
    pytest.param(gif_of_size(65_535, 65_535), "has more than the 134,217,728", id="GIF bomb"),
    pytest.param(
        png(16_000, 10_000, 8, 0, bytes(9)), "has more than the 134,217,728", id="small bomb"
    ),
    pytest.param(
        png(2, 2, 8, 0, bytes(6), (chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))),)),
        "is damaged: .*too large",
        id="text bomb",
    ),
    pytest.param(
        encoded(GREY.astype(np.float32), "TIFF"), r"has floating-point values outside", id="float"
    ),
    pytest.param(
        encoded(GREY.astype(np.int32) * 10**6, "TIFF"), "has 32 bits a pixel", id="32 bits"
    ),
]


@pytest.mark.parametrize(("content", "reason"), REFUSED)
def test_what_is_no_image_is_told_in_one_line(tmp_path, content, reason):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PictureError, match=rf"^{path} {reason}") as caught:
        read_image(path, size=(8, 8), channels=3)
    assert isinstance(caught.value, DataError)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes


def test_a_jpeg_that_is_gone_over_again_and_again_is_refused():
    """Each scan of 31 bytes, without anything new, goes over all pixels."""
    content = encoded(GREY, "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    few, many = (content[:-2] + scan * count + content[-2:] for count in (50, 200))
    assert read(few).shape == (24, 32, 3)
    with pytest.raises(PictureError, match="is a JPEG of more than 100 scans"):
        read(many)


def test_the_size_is_looked_at_where_warnings_are_not_errors():
    """Between its limit and twice of it Pillow only warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PictureError, match="has 16,000 x 10,000 pixels, more than 134,217,728"):
            read(png(16_000, 10_000, 8, 0, bytes(9)))


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for path, reason in (
            (tmp_path / "pipe", "is a pipe, not a file"),
            (tmp_path / "s", "cannot be read: No such device or address"),
            (tmp_path, "cannot be read: Is a directory"),
            (tmp_path / "nothing", "cannot be read: No such file or directory"),
        ):
            with pytest.raises(PictureError, match=f"^{path} {reason}$"):
                read_image(path, size=None, channels=3)


def test_a_device_is_no_file():
    with pytest.raises(PictureError, match=r"^/dev/zero is a device, not a file$"):
        read_image(decoding.Path("/dev/zero"), size=None, channels=3)


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "large.png"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(PictureError, match="has 1,099,511,627,776 bytes, more than 1,073,741,824"):
        read_image(path, size=None, channels=3)


def test_large_images_are_decoded_one_at_a_time(monkeypatch):
    monkeypatch.setattr(decoding, "LARGE_PIXELS", GREY.size - 1)
    with decoding._large:
        pass
    taken = []

    class Lock:
        def __enter__(self):
            taken.append(True)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(decoding, "_large", Lock())
    read(encoded(GREY))
    assert taken == [True]
    read(encoded(GREY[:-1]))
    assert taken == [True]
