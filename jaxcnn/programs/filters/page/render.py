"""`render`: what a network's filters look for, and filters that are known, as one HTML
page. It needs nothing beside it, as `pages.environment` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.programs.filters import ascent
from jaxcnn.programs.filters.content import Box, Content, Filter, Kernels, Maps
from jaxcnn.programs.filters.known import FILTERS
from jaxcnn.programs.filters.page.pictures import (
    Picture,
    data_picture,
    kernel_picture,
    rising_picture,
    shade_picture,
    signed_picture,
)
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.pages.environment import page_environment
from jaxcnn.programs.readable import MINUS
from jaxcnn.version import __version__

MARK = '<meta name="generator" content="jaxcnn filters '
"""What every such page has near its beginning, of whatever version."""

MOST_BYTES = 5_000_000
SIDES = (192, 128, 80, 48)
"""Pixels of a side of the data's images, the first with which the page is small
enough."""

MOST_KERNELS = 64  # of the first convolution
MOST_INPUTS = 8  # kernels of one filter of a later one
MOST_CHANNELS = 8  # maps of a layer
SHARE = 99.0  # the percentile of responses that has full colour


SMALL = 3
"""A part of an image is shown enlarged too if its longer side is less than that of the
image divided by this."""


class Inner(NamedTuple):
    """The kernel of a filter for one input channel, or for all three colours."""

    words: str
    picture: Picture


def render(content: Content) -> str:
    """The page, the same characters for the same content, in at most 5 MB.

    Raises:
      ConfigError: if so much is shown that it would be more.
    """
    pages = (_rendered(content, side) for side in SIDES)
    for page in pages:
        size = len(page.encode())
        if size <= MOST_BYTES:
            return page
    raise ConfigError(
        f"the page would have {size / 1e6:.1f} MB, and {MOST_BYTES / 1e6:.0f} MB is the most: pass"
        " fewer --layers, or a smaller --count or --best"
    )


def _rendered(content: Content, side: int) -> str:
    def picture(image: np.ndarray) -> Picture:
        return data_picture(image, side)

    def enlarged(image: np.ndarray, box: Box | None) -> Picture:
        return data_picture(part_of(image, box), side)

    def photo(values: np.ndarray) -> Picture:
        return data_picture(np.rint(255 * values).astype(np.uint8), 1000)

    functions = (
        *(picture, enlarged, photo, response, first_kernels, inner_kernels, channels),
        *(shade_picture, signed_picture, short, answer, place, is_small, limit_of, scale_of),
    )
    template = page_environment(Path(__file__).parent, *functions).get_template("page.html")
    return template.render(
        content=content,
        generator=f"jaxcnn filters {__version__}",
        filters=FILTERS,
        ascent=ascent,
        side=side,
        most_bytes=MOST_BYTES,
        most_kernels=MOST_KERNELS,
    )


def first_kernels(first: Kernels) -> list[list[Inner]]:
    """The first kernels of a layer, each by its inputs."""
    limit, inputs = limit_of(first.w), range(first.w.shape[2])
    shown = np.moveaxis(first.w, -1, 0)[:MOST_KERNELS]
    return [_kernels(w, inputs, first.in_colour, limit) for w in shown]


def inner_kernels(shown: Filter) -> list[Inner]:
    """The kernels of a filter: in colour where its inputs are colours, else those of
    the inputs with the largest weights."""
    return _kernels(shown.w, shown.inputs, shown.in_colour, limit_of(shown.w))


def _kernels(w: np.ndarray, numbers: Sequence[int], colour: bool, limit: float) -> list[Inner]:
    if colour:
        return [Inner("all three channels", kernel_picture(w, limit))]
    largest = np.argsort(-np.linalg.norm(w, axis=(0, 1)), kind="stable")[:MOST_INPUTS]
    return [Inner(f"input {numbers[i]}", kernel_picture(w[..., i], limit)) for i in sorted(largest)]


def channels(maps: Maps) -> list[Picture]:
    """The first channels of a layer's output, on one scale."""
    first = np.moveaxis(maps.values, -1, 0)[:MOST_CHANNELS]
    limit = limit_of(maps.values)
    draw = signed_picture if maps.values.min(initial=0) < 0 else rising_picture
    return [draw(values, limit) for values in first]


def response(values: np.ndarray) -> Picture:
    """A photograph's response, red above 0 and blue below."""
    return signed_picture(values, scale_of(values), 1000)


def scale_of(values: np.ndarray) -> float:
    """The size of a response that has full colour."""
    return float(np.percentile(np.abs(values), SHARE))


def limit_of(values: np.ndarray) -> float:
    """The largest absolute value."""
    return float(np.abs(values).max(initial=0))


def short(value: float) -> str:
    """A number of at most three digits, with a minus sign.

    >>> short(-1.6667), short(2.0)
    ('−1.67', '2')
    """
    return f"{value:.3g}".replace("-", MINUS)


def answer(value: float) -> str:
    """A measured number, with three digits.

    >>> answer(6.2), answer(-0.5), answer(1234.5)
    ('6.20', '−0.500', '1,234')
    """
    digits = f"{value:,.0f}" if 99.95 <= abs(value) < 1e6 else f"{value:#.3g}"
    return digits.replace("-", MINUS)


def part_of(image: np.ndarray, box: Box | None) -> np.ndarray:
    """The part of an image; all of it if the part is not known."""
    if box is None:
        return image
    return image[box.top : box.top + box.height, box.left : box.left + box.width]


def is_small(box: Box | None, image: np.ndarray) -> bool:
    """Whether a part of an image is too small to be seen in it."""
    return box is not None and SMALL * max(box.height, box.width) < max(image.shape[:2])


def place(box: Box, image: np.ndarray) -> str:
    """Where a part of an image is, for CSS.

    >>> place(Box(2, 0, 4, 8), np.zeros((8, 8, 1)))
    'top:25%;left:0%;height:50%;width:100%'
    """
    height, width = image.shape[:2]
    parts = {
        "top": box.top / height,
        "left": box.left / width,
        "height": box.height / height,
        "width": box.width / width,
    }
    return ";".join(f"{name}:{round(100 * share, 2):g}%" for name, share in parts.items())
