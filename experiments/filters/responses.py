"""The filter, what it answers to, and the examples of convolution and
cross-correlation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from jaxcnn import conv, convolve

EDGE = np.array([[-1, -1, 2], [-1, 2, 1], [2, 1, 1]], np.float32)
FILTERS = {"the filter": EDGE, "its opposite": -EDGE, "minus its mean": EDGE - EDGE.mean()}
PATCHES = {
    "the filter itself": EDGE,
    "its opposite": -EDGE,
    "flat, all 1": np.ones((3, 3), np.float32),
    "bright where positive": np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]], np.float32),
    "bright where negative": np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32),
}


class Example(NamedTuple):
    """One input and kernel, vectors or matrices, and the results of `conv` and
    `convolve`."""

    name: str
    signal: np.ndarray
    kernel: np.ndarray
    cross_correlation: np.ndarray
    convolution: np.ndarray


def responses(images: np.ndarray, padding: Literal["same", "valid"] = "same") -> np.ndarray:
    """The responses of the three `FILTERS` to images (n, h, w), as (n, h', w', 3)."""
    kernel = np.stack(list(FILTERS.values()), axis=-1)[:, :, None]
    return np.asarray(conv(images[..., None], kernel, padding=padding))


def examples() -> list[Example]:
    """The document's examples, and the difference, which does what the document says of
    slopes."""
    impulse_image = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    slope = np.array([3, 2, 1, 0])
    return [
        _example("impulse, 2-D", impulse_image, np.array([[1, 2], [3, 4]]), "valid"),
        _example("impulse, 1-D", np.array([1, 0, 0]), np.array([1, 2, 3]), "full"),
        _example("slope", slope, np.array([1, 0]), "valid"),
        _example("slope", slope, np.array([1, -1]), "valid"),
    ]


def _example(name: str, signal: np.ndarray, kernel: np.ndarray, padding: str) -> Example:
    def through(operation: Callable) -> np.ndarray:
        x, w = signal.astype(np.float32), kernel.astype(np.float32)
        return np.asarray(operation(x[None, ..., None], w[..., None, None], padding=padding))[
            0, ..., 0
        ]

    return Example(name, signal, kernel, through(conv), through(convolve))


def edge_images() -> dict[str, np.ndarray]:
    """Images (h, w) in [0, 1] by name, with edges in all directions. All are dark at
    the border, so that padding makes no edge."""
    rows, columns = np.mgrid[-13.5:14, -13.5:14]
    rising, falling = rows + columns, rows - columns  # what is constant along /, and along \
    digit = load_digits().images[0] / 16
    images = {
        "disc": np.hypot(rows, columns) < 10,
        "rising bar": (abs(rising) <= 5) & (abs(falling) <= 16),
        "falling bar": (abs(falling) <= 5) & (abs(rising) <= 16),
        "level bar": (abs(rows) <= 3) & (abs(columns) <= 11),
        "upright bar": (abs(columns) <= 3) & (abs(rows) <= 11),
        "a handwritten digit": np.pad(digit, 1),
    }
    return {name: image.astype(np.float32) for name, image in images.items()}
