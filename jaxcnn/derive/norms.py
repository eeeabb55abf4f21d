"""Batch and layer normalisation, by way of their means, variances and x_hat.

The three terms of dx are those of the three ways in which x enters: through x_hat
itself, through the mean, and through the variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

import jaxcnn.ops as ops
from jaxcnn.derive.convolutions import image_groups
from jaxcnn.derive.definition import Definition, Statement, Step, cotangents, sums_of
from jaxcnn.derive.quantities import Entries, named, term
from jaxcnn.ops.batch_normalization import BatchNormState

NORMALIZE, LAYER = "jaxcnn.ops._normalize", "jaxcnn.ops.layer_normalization"
BATCH = "jaxcnn.ops.batch_normalization"


def norm(
    kind: str,
    input_shape: Sequence[int] = (),
    *,
    batch: int = 1,
    channels: int = 1,
    epsilon: float = 1e-5,
) -> Definition:
    """`jaxcnn.batch_norm` in training, over images and space, or for the kind "layer"
    `jaxcnn.layer_norm`, over channels."""
    shape = (batch, *input_shape, channels)
    groups = image_groups(len(shape)) if input_shape else ((0,), (1,))
    axes = tuple(range(len(shape) - 1)) if kind == "batch" else (len(shape) - 1,)
    x, y, x_hat = (named(letter, shape, groups) for letter in ("x", "y", "x_hat"))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    mean, var, inv_std = (named(letter, kept, groups) for letter in ("mean", "var", "inv_std"))
    scale, bias = (named(letter, (channels,), ((0,),)) for letter in ("scale", "bias"))
    count = int(np.prod([shape[axis] for axis in axes]))
    dy, part = cotangents(y), sympy.Rational(1, count)
    eps = sympy.Rational(str(epsilon))

    def set_of(index: Sequence[int]) -> tuple[int, ...]:
        return tuple(0 if axis in axes else i for axis, i in enumerate(index))

    members: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for index in np.ndindex(*shape):
        members.setdefault(set_of(index), []).append(index)

    def all_of(terms: Any) -> Any:
        return lambda *index: [terms(i) for i in members[index]]

    steps = [
        Step("means", mean, sums_of(kept, all_of(lambda i: term(part, x[i])))),
        Step(
            "variances",
            var,
            sums_of(kept, all_of(lambda i: term(part, (x[i] - mean[set_of(i)]) ** 2))),
        ),
        Step(
            "inverse standard deviations",
            inv_std,
            sums_of(kept, lambda *i: [term((var[i] + eps) ** sympy.Rational(-1, 2))]),
        ),
        Step(
            "x_hat",
            x_hat,
            sums_of(shape, lambda *i: [term(x[i] - mean[set_of(i)], inv_std[set_of(i)])]),
        ),
        Step(
            "outputs",
            y,
            sums_of(shape, lambda *i: [term(scale[i[-1]], x_hat[i]), term(bias[i[-1]])]),
        ),
    ]

    def three_terms(*index: int) -> list[Any]:
        s, others = set_of(index), members[set_of(index)]
        mean_g = sum(scale[i[-1]] * dy[i] for i in others)
        mean_gx = sum(scale[i[-1]] * dy[i] * x_hat[i] for i in others)
        return [
            term(inv_std[s], scale[index[-1]], dy[index]),
            term(-inv_std[s], part, mean_g),
            term(-inv_std[s], x_hat[index], part, mean_gx),
        ]

    text = "inv_std (g - mean of g - x_hat (mean of g x_hat)), with g = scale dJ/dy"
    statements = [Statement("x", text, sums_of(shape, three_terms), "value")]

    def run(arrays: Any) -> Any:
        values = arrays["x"], arrays["scale"], arrays["bias"]
        if kind == "layer":
            return ops.layer_norm(*values, epsilon=epsilon)
        zeros = jnp.zeros((channels,))
        state = BatchNormState(zeros, zeros)
        return ops.batch_norm(*values, state, train=True, epsilon=epsilon)[0]

    sources = {
        "y": (NORMALIZE, "return y if bias is None else y + bias.astype(x_hat.dtype)  # (3)"),
        **{
            "batch": {
                "x": (BATCH, "x_hat * (dscale / count))  # (9)"),
                "scale": (BATCH, "jnp.sum(g * x_hat, axes, keepdims=True)  # (4)"),
                "bias": (BATCH, "jnp.sum(g * x_hat, axes, keepdims=True)  # (4)"),
            },
            "layer": {
                "x": (LAYER, "# (8)"),
                "scale": (LAYER, "dscale = None if scale is None"),
                "bias": (LAYER, "dbias = None if bias is None"),
            },
        }[kind],
    }
    inputs: dict[str, Entries] = {"x": x, "scale": scale, "bias": bias}
    return Definition(inputs, steps, statements, run, sources)
