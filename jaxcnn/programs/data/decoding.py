"""One file of any kind that Pillow reads, as an array of one size.

Nothing is decoded before its header has said how large it is. Large images are decoded
one at a time, so that many threads need no more memory than one.
"""

from __future__ import annotations

import os
import stat
import threading
import warnings
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxcnn.programs.data.errors import PictureError
from jaxcnn.programs.data.walking import kind_of

MOST_PIXELS = 2**27  # of an image: 134 million, a third more than the largest cameras have
MOST_BYTES = 2**30  # of a file
MOST_SCANS = 100  # of a progressive JPEG, which usually has ten
LARGE_PIXELS = 2**24  # above this one image is decoded at a time
DECODER = 1
"""Raised whenever the same file becomes other pixels; caches of pixels depend on it."""

Fit = Literal["crop", "pad", "stretch"]

NOT_READ = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats of Pillow without pixels of their own, and EPS, which it hands to
Ghostscript."""

# By EXIF's tag 274, what brings an image upright (CIPA DC-008, table 5).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 274
_SIXTEEN_BITS = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})

_first = threading.Lock()  # Pillow imports its formats when it needs them
_large = threading.Lock()

# Pillow warns above its limit, and raises an error above twice of it. The filter is of
# the process, because filters of threads are not to be had.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def read_image(
    file: Path | BinaryIO, *, size: tuple[int, int] | None, channels: int, fit: Fit = "crop"
) -> np.ndarray:
    """The image in a file: (h, w, channels), uint8, upright by its EXIF data.

    Transparent images lie on white. An animation is its first frame. Of 16 bits a
    channel the upper 8 are taken, as Pillow does with colour. Resizing is bicubic, over
    all pixels that an output pixel covers.

    Args:
      file: a path, or an open binary file.
      size: (h, w) in pixels; None leaves the image as it is.
      channels: 1 for grey (ITU-R 601-2 luma), or 3 for red, green and blue.
      fit: what is done if the shape is another one, as in `DataOptions.fit`.

    Raises:
      PictureError: if the file cannot be read, is no image, is damaged, or has more
        than `MOST_PIXELS` pixels or `MOST_BYTES` bytes. A pipe or a device is not
        waited for.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (20, 10), "red").save(file, "PNG")
    >>> read_image(file, size=(1, 1), channels=3).tolist()
    [[[255, 0, 0]]]
    """
    name = str(file) if isinstance(file, Path) else str(getattr(file, "name", "the file"))
    try:
        if isinstance(file, Path):
            with open(file, "rb", opener=_open_at_once) as opened:
                return _decoded(_refused(name, opened), name, size, channels, fit)
        return _decoded(file, name, size, channels, fit)
    except UnidentifiedImageError as error:
        raise PictureError(name, "is no image that Pillow reads") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(name, f"has more than the {MOST_PIXELS:,} pixels allowed") from error
    except PictureError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise PictureError(name, f"cannot be read: {error.strerror}") from error
        raise PictureError(name, f"is damaged: {_in_one_line(error)}") from error
    except Exception as error:  # whatever a decoder makes of damaged bytes
        raise PictureError(name, f"is damaged: {_in_one_line(error)}") from error


def fitted(image: np.ndarray, size: tuple[int, int], channels: int, fit: Fit) -> np.ndarray:
    """An image (h, w, 1 or 3), uint8, in another size and number of channels, as
    `read_image` does it."""
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return _array(_fit(picture.convert(_mode(channels)), size, fit))


def _open_at_once(path: str, flags: int) -> int:
    """Opening a pipe waits for a writer, unless this flag is set."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refused(name: str, file: BinaryIO) -> BinaryIO:
    """The file itself.

    Raises:
      PictureError: if it is not one that an image can be in.
    """
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise PictureError(name, kind_of(found.st_mode))
    if found.st_size == 0:
        raise PictureError(name, "is empty")
    if found.st_size > MOST_BYTES:
        raise PictureError(name, f"has {found.st_size:,} bytes, more than {MOST_BYTES:,}")
    return file


def _decoded(
    file: BinaryIO, name: str, size: tuple[int, int] | None, channels: int, fit: Fit
) -> np.ndarray:
    with Image.open(file, formats=_formats()) as image:
        pixels = image.width * image.height
        if pixels > MOST_PIXELS:
            shape = f"{image.width:,} x {image.height:,} pixels"
            raise PictureError(name, f"has {shape}, more than {MOST_PIXELS:,} in all")
        if image.info.get("progressive") and _scans(file) > MOST_SCANS:
            raise PictureError(name, f"is a JPEG of more than {MOST_SCANS} scans")
        with _large if pixels > LARGE_PIXELS else nullcontext():
            if size is not None:
                # A JPEG of at least four times the size is decoded at half, a quarter
                # or an eighth: it still has twice the pixels that are needed.
                image.draft(None, (2 * max(size), 2 * max(size)))
            upright = _UPRIGHT.get(_orientation(image))
            working = _to_eight_bits(image, name, channels)
            if upright is not None:
                working = working.transpose(upright)
            if size is not None:
                working = _fit(working, size, fit)
            return _array(_over_white(working).convert(_mode(channels)))


def _scans(file: BinaryIO) -> int:
    """How often the marker of a scan is in a JPEG (ITU-T T.81, table B.1), up to one
    more than `MOST_SCANS`. A scan of a few bytes goes over all pixels, so that a small
    file could take hours."""
    place = file.tell()
    file.seek(0)
    found, end = 0, b""
    while found <= MOST_SCANS and (chunk := file.read(2**20)):
        found += (end + chunk).count(b"\xff\xda")
        end = chunk[-1:]
    file.seek(place)
    return found


@cache
def _formats() -> tuple[str, ...]:
    """The names of what is read, in the order in which Pillow tries them."""
    with _first:
        Image.init()
    usual = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")
    return (*usual, *(name for name in Image.ID if name not in NOT_READ.union(usual)))


def _mode(channels: int) -> str:
    return "L" if channels == 1 else "RGB"


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # of damaged EXIF data, which are no part of the picture
        return 1


def _to_eight_bits(image: Image.Image, name: str, channels: int) -> Image.Image:
    """The image in the mode L or RGB, or in RGBA where it is transparent.

    Raises:
      PictureError: if its values have no scale.
    """
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image)
        if values.dtype.itemsize > 2 and not 0 <= values.min() <= values.max() < 2**16:
            raise PictureError(name, "has 32 bits a pixel, and values that do not fit in 16")
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image)
        if not 0 <= values.min() <= values.max() <= 1:
            raise PictureError(name, "has floating-point values outside [0, 1]")
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    # Grey becomes colour at the end, when it is small.
    wanted = "L" if image.mode == "L" else _mode(channels)
    if image.has_transparency_data:
        wanted = "RGBA"
    return image if image.mode == wanted else image.convert(wanted)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _fit(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    height, width = size
    if image.size == (width, height):
        return image
    if fit == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    if fit == "stretch":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    scale = min(width / image.width, height / image.height)
    # Not ImageOps.pad, which gives a line of one pixel's width the width 0.
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    padded = Image.new(image.mode, (width, height), "black")
    corner = ((width - inner[0]) // 2, (height - inner[1]) // 2)
    padded.paste(image.resize(inner, Image.Resampling.BICUBIC), corner)
    return padded


def _array(image: Image.Image) -> np.ndarray:
    array = np.array(image)
    return array[..., None] if array.ndim == 2 else array


def _in_one_line(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    return " ".join(str(error).split()) or type(error).__name__
