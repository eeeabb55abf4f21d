"""The three maps as one multiply-add per tap: y += x shifted by the tap, times the tap's weights.

For a depthwise convolution the product is elementwise, and the taps fuse into one loop over memory. XLA's CPU backend would make
it a dense convolution with a diagonal kernel (jax-ml/jax#13800, #26266). With more than one channel in a group the product is a
batched matrix product: right, but fast only where the taps are few.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Num

from jaxcnn.ops._common import sharding_of
from jaxcnn.ops._windows import at_least_float32, fold, taps, unfold
from jaxcnn.ops.conv_methods.method import ConvSpec


def forward(x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], spec: ConvSpec) -> Num[Array, "n *j o"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    x, w, dtype = _widen(x, w, spec)
    tap_values = []
    for tap, x_t in zip(taps(spec.window), unfold(x, spec.window), strict=True):
        if w.shape[-2] == 1:  # depthwise: each channel is a group
            multiplier = w.shape[-1] // spec.groups
            y_t = jnp.repeat(x_t, multiplier, axis=-1) * w[tap][0]
        else:
            y_t = _join(jnp.einsum("...gc,cgo->...go", _split(x_t, spec), _split(w[tap], spec), precision=spec.precision))
        tap_values.append(y_t)
    return sum(tap_values[1:], tap_values[0]).astype(dtype)


def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], spec: ConvSpec, x_shape: Sequence[int]
) -> Num[Array, "n *i c"]:
    """dx[n, i, (g c)] = sum of dy[n, j, (g o)] w[t, c, (g o)] over o and s j + d t - p_lo = i"""
    dy, w, dtype = _widen(dy, w, spec)
    tap_values = []
    for tap in taps(spec.window):
        if w.shape[-2] == 1:
            dx_t = jnp.sum(_split(dy * w[tap][0], spec), axis=-1)
        else:
            dx_t = _join(jnp.einsum("...go,cgo->...gc", _split(dy, spec), _split(w[tap], spec), precision=spec.precision))
        tap_values.append(dx_t)
    return fold(tap_values, spec.window, x_shape[1:-1]).astype(dtype)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], spec: ConvSpec, w_shape: Sequence[int]
) -> Num[Array, "*t cg o"]:
    """dw[t, c, (g o)] = sum_{n, j} x[n, s j + d t - p_lo, (g c)] dy[n, j, (g o)]"""
    x, dy, dtype = _widen(x, dy, spec)
    if w_shape[-2] == 1:
        dw = _depthwise_kernel_grad(x, dy, spec)
    else:
        mesh = getattr(sharding_of(dy), "mesh", None)
        replicated = None if mesh is None else NamedSharding(mesh, PartitionSpec(None, None, None))
        dw = jnp.stack(
            [
                jnp.einsum(
                    "...gc,...go->cgo", _split(x_t, spec), _split(dy, spec), precision=spec.precision, out_sharding=replicated
                )
                for x_t in unfold(x, spec.window)
            ]
        )
    return dw.reshape(w_shape).astype(dtype)


def _depthwise_kernel_grad(x: Array, dy: Array, spec: ConvSpec) -> Array:
    """dw[t, (c m)] = sum_{n, j} x[n, s j + d t - p_lo, c] dy[n, j, (c m)]

    XLA's CPU backend does not vectorise a sum over the leading axes. So images are added up one by one, elementwise, and space is
    summed once at the end. Where the batch axis itself is sharded, it is a plain sum.
    """
    multiplier = dy.shape[-1] // x.shape[-1]
    sharding = sharding_of(dy)
    if sharding is not None and sharding.spec[0] is not None:
        return jnp.stack(
            [jnp.sum(jnp.repeat(x_t, multiplier, axis=-1) * dy, axis=tuple(range(dy.ndim - 1))) for x_t in unfold(x, spec.window)]
        )

    def add_image(sums, image):
        x, dy = (a[None] for a in image)
        products = [(jnp.repeat(x_t, multiplier, axis=-1) * dy)[0] for x_t in unfold(x, spec.window)]
        return [total + product for total, product in zip(sums, products, strict=True)], None

    zeros = jnp.zeros_like(dy, shape=dy.shape[1:])
    sums, _ = lax.scan(add_image, [zeros for _ in taps(spec.window)], (x, dy))
    return jnp.stack([jnp.sum(total, axis=tuple(range(total.ndim - 1))) for total in sums])


def _split(a: Array, spec: ConvSpec) -> Array:
    """(g c) -> g, c"""
    return a.reshape(*a.shape[:-1], spec.groups, a.shape[-1] // spec.groups)


def _join(a: Array) -> Array:
    """g, c -> (g c)"""
    return a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1])


def _widen(a: Array, b: Array, spec: ConvSpec):
    """Both operands in the dtype of the sum, and the dtype of the result."""
    dtype = spec.accumulation_dtype or jnp.result_type(a, b)
    wide = at_least_float32(jnp.zeros((), jnp.promote_types(jnp.result_type(a, b), dtype))).dtype
    return a.astype(wide), b.astype(wide), dtype
