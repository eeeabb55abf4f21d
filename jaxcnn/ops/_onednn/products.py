"""oneDNN's matrix product as a primitive,

    y[d, m, n] = sum_k a[d, k, m] b[d, k, n]

where the axis that is summed over may be the first or the second of each matrix. Its
derivatives are products again:

    da[d, k, m] = sum_n b[d, k, n] dy[d, m, n]
    db[d, k, n] = sum_m a[d, k, m] dy[d, m, n]
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxcnn.ops._arrays import at_least_float32, wider
from jaxcnn.ops._onednn import calls
from jaxcnn.ops._onednn.bilinear import Axes, bilinear
from jaxcnn.ops._onednn.certain import certain_dtypes, is_plain
from jaxcnn.ops._sharding import align_varying, sharding_of
from jaxcnn.sizes import is_known


def takes(a: Array, b: Array, precision: lax.PrecisionLike, dtype: Any) -> bool:
    """Whether the primitive computes this: in a dtype that is certain, of known sizes,
    with something to sum."""
    return (
        a.dtype == b.dtype
        and a.dtype.name in certain_dtypes()
        and is_plain(precision)
        and dtype in (a.dtype, jnp.float32)
        and is_known(*a.shape, *b.shape)
        and 0 not in (a.size, b.size)
        and sharding_of(a) is None
        and sharding_of(b) is None
    )


def as_operand(a: Array) -> Array:
    """An operand of products whose results are float32: a 16-bit float that oneDNN
    takes stays as it is, another one is widened."""
    return a if a.dtype.name in certain_dtypes() else at_least_float32(a)


def product(
    a: Array, b: Array, a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any
) -> Array:
    """The product of each matrix a[d] with b[d], in `dtype`, summed over `a_axis` and
    `b_axis` (1 or 2). On other platforms lax computes it, with the precision."""
    wide = wider(a, b)  # the operands of a derivative can differ
    a, b = align_varying(a.astype(wide), b.astype(wide))
    dtype = np.dtype(dtype)
    compute = product_p.bind if takes(a, b, precision, dtype) else _portable
    return compute(a, b, a_axis=a_axis, b_axis=b_axis, precision=precision, dtype=dtype)


def _portable(
    a: Array, b: Array, *, a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any
) -> Array:
    dimensions = (((a_axis,), (b_axis,)), ((0,), (0,)))
    return lax.dot_general(a, b, dimensions, precision, dtype)


def _call(
    a: Array, b: Array, *, a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any
) -> Array:
    """One product only. Of several, each thread of oneDNN takes some, and the thread
    that called it lets each of its own run on all threads again, where they write to
    the same memory. With AVX2, 32 products of (12, 6272) and (6272, 12) end the process
    or never return."""
    if a.shape[0] == 1:
        return calls.product(a, b, a_axis, b_axis, dtype)
    return _portable(a, b, a_axis=a_axis, b_axis=b_axis, precision=precision, dtype=dtype)


def _type(a, b, *, a_axis, b_axis, precision, dtype):
    shape = (a.shape[0], a.shape[3 - a_axis], b.shape[3 - b_axis])
    return a.update(shape=shape, dtype=dtype, weak_type=False)


def _gradient_of_a(dy, b, *, a_axis, b_axis, precision, dtype):
    other = 3 - b_axis  # of b, the axis n
    if a_axis == 1:
        return product(b, dy, other, 2, precision, wider(b, dy))
    return product(dy, b, 2, other, precision, wider(b, dy))


def _gradient_of_b(a, dy, *, a_axis, b_axis, precision, dtype):
    other = 3 - a_axis  # of a, the axis m
    if b_axis == 1:
        return product(a, dy, other, 1, precision, wider(a, dy))
    return product(dy, a, 1, other, precision, wider(a, dy))


def _of_a_batch(operands, axes, *, a_axis, b_axis, **rest):
    """If one operand is the same for all, the batch joins the other's free axis: one
    product of more rows or columns. Else it joins the axis d."""
    joins = 2 - axes.index(None) if None in axes else 0  # of y, d, m or n
    joined = []
    for a, batch, summed in zip(operands, axes, (a_axis, b_axis), strict=True):
        if batch is not None:
            axis = 3 - summed if joins else 0
            a = jnp.moveaxis(a, batch, axis)
            size = a.shape[axis]
            a = a.reshape(*a.shape[:axis], -1, *a.shape[axis + 2 :])
        joined.append(a)
    a, b = joined
    y = product(a, b, a_axis, b_axis, **rest)
    return y.reshape(*y.shape[:joins], size, -1, *y.shape[joins + 1 :]), joins


def _axes(a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any) -> Axes:
    """Devices may share d, and the first axis of a[d], which is that of positions."""
    a, b = ("k", "m") if a_axis == 1 else ("m", "k"), ("k", "n") if b_axis == 1 else ("n", "k")
    return Axes(("d", *a), ("d", *b), ("d", "m", "n"), ("d", a[0]))


product_p = bilinear(
    "onednn_product", _type, _call, _portable, _axes, _gradient_of_a, _gradient_of_b, _of_a_batch
)
