"""Dense (fully connected) layer, y = x w + b.

Definition
    With n for all leading axes of x at once (batch, time, space: any number of them, or
    none),

        y[n, o] = sum_i x[n, i] w[i, o] + b[o]                                       (1)

Derivation
    Contract y - b with a cotangent dy:  T(x, w, dy) = sum_{n, i, o} x[n, i] w[i, o]
    dy[n, o]  is linear in each argument, so its gradient with respect to one of them is
    the factor that multiplies it:

        dT/dx:   dx[n, i] = sum_o dy[n, o] w[i, o]                  dx = dy w^T      (2)
        dT/dw:   dw[i, o] = sum_n x[n, i] dy[n, o]                  dw = x^T dy      (3)
        and      db[o]    = sum_n dy[n, o]   the rule of the bias, in `add_bias`     (4)

    (1), (2) and (3) are one product with operand and result exchanged: [n i][i o] -> [n
    o], [n o][o i] -> [n i] and [i n][n o] -> [i o]. (3) and (4) add up over every
    leading axis. They take no mean, because the loss takes one already.

Conventions
    The rule keeps only x and w, which exist already. A cotangent has the dtype and
    sharding of its primal. If the batch is sharded on an Explicit mesh, so is the axis
    that (3) sums over, and `out_sharding` says that the sum crosses the devices. With
    `preferred_element_type`, y and dy may have another dtype than x and w; then (2) and
    (3) widen their operands to the wider of the two. 16-bit floats are summed in
    float32: gradients are rounded once, and y once before the bias is added and once
    after (`preferred_element_type=jnp.float32` leaves out both).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import (
    as_array,
    as_dtype,
    as_precision,
    check_floating,
    of_one_dtype,
)
from jaxcnn.ops._bias import add_bias
from jaxcnn.ops._operation import operation
from jaxcnn.ops._sharding import align_varying, cotangent_like, sharding_of


def _dense_definition(
    x: Num[Array, "*n i"],
    w: Num[Array, "i o"],
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
) -> Num[Array, "*n o"]:
    dimensions = (((x.ndim - 1,), (0,)), ((), ()))
    return lax.dot_general(
        x, w, dimensions, precision=precision, preferred_element_type=preferred_element_type
    )  # (1)


def _dense_fwd(x, w, precision, preferred_element_type):
    return _dense_definition(x, w, precision, preferred_element_type), (x, w)


def _dense_bwd(precision, preferred_element_type, residuals, dy: Num[Array, "*n o"]):
    x, w = residuals
    last, leading = x.ndim - 1, tuple(range(x.ndim - 1))
    dx = _contract(dy, w, ((last,), (1,)), precision, like=x)  # (2): dx = dy w^T
    dw = _contract(
        x, dy, (leading, leading), precision, like=w
    )  # (3): dw = x^T dy, summed over every leading axis
    return dx, dw


def _contract(
    lhs: Array,
    rhs: Array,
    axes: tuple[tuple[int, ...], tuple[int, ...]],
    precision: lax.PrecisionLike,
    like: Array,
) -> Array:
    """The product of `lhs` and `rhs` summed over `axes` of each, as the cotangent of
    `like`."""
    if lhs.dtype != rhs.dtype:  # dy came in `preferred_element_type`
        lhs, rhs = of_one_dtype(lhs, rhs)
    product = lax.dot_general(
        lhs,
        rhs,
        (axes, ((), ())),
        precision=precision,
        preferred_element_type=jnp.float32 if lhs.dtype.itemsize < 4 else lhs.dtype,
        out_sharding=sharding_of(like),
    )
    return cotangent_like(product, like)


_dense = jax.custom_vjp(_dense_definition, nondiff_argnums=(2, 3))
_dense.defvjp(_dense_fwd, _dense_bwd)


@operation
def dense(
    by_autodiff: bool,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """The affine map y = x w + b on the last axis of x, equation (1) of this file.

    Args:
      x: inputs, (..., in), with any number of leading axes.
      w: weights, (in, out), in x's dtype.
      b: bias, (out,), or None.
      precision, preferred_element_type: as in `jax.lax.dot_general`. y has the dtype
        `preferred_element_type`, x's by default.

    Returns:
      (..., out).

    Raises:
      ValueError: on shapes or dtypes that do not fit, while tracing.

    >>> x = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    >>> w = jnp.array([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]])
    >>> dense(x, w, jnp.array([0.0, 0.0, 10.0])).tolist()
    [[1.0, 2.0, 11.0], [3.0, 4.0, 11.0]]
    >>> jax.grad(lambda w: dense(x, w).sum())(w).tolist()
    [[4.0, 4.0, 4.0], [6.0, 6.0, 6.0]]
    """
    x, w = as_array("x", x), as_array("w", w)
    _check(x, w)
    precision = as_precision(precision)
    preferred_element_type = as_dtype("preferred_element_type", preferred_element_type)
    x, w = align_varying(x, w)
    y = (_dense_definition if by_autodiff else _dense)(x, w, precision, preferred_element_type)
    return add_bias(y, b, by_autodiff=by_autodiff)


def _check(x: Array, w: Array) -> None:
    check_floating("x", x)
    check_floating("w", w)
    if x.dtype != w.dtype:
        raise ValueError(
            f"x and w must have one dtype, got x of {x.dtype} and w of {w.dtype}: cast one of them"
        )
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, (..., in), got a scalar")
    if w.ndim != 2:
        raise ValueError(f"w must have two axes, (in, out), got shape {w.shape}")
    inputs = x.shape[-1]
    if inputs != w.shape[0]:
        hint = ""
        if inputs == w.shape[1]:
            hint = "; is w (out, in), as in PyTorch? pass w.T"
        elif x.ndim > 2 and x.size == x.shape[0] * w.shape[0]:
            hint = "; is x not flattened? x.reshape(len(x), -1) fits"
        raise ValueError(
            f"x has {inputs} features on its last axis, but w takes {w.shape[0]}: x {x.shape}, w"
            f" {w.shape}{hint}"
        )
