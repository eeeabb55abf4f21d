"""Layer normalisation. `_normalize.py` has the derivation, equations (1) to (10)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._norm_arguments import check_axes, check_epsilon, parameter
from jaxcnn.ops._normalize import align_given, cotangents_like, normalize, normalized, sum_like
from jaxcnn.ops._operation import operation

# Layer norm: the scale varies within a set


def _layer_norm_definition(
    x: Float[Array, "*s"],
    scale: Float[Array, "*f"] | None,
    bias: Float[Array, "*f"] | None,
    axes: tuple[int, ...],
    epsilon: float,
) -> Float[Array, "*s"]:
    return normalize(x, scale, bias, axes, epsilon)[0]


def _layer_norm_fwd(x, scale, bias, axes, epsilon):
    return normalize(x, scale, bias, axes, epsilon)[:2]


def _layer_norm_bwd(axes, epsilon, residuals, dy: Float[Array, "*s"]):
    kept, inv_std, scale, bias = residuals
    x_hat, g = normalized(kept, inv_std), at_least_float32(dy)
    dx_hat = g if scale is None else g * scale.astype(g.dtype)  # (4)
    mean_g = jnp.mean(dx_hat, axes, keepdims=True)
    mean_gx = jnp.mean(dx_hat * x_hat, axes, keepdims=True)
    dx = inv_std * (dx_hat - mean_g - x_hat * mean_gx)  # (8)
    dscale = None if scale is None else sum_like(g * x_hat, scale)  # (4)
    dbias = None if bias is None else sum_like(g, bias)  # (4)
    return cotangents_like(dx, dscale, dbias, kept.x, scale, bias)


_layer_norm = jax.custom_vjp(_layer_norm_definition, nondiff_argnums=(3, 4))
_layer_norm.defvjp(_layer_norm_fwd, _layer_norm_bwd)


@operation
def layer_norm(
    by_autodiff: bool,
    x: ArrayLike,
    scale: ArrayLike | None,
    bias: ArrayLike | None,
    *,
    axes: int | Sequence[int] = -1,
    epsilon: float = 1e-5,
) -> Array:
    """Layer normalisation (Ba, Kiros and Hinton 2016): each example is normalised over
    its features.

    Args:
      x: an array of at least one axis.
      scale, bias: of the shape of x along `axes`, or None for 1 and 0 ("gamma" and
        "beta").
      axes: the axis or axes normalised over, in increasing order: -1, or (1, 2, 3) for
        whole channels-last images.
      epsilon: added to the variance.

    Returns:
      y, of x's shape and dtype.

    Raises:
      ValueError: on axes that x does not have, or on parameters of another shape.

    >>> x, scale = jnp.array([[1.0, 3.0], [10.0, 30.0]]), jnp.array([1.0, 2.0])
    >>> layer_norm(x, scale, None).round(3).tolist()
    [[-1.0, 2.0], [-1.0, 2.0]]
    """
    x = as_array("x", x)
    check_floating("x", x)
    epsilon = check_epsilon(epsilon)
    axes = check_axes(axes, x)
    scale, bias = parameter("scale", scale, x, axes), parameter("bias", bias, x, axes)
    return (_layer_norm_definition if by_autodiff else _layer_norm)(
        *align_given(x, scale, bias), axes=axes, epsilon=epsilon
    )
