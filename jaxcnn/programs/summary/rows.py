"""The numbers of a network, layer by layer: output, parameters, multiply-adds,
receptive field, and convolution methods. Only shapes are computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcnn.fields import ReceptiveField
from jaxcnn.layers import Layer, outputs
from jaxcnn.ops.convolution.functions import explain_conv
from jaxcnn.ops.convolution.methods.rules import Choice
from jaxcnn.parts import Step, walk
from jaxcnn.receptive import receptive_fields

BATCH = 32
"""Number of images for which the methods of convolutions are chosen."""


class Row(NamedTuple):
    """A layer.

    Attributes:
      path: its place in the network, such as "2_residual/inner/0_conv".
      shape: of its output, without the batch.
      parameters: the number of its own.
      multiply_adds: of a forward pass of one image.
      field: its receptive field.
      choices: for a convolution, the method of each map on this platform.
    """

    path: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    field: ReceptiveField
    choices: dict[str, Choice] | None


class Summary(NamedTuple):
    """The rows of a model, in the order of computation, and the number of values in its
    state, such as running statistics."""

    rows: list[Row]
    state_size: int


def summarize(model: Layer, input_shape: Sequence[int]) -> Summary:
    """The summary of a model for images of `input_shape`, (*space, c).

    Raises:
      ValueError: if the model does not take such images, with notes that name the
        layers.
    """
    x = jax.ShapeDtypeStruct((1, *input_shape), jnp.result_type(float))
    params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), x.shape))
    shapes = {
        path: y.shape
        for path, y in jax.eval_shape(partial(outputs, model), params, state, x).items()
    }
    fields = receptive_fields(model, x.shape[1:-1])
    rows = []

    def add_row(
        layer: Layer,
        x_shape: tuple[int, ...],
        steps: tuple[Step[Layer], ...],
        _ends: Sequence[tuple[int, ...]],
    ) -> tuple[int, ...]:
        path = "/".join(step.entry for step in steps)
        inner = params
        for step in steps:
            inner = inner.get(step.entry, {})
        own = {} if layer.parts else inner
        rows.append(
            Row(
                path=path,
                shape=shapes[path][1:],
                parameters=_size(own),
                multiply_adds=_multiply_adds(layer, own, shapes[path]),
                field=fields[path],
                choices=_choices(layer, own, x_shape),
            )
        )
        return shapes[path]

    walk(model, x.shape, add_row)
    return Summary(rows, _size(state))


def _size(tree: dict) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _multiply_adds(layer: Layer, params: dict, y_shape: tuple[int, ...]) -> int:
    """One for each weight of a kernel at each position of the output."""
    return (
        math.prod(params["w"].shape) * math.prod(y_shape[1:-1])
        if layer.name in ("conv", "dense")
        else 0
    )


def _choices(layer: Layer, params: dict, x_shape: tuple[int, ...]) -> dict[str, Choice] | None:
    if layer.name != "conv" or layer.window is None:
        return None
    window, w_shape = layer.window(x_shape[1:-1]), params["w"].shape
    return explain_conv(
        (BATCH, *x_shape[1:]),
        w_shape,
        stride=window.stride,
        padding=window.pads,
        dilation=window.dilation,
        groups=x_shape[-1] // w_shape[-2],
    )
