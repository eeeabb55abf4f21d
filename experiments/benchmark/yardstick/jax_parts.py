"""The parts of the yardstick's networks, as layers of jaxcnn.

`torch_parts.py` has the same names and arguments in PyTorch. A network is a function of
one of the two modules, so that both columns have the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jaxcnn
from jaxcnn import layers
from jaxcnn.layers import Layer
from jaxcnn.ops import EXPLICIT, Ops

avg_pool = layers.avg_pool
batch_norm = layers.batch_norm
dense = layers.dense
flatten = layers.flatten
gelu = layers.gelu
layer_norm = partial(layers.layer_norm, epsilon=1e-6)
leaky_relu = partial(layers.leaky_relu, 0.2)
max_pool = layers.max_pool
maximum = layers.global_max_pool
mean = layers.global_avg_pool
relu = layers.relu
residual = layers.residual
serial = layers.serial
silu = layers.silu
tanh = layers.tanh


def conv(features: int, size: Any, **options: Any) -> Layer:
    """A convolution; by default as many zeros around x as keep its size, the same in
    front and behind."""
    dilation = options.get("dilation", 1)
    taps = [size] if isinstance(size, int) else list(size)
    pads = tuple(dilation * (k - 1) // 2 for k in taps)
    around = pads[0] if isinstance(size, int) else pads
    return layers.conv(features, size, **{"padding": around, **options})


def transposed(features: int, size: int, *, stride: int, padding: int = 0) -> Layer:
    """The input gradient of a convolution, as a layer without a bias: space times the
    stride."""
    window: dict[str, Any] = {"stride": stride, "padding": padding}

    def init(key, input_shape):
        shape = (*[size] * (len(input_shape) - 2), features, input_shape[-1])
        return {"w": layers.HE_NORMAL(key, shape)}, {}

    def apply(params, state, x, *, train=False, key=None, ops: Ops = EXPLICIT):
        w = params["w"]
        space = [(n - 1) * stride + size - 2 * padding for n in x.shape[1:-1]]
        shape = (x.shape[0], *space, features)
        if ops.conv is EXPLICIT.conv:
            return jaxcnn.conv_input_grad(x, w, shape, **window), state
        down = partial(ops.conv, w=w, **window)
        return jax.vjp(lambda z: down(z), jnp.zeros(shape, x.dtype))[1](x)[0], state

    return Layer("transposed", init, apply)


def concatenated(*branches: Layer) -> Layer:
    """The outputs of the branches, each of x, one beside the other in channels."""
    return _joined("concatenated", lambda ys: jnp.concatenate(ys, -1), branches)


def gated(*branches: Layer) -> Layer:
    """The tanh of the first branch times the sigmoid of the second."""
    return _joined("gated", lambda ys: jnp.tanh(ys[0]) * jax.nn.sigmoid(ys[1]), branches)


def excited(inner: Layer) -> Layer:
    """x, each channel times the sigmoid of what `inner` makes of the channels' means
    (Hu et al. 2018)."""

    def scale(ys: Sequence[Array]) -> Array:
        x, weights = ys
        weights = jax.nn.sigmoid(weights)
        return x * weights.reshape(weights.shape[0], *[1] * (x.ndim - 2), -1)

    return _joined("excited", scale, (layers.identity(), serial(mean(), inner)))


def _joined(
    name: str, join: Callable[[Sequence[Array]], Array], branches: Sequence[Layer]
) -> Layer:
    entries = {f"{index}_{layer.name}": layer for index, layer in enumerate(branches)}

    def init(key, input_shape):
        keys = dict(zip(entries, jax.random.split(key, len(entries)), strict=True))
        made = {entry: layer.init(keys[entry], input_shape) for entry, layer in entries.items()}
        params = {entry: params for entry, (params, _) in made.items() if params}
        return params, {entry: state for entry, (_, state) in made.items() if state}

    def apply(params, state, x, *, train=False, key=None, ops: Ops = EXPLICIT):
        outputs, new_state = [], {}
        for entry, layer in entries.items():
            y, new = layer.apply(
                params.get(entry, {}), state.get(entry, {}), x, train=train, key=key, ops=ops
            )
            outputs.append(y)
            if new:
                new_state[entry] = new
        return join(outputs), new_state

    return Layer(name, init, apply)
