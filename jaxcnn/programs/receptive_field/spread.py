r"""The effective receptive field of an output: how much it depends on each pixel.

An output sees its receptive field (`jaxcnn/receptive.py`), a rectangle. How much it
depends on each pixel in it is another matter. Luo, Li, Urtasun and Zemel
("Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
NeurIPS 2016, arXiv:1701.04128) put a cotangent of 1 on the centre output of a layer and
0 on all others, and look at the input gradient. Here, for y (n, h', w', o) of a layer,
x (n, h, w, c) test images, and the centre output (i, j),

    g = d/dx sum_{n, o} y[n, i, j, o]
    field[a, b] = mean_{n, c} |g[n, a, b, c]|                                        (1)

in evaluation mode, where images do not mix, so that one backward pass has the gradients
of all of them. The channels of the output are summed before the absolute value is
taken; the images and the channels of the input are averaged after it. With the field
scaled to the sum 1, its standard deviation along an axis is in pixels.

The yardstick beside it is a network of the same windows with equal weights and nothing
else. Each window is then the mean of its taps, and the field of a stack of them is the
convolution of boxes of k positions, d apart on an input of effective stride S:

    sd^2 = sum_l S_l^2 d_l^2 (k_l^2 - 1) / 12                                        (2)

For n layers of stride 1 this is the paper's sqrt(n (k^2 - 1) / 12), which grows with
the root of the depth, whereas the receptive field grows with the depth. With
independent random weights of mean 0, (2) belongs to E[g^2]; |g| falls off as the root
of that, so that its standard deviation comes to up to sqrt(2) of (2), in deep stacks.
Where branches are joined, (2) takes the wider one. It goes on beyond the border of the
image, which the measured field cannot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn import layers
from jaxcnn.fields import ReceptiveField
from jaxcnn.layers import Layer
from jaxcnn.parts import walk
from jaxcnn.window import Window

Position = tuple[int, int]
"""Row and column of an output."""


def effective_field(
    model: Layer, params: dict, state: dict, x: Array, path: str, position: Position
) -> np.ndarray:
    """Equation (1) for the output at `position` of the layer at `path`, (h, w), scaled
    to the sum 1; all 0 if it has no gradient.

    Args:
      model, params, state: a network of images, in evaluation mode.
      x: the images, (n, h, w, c).
      path: of a layer whose output is (n, h', w', o), as in `layers.outputs`.
      position: row and column of the output.
    """
    row, column = position

    @jax.jit
    def gradient(params, state, x):
        return jax.grad(
            lambda x: jnp.sum(layers.outputs(model, params, state, x)[path][:, row, column])
        )(x)

    field = np.abs(np.asarray(gradient(params, state, x), np.float64)).mean(axis=(0, 3))  # (1)
    return field / (field.sum() or 1.0)


def sd(field: np.ndarray) -> tuple[float, ...]:
    """Per axis, the standard deviation of a field (h, w) of the sum 1, in pixels; NaN
    where all of it is 0.

    >>> sd(np.full((1, 3), 1 / 3)) == (0.0, (2 / 3) ** 0.5)
    True
    """
    if not field.any():
        return (math.nan,) * field.ndim
    deviations = []
    for axis, size in enumerate(field.shape):
        profile = field.sum(axis=tuple(other for other in range(field.ndim) if other != axis))
        mean = profile @ np.arange(size)
        deviations.append(math.sqrt(profile @ (np.arange(size) - mean) ** 2))
    return tuple(deviations)


def equal_weights_sd(model: Layer, input_size: Sequence[int]) -> dict[str, tuple[float, ...]]:
    """Equation (2) for every layer inside a model, per axis, by the paths of
    `layers.outputs`.

    >>> model = layers.serial(layers.conv(1, 3), layers.max_pool(2), layers.conv(1, 3))
    >>> [round(12 * rows**2) for rows, _ in equal_weights_sd(model, (8, 8)).values()]
    [8, 11, 43]
    """
    size = tuple(input_size)
    start = _Spread(size, (1,) * len(size), (0.0,) * len(size))
    inside = walk(model, start, _spread)
    return {path: tuple(map(math.sqrt, spread.variance)) for path, spread in inside.items()}


class _Spread(NamedTuple):
    """Per axis, the size of a layer's output, its effective stride, and the square of
    (2)."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    variance: tuple[float, ...]


def _spread(layer: Layer, x: _Spread, steps: Any, ends: Sequence[_Spread]) -> _Spread:
    """(2) of a layer whose input has the spread x, and whose parallel parts have
    `ends`."""
    if layer.parts:
        return max(ends, key=lambda spread: spread.variance)
    return x if layer.window is None else _through_window(layer.window(x.size), x)


def _through_window(window: Window, x: _Spread) -> _Spread:
    terms = [
        (S * d) ** 2 * (k**2 - 1) / 12
        for S, d, k in zip(x.stride, window.dilation, window.size, strict=True)
    ]  # (2)
    return _Spread(
        window.output_size(x.size),
        tuple(s * S for s, S in zip(window.stride, x.stride, strict=True)),
        tuple(variance + term for variance, term in zip(x.variance, terms, strict=True)),
    )


def centre_output(field: ReceptiveField) -> Position:
    """The output in the middle; of an even number of outputs, the one behind the
    middle."""
    row, column = (m // 2 for m in field.output_size)
    return row, column
