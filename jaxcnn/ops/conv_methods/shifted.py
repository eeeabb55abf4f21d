"""The three maps of a depthwise convolution as one multiply-add per tap: y += x shifted by the tap, times the tap's weights.

With one input channel in a group the product is elementwise, and the taps fuse into one loop over memory. XLA's CPU backend would
make it a dense convolution with a diagonal kernel (jax-ml/jax#13800, #26266). Groups of more channels are refused.

An input channel c has m outputs (c m), m being the channel multiplier; mostly m = 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._common import at_least_float32, sharding_of, varying_like
from jaxcnn.ops._windows import fold, taps, unfold
from jaxcnn.ops.conv_methods.method import ConvSpec, operand_dtype


def forward(x: Num[Array, "n *i c"], w: Num[Array, "*t one cm"], spec: ConvSpec) -> Num[Array, "n *j cm"]:
    """y[n, j, (c m)] = sum_t x[n, s j + d t - p_lo, c] w[t, (c m)]"""
    _check_depthwise(w.shape)
    x, w, dtype = _widen(x, w, spec)
    tap_values = [
        _repeat(x_t, w.shape[-1]) * w[tap][0] for tap, x_t in zip(taps(spec.window), unfold(x, spec.window), strict=True)
    ]
    return sum(tap_values[1:], tap_values[0]).astype(dtype)


def input_grad(
    dy: Num[Array, "n *j cm"], w: Num[Array, "*t one cm"], spec: ConvSpec, x_shape: Sequence[int]
) -> Num[Array, "n *i c"]:
    """dx[n, i, c] = sum of dy[n, j, (c m)] w[t, (c m)] over m and s j + d t - p_lo = i"""
    _check_depthwise(w.shape)
    dy, w, dtype = _widen(dy, w, spec)
    channels = x_shape[-1]
    multiplier = dy.shape[-1] // channels
    tap_values = [
        jnp.sum((dy * w[tap][0]).reshape(*dy.shape[:-1], channels, multiplier), axis=-1) if multiplier > 1 else dy * w[tap][0]
        for tap in taps(spec.window)
    ]
    return fold(tap_values, spec.window, x_shape[1:-1]).astype(dtype)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], spec: ConvSpec, w_shape: Sequence[int]
) -> Num[Array, "*t one cm"]:
    """dw[t, (c m)] = sum_{n, j} x[n, s j + d t - p_lo, c] dy[n, j, (c m)]

    XLA's CPU backend does not vectorise a sum over the leading axes. So images are added up one by one, elementwise, and space is
    summed once, at the end: eight times faster in `experiments.conv_methods`. Where the type says that the batch is sharded, the
    sum is plain.
    """
    _check_depthwise(w_shape)
    x, dy, dtype = _widen(x, dy, spec)

    def products(x, dy):
        return [_repeat(x_t, dy.shape[-1]) * dy for x_t in unfold(x, spec.window)]

    def add_image(sums, image):
        x, dy = image
        return [total + product[0] for total, product in zip(sums, products(x[None], dy[None]), strict=True)], None

    sharding = sharding_of(dy)
    if sharding is not None and sharding.spec[0] is not None:
        sums = products(x, dy)
    else:
        zeros = varying_like(jnp.zeros(dy.shape[1:], dy.dtype), dy)
        sums, _ = lax.scan(add_image, [zeros for _ in taps(spec.window)], (x, dy))
    dw = jnp.stack([jnp.sum(total, axis=tuple(range(total.ndim - 1))) for total in sums])
    return dw.reshape(w_shape).astype(dtype)


def _repeat(x: Array, outputs: int) -> Array:
    """x for each of its outputs: c -> (c m)"""
    return x if x.shape[-1] == outputs else jnp.repeat(x, outputs // x.shape[-1], axis=-1)


def _widen(a: Array, b: Array, spec: ConvSpec):
    """Both operands in the dtype of the sum, and the dtype of the result."""
    dtype = spec.accumulation_dtype or operand_dtype(a, b, spec)
    wide = at_least_float32(jnp.zeros((), dtype)).dtype
    return a.astype(wide), b.astype(wide), dtype


def _check_depthwise(w_shape: Sequence[int]) -> None:
    if w_shape[-2] != 1:
        raise ValueError(
            f"method SHIFTED computes depthwise convolutions, with one input channel in a group; w has {w_shape[-2]} "
            f"(channels-last shape {tuple(w_shape)}): leave method out, or pass CANONICAL or DIRECT"
        )
