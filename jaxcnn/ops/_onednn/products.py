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
from jax.extend.core import Primitive
from jax.interpreters import ad, batching

from jaxcnn.ops._arrays import at_least_float32, wider
from jaxcnn.ops._onednn import calls
from jaxcnn.ops._onednn.bilinear import Axes, complete
from jaxcnn.ops._onednn.certain import certain_dtypes, is_plain, operand_of
from jaxcnn.ops._sharding import align_varying, sharding_of
from jaxcnn.sizes import is_known

product_p = Primitive("onednn_product")


def takes(a: Array, b: Array, precision: lax.PrecisionLike, dtype: Any) -> bool:
    """Whether `product` computes this: in a dtype that is certain, of known sizes, with
    something to sum."""
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
    """An operand in the dtype in which oneDNN takes it, or as it is."""
    return a.astype(operand_of(a.dtype) or a.dtype)


def for_sums(a: Array) -> Array:
    """An operand of many products whose results are float32: a 16-bit float that oneDNN
    takes stays as it is, another one is widened once."""
    return a if a.dtype.name in certain_dtypes() else at_least_float32(a)


def product(
    a: Array, b: Array, a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any
) -> Array:
    """The product of each matrix a[d] with b[d], in `dtype`, summed over `a_axis` and
    `b_axis` (1 or 2). `takes` has said yes. On other platforms lax computes it, with
    the precision."""
    a, b = align_varying(a, b)
    dtype = np.dtype(dtype)
    return product_p.bind(a, b, a_axis=a_axis, b_axis=b_axis, precision=precision, dtype=dtype)


@product_p.def_abstract_eval
def _type(a, b, *, a_axis, b_axis, precision, dtype):
    shape = (a.shape[0], a.shape[3 - a_axis], b.shape[3 - b_axis])
    return a.update(shape=shape, dtype=dtype, weak_type=False)


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


def _portable(
    a: Array, b: Array, *, a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any
) -> Array:
    dimensions = (((a_axis,), (b_axis,)), ((0,), (0,)))
    return lax.dot_general(a, b, dimensions, precision, dtype)


def _either(
    a: Array, b: Array, a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any
) -> Array:
    """A derivative: its operands can differ in dtype."""
    wide = wider(a, b)
    a, b = a.astype(wide), b.astype(wide)
    if takes(a, b, precision, dtype):
        return product(a, b, a_axis, b_axis, precision, dtype)
    return _portable(a, b, a_axis=a_axis, b_axis=b_axis, precision=precision, dtype=dtype)


def _cotangent_of_a(dy, a, b, *, a_axis, b_axis, precision, dtype):
    other, of_a = 3 - b_axis, a.aval.dtype  # of b, the axis n
    if a_axis == 1:
        return _either(b, dy, other, 2, precision, of_a)
    return _either(dy, b, 2, other, precision, of_a)


def _cotangent_of_b(dy, a, b, *, a_axis, b_axis, precision, dtype):
    other, of_b = 3 - a_axis, b.aval.dtype  # of a, the axis m
    if b_axis == 1:
        return _either(a, dy, other, 1, precision, of_b)
    return _either(dy, a, 1, other, precision, of_b)


ad.defbilinear(product_p, _cotangent_of_a, _cotangent_of_b)


def _of_a_batch(operands, axes, **parameters):
    """The batch joins the axis d."""
    size = next(a.shape[axis] for a, axis in zip(operands, axes, strict=True) if axis is not None)
    batched = [
        jnp.broadcast_to(a, (size, *a.shape)) if axis is None else jnp.moveaxis(a, axis, 0)
        for a, axis in zip(operands, axes, strict=True)
    ]
    a, b = (a.reshape(-1, *a.shape[2:]) for a in batched)
    y = product(a, b, **parameters)
    return y.reshape(size, -1, *y.shape[1:]), 0


batching.primitive_batchers[product_p] = _of_a_batch


def _axes(a_axis: int, b_axis: int, precision: lax.PrecisionLike, dtype: Any) -> Axes:
    """Devices may share d, and the first axis of a[d], which is that of positions."""
    a, b = ("k", "m") if a_axis == 1 else ("m", "k"), ("k", "n") if b_axis == 1 else ("n", "k")
    return Axes(("d", *a), ("d", *b), ("d", "m", "n"), ("d", a[0]))


complete(product_p, _call, _portable, _axes)
