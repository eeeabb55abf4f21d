"""The outputs of the layers inside a layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from jax import Array

from jaxcnn.layers.calling import apply_layer
from jaxcnn.layers.combinators import fold, start
from jaxcnn.layers.layer import Layer, as_layer
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.parts import Step, walk


def outputs(
    layer: Layer,
    params: dict,
    state: dict,
    x: Array,
    *,
    train: bool = False,
    key: Array | None = None,
    ops: Ops = EXPLICIT,
) -> OrderedDict[str, Array]:
    """The output of every layer inside `layer` for x, by its path, in the order of
    computation. The last one is the whole layer's y.

    A path is the names of the entries from the outside in, "2_residual/inner/0_conv".
    Parallel parts are followed by their joint output, under the path of their
    combinator. `jax.eval_shape` of this function finds shapes only.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> from jaxcnn.layers import conv, flatten, residual, serial
    >>> model = serial(conv(2, 3), residual(conv(2, 3)), flatten())
    >>> params, state = model.init(jax.random.key(0), (1, 4, 4, 1))
    >>> for path, y in outputs(model, params, state, jnp.ones((1, 4, 4, 1))).items():
    ...     print(path, y.shape)
    0_conv (1, 4, 4, 2)
    1_residual/inner (1, 4, 4, 2)
    1_residual/shortcut (1, 4, 4, 2)
    1_residual (1, 4, 4, 2)
    2_flatten (1, 32)
    """
    layer = as_layer("layer", layer)
    x, train, ops = start(params, state, x, train, key, ops)

    def compute(
        inner: Layer, x: Array, steps: tuple[Step[Layer], ...], ends: Sequence[Array]
    ) -> Array:
        inner_params, inner_state, inner_key, inner_ops = params, state, key, layer.ops or ops
        for step in steps:
            inner_params = inner_params.get(step.entry, {})
            inner_state = inner_state.get(step.entry, {})
            inner_key, inner_ops = fold(inner_key, step.place), step.layer.ops or inner_ops
        y, _ = apply_layer(
            inner, inner_params, inner_state, x, train=train, key=inner_key, ops=inner_ops
        )
        return y

    return OrderedDict(walk(layer, x, compute))
