"""The mean squared error.

Definition
    Predictions p and targets t of M elements:

        loss = 1/M sum_i (p[i] - t[i])^2                                             (1)
        d loss / dp[i] = 2/M (p[i] - t[i]) = - d loss / dt[i]                        (2)

Residuals
    The two arguments, which exist already; a difference is recomputed.

Conventions
    The loss has the dtype of the predictions, but 16-bit floats are computed in float32
    and rounded once.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.ops._arrays import as_array, check_floating, of_one_dtype
from jaxcnn.ops._operation import operation
from jaxcnn.ops._pairs import check_shapes
from jaxcnn.ops._sharding import align_varying, cotangent_like

# mean_squared_error(p, t) = 1/M sum (p - t)^2


def _mean_squared_error_definition(
    p: Float[Array, "*s"], t: Float[Array, "*s"]
) -> Float[Array, ""]:
    p_wide, t = of_one_dtype(p, t)
    return jnp.mean(jnp.square(p_wide - t)).astype(p.dtype)  # (1)


def _mean_squared_error_fwd(p: Float[Array, "*s"], t: Float[Array, "*s"]):
    return _mean_squared_error_definition(p, t), (p, t)


def _mean_squared_error_bwd(residuals, dy: Float[Array, ""]):
    p, t = residuals
    p_wide, t_wide = of_one_dtype(p, t)
    dp = (p_wide - t_wide) * (2 * dy.astype(p_wide.dtype) / p.size)  # (2)
    return cotangent_like(dp, p), cotangent_like(-dp, t)


_mean_squared_error = jax.custom_vjp(_mean_squared_error_definition)
_mean_squared_error.defvjp(_mean_squared_error_fwd, _mean_squared_error_bwd)


@operation
def mean_squared_error(by_autodiff: bool, predictions: ArrayLike, targets: ArrayLike) -> Array:
    """The mean of (predictions - targets)^2 over all elements, a scalar, equation (1)
    of this file.

    Args:
      predictions, targets: floating arrays of equal shapes, not empty.

    Returns:
      A scalar in the dtype of the predictions.

    Raises:
      ValueError: on shapes that differ (nothing is broadcast), empty arrays, or dtypes
        that are not floating.

    >>> y, target = jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])
    >>> loss, gradient = jax.value_and_grad(mean_squared_error)(y, target)
    >>> float(loss), gradient.tolist()
    (2.0, [0.0, -2.0])
    """
    p, t = as_array("predictions", predictions), as_array("targets", targets)
    check_floating("predictions", p)
    check_floating("targets", t)
    check_shapes("predictions", p, "targets", t)
    if p.size == 0:
        raise ValueError(
            f"predictions must not be empty, got shape {p.shape}: the mean of an empty array is"
            " undefined"
        )
    p, t = align_varying(p, t)
    return (_mean_squared_error_definition if by_autodiff else _mean_squared_error)(p, t)
