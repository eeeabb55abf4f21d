r"""Filters that people wrote by hand, and what they answer to.

The 45 degree edge filter is that of the document "Deep Learning - CNN Basics", section
"Filters". Of all patches with values in [0, 1], it answers highest, 9, to the patch
that is bright where its taps are positive, and lowest, -3, to the opposite patch. But
its sum is 6, not 0. A flat patch of brightness b gives 6 b, so the inside of a bright
shape answers too. Subtracting the response to a flat patch of the same mean brightness
leaves that of the filter minus its own mean, 2/3, which is 0 wherever the image is
flat.

Section "Cross Correlation vs Convolution" says that a flipped kernel gives negative
responses to a slope. The kernel there, [1, 0], does not. It copies the left pixel, or
flipped the right one, and no response to [3, 2, 1, 0] is negative. With the difference
[1, -1], which does detect a slope, the flip changes the sign.

The filters of Sobel (Sobel and Feldman, 1968) are a difference along one axis and a
weighted mean along the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from jaxcnn import conv, convolve

EDGE = np.array([[-1, -1, 2], [-1, 2, 1], [2, 1, 1]], np.float32)
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
FILTERS: dict[str, np.ndarray] = {
    "45° edge": EDGE,
    "its opposite": -EDGE,
    "45° edge minus its mean": EDGE - EDGE.mean(),
    "Sobel, left to right": SOBEL,
    "Sobel, top to bottom": SOBEL.T,
}
PATCHES = {
    "the filter itself": EDGE,
    "its opposite": -EDGE,
    "flat, all 1": np.ones((3, 3), np.float32),
    "bright where the filter is positive": np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]], np.float32),
    "bright where it is negative": np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32),
}
SIZE = (384, 256)  # pixels of a photograph, width and height


class Photo(NamedTuple):
    """A photograph, and whose it is.

    Attributes:
      name: of its file in scikit-learn.
      says: what is on it.
      author, source: the name and the address of the person at Flickr.
      grey: (h, w), in [0, 1].
      responses: of each of `FILTERS`, (h - 2, w - 2).
      flipped: the same by convolution, with the kernel turned around.
    """

    name: str
    says: str
    author: str
    source: str
    grey: np.ndarray
    responses: Mapping[str, np.ndarray]
    flipped: Mapping[str, np.ndarray]


class Shape(NamedTuple):
    """A drawn image (h, w) in [0, 1], and the responses of the first three `FILTERS`,
    of its own size."""

    name: str
    image: np.ndarray
    responses: Sequence[np.ndarray]


class Example(NamedTuple):
    """One input and kernel, vectors or matrices, and the results of `conv` and
    `convolve`."""

    name: str
    signal: np.ndarray
    kernel: np.ndarray
    cross_correlation: np.ndarray
    convolution: np.ndarray


class Known(NamedTuple):
    """All that the page shows: `patches` has the responses of the first three
    `FILTERS` to each of `PATCHES`."""

    patches: Mapping[str, Sequence[int]]
    shapes: Sequence[Shape]
    photos: Sequence[Photo]
    examples: Sequence[Example]


def known() -> Known:
    """Everything is computed by `jaxcnn.conv` and `jaxcnn.convolve`."""
    stacked = np.stack(list(PATCHES.values()))
    patches = responses(stacked, "valid").reshape(len(stacked), -1)
    return Known(
        {
            name: [round(float(v)) for v in row[:3]]
            for name, row in zip(PATCHES, patches, strict=True)
        },
        [
            Shape(name, image, [*np.moveaxis(responses(image[None])[0], -1, 0)[:3]])
            for name, image in shapes().items()
        ],
        photos(),
        examples(),
    )


def responses(
    images: np.ndarray, padding: str = "same", operation: Callable[..., object] = conv
) -> np.ndarray:
    """The responses of all `FILTERS` to images (n, h, w), as (n, h', w', filters)."""
    kernel = np.stack(list(FILTERS.values()), axis=-1)[:, :, None]
    return np.asarray(operation(images[..., None], kernel, padding=padding))


def photos() -> list[Photo]:
    """The two photographs that come with scikit-learn, under CC BY 2.0, each made grey
    and shrunk, with a rim cut off."""
    found = []
    for name, says, author, source in (
        (
            "china.jpg",
            "a palace with curved roofs",
            "danielbuechele",
            "https://www.flickr.com/photos/danielbuechele/6061409035/",
        ),
        (
            "flower.jpg",
            "a flower in front of leaves",
            "vultilion",
            "https://www.flickr.com/photos/vultilion/6056698931/",
        ),
    ):
        picture = Image.fromarray(load_sample_image(name)).convert("L").resize(SIZE)
        grey = np.asarray(picture, np.float32) / 255
        either = [
            dict(
                zip(FILTERS, np.moveaxis(responses(grey[None], "valid", o)[0], -1, 0), strict=True)
            )
            for o in (conv, convolve)
        ]
        found.append(Photo(name, says, author, source, grey, *either))
    return found


def examples() -> list[Example]:
    """The document's examples, and the difference, which does what the document says of
    slopes."""
    impulse_image = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    slope = np.array([3, 2, 1, 0])
    return [
        _example("an impulse, 2-D", impulse_image, np.array([[1, 2], [3, 4]]), "valid"),
        _example("an impulse, 1-D", np.array([1, 0, 0]), np.array([1, 2, 3]), "full"),
        _example("a slope, copied", slope, np.array([1, 0]), "valid"),
        _example("a slope, its differences", slope, np.array([1, -1]), "valid"),
    ]


def _example(name: str, signal: np.ndarray, kernel: np.ndarray, padding: str) -> Example:
    def through(operation: Callable[..., object]) -> np.ndarray:
        x, w = signal.astype(np.float32), kernel.astype(np.float32)
        y = np.asarray(operation(x[None, ..., None], w[..., None, None], padding=padding))
        return y[0, ..., 0].astype(int)

    return Example(name, signal, kernel, through(conv), through(convolve))


def shapes() -> dict[str, np.ndarray]:
    """Images (h, w) in [0, 1] by name, with edges in all directions. All are dark at
    the border, so that padding makes no edge."""
    rows, columns = np.mgrid[-13.5:14, -13.5:14]
    rising, falling = rows + columns, rows - columns  # what is constant along /, and along \
    images = {
        "disc": np.hypot(rows, columns) < 10,
        "rising bar": (abs(rising) <= 5) & (abs(falling) <= 16),
        "falling bar": (abs(falling) <= 5) & (abs(rising) <= 16),
        "level bar": (abs(rows) <= 3) & (abs(columns) <= 11),
        "upright bar": (abs(columns) <= 3) & (abs(rows) <= 11),
    }
    return {name: image.astype(np.float32) for name, image in images.items()}
