"""Pictures of the page: arrays become files inside it, each with its size."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from PIL import Image

from jaxcnn.programs.figures import ORANGE
from jaxcnn.programs.train.panels import SIGNED

PHOTO = 64  # pixels of a side, above which an image of the data becomes a JPEG file
DENSEST = 0.85  # of the shade over an image


class Picture(NamedTuple):
    """A picture as a page has it: its address, width and height in pixels, and whether
    its pixels are few enough to be seen one by one."""

    uri: str
    width: int
    height: int
    coarse: bool


def data_picture(image: np.ndarray, side: int) -> Picture:
    """An image (h, w, c) or (h, w) of the data, uint8, shrunk to at most `side` pixels
    of a side."""
    pixels = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    photo = max(picture.size) > PHOTO
    return _encoded(picture, "jpeg" if photo else "png", coarse=not photo)


def signed_picture(values: np.ndarray, limit: float, side: int | None = None) -> Picture:
    """Values (h, w), red above 0 and blue below, white at 0: full colour at `limit`. A
    `side` makes a JPEG file of it, shrunk to that many pixels."""
    scaled = 0.5 + 0.5 * np.clip(values / (limit or 1.0), -1, 1)
    return _coloured(scaled, SIGNED, side)


def rising_picture(values: np.ndarray, limit: float) -> Picture:
    """Values (h, w) that are at least 0, brighter from 0 to `limit`."""
    return _coloured(np.clip(values / (limit or 1.0), 0, 1), "viridis", None)


def kernel_picture(w: np.ndarray, limit: float) -> Picture:
    """A kernel (kh, kw), or (kh, kw, 3) in colour: grey where it is 0, white at `limit`
    and black at -limit."""
    light = np.rint(255 * np.clip(0.5 + w / (2 * (limit or 1.0)), 0, 1)).astype(np.uint8)
    return _encoded(Image.fromarray(light), "png", coarse=True)


def shade_picture(places: np.ndarray) -> Picture:
    """A map (h', w') at least 0, to lie over its image: orange, the denser the
    larger."""
    shade = np.empty((*places.shape, 4))
    shade[..., :3] = to_rgb(ORANGE)
    shade[..., 3] = DENSEST * places / (float(places.max()) or 1.0)
    return _encoded(Image.fromarray(np.rint(255 * shade).astype(np.uint8)), "png", coarse=False)


def _coloured(scaled: np.ndarray, colours: str, side: int | None) -> Picture:
    """Values (h, w) in [0, 1] through a table of colours."""
    pixels = colormaps[colours](np.nan_to_num(scaled), bytes=True)[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if side is None:
        return _encoded(picture, "png", coarse=max(picture.size) <= PHOTO)
    picture.thumbnail((side, side))
    return _encoded(picture, "jpeg", coarse=False)


def _encoded(picture: Image.Image, kind: str, coarse: bool) -> Picture:
    file = io.BytesIO()
    more = {"quality": 85} if kind == "jpeg" else {"optimize": True}
    picture.save(file, kind, **more)
    uri = f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
    return Picture(uri, picture.width, picture.height, coarse)
