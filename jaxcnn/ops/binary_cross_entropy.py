"""Sigmoid binary cross-entropy, the loss of yes-or-no labels.

It is fused with the sigmoid before it, because the pair has a simpler and more accurate
gradient than its parts: the exponentials cancel, and what is left is "prediction minus
target".

Definition
    Logit x, label y in [0, 1], p = sigmoid(x) = 1 / (1 + exp(-x)); log p = -log(1 +
    exp(-x)), log(1 - p) = -x + log p, and

        loss = - y log p - (1 - y) log(1 - p)
             = (1 - y) max(x, 0) + y max(-x, 0) + log(1 + exp(-|x|))                 (1)
        d loss / dx = sigmoid(x) - y = (1 - y) sigmoid(x) - y sigmoid(-x)            (2)
        d loss / dy = -x                                                             (3)

    The last form of (1) has no positive exponent, and the last form of (2) does not
    cancel where y is 0 or 1. At x = 0, a common logit because layers may start with
    zeros, the three kinks of (1) cancel, but only if a single condition decides all
    three. With `jnp.maximum` and `jnp.abs` JAX's derivative there would not be 1/2 - y.

Residuals
    The two arguments, which exist already; a sigmoid is recomputed.

Conventions
    A loss has the dtype of the logits, but 16-bit floats are computed in float32 and
    rounded once: cast the logits to float32 to read losses with more than three digits.
    An infinite logit is a prediction without doubt: it costs nothing if it is right and
    +inf if it is wrong, and its gradient is finite.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.ops._arrays import as_array, check_floating, of_one_dtype
from jaxcnn.ops._operation import operation
from jaxcnn.ops._pairs import check_shapes
from jaxcnn.ops._sharding import align_varying, cotangent_like

# sigmoid_binary_cross_entropy(x, y) = max(x, 0) - x y + log(1 + exp(-|x|))


def _sigmoid_binary_cross_entropy_definition(
    x: Float[Array, "*s"], y: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    wide, y = of_one_dtype(x, y)
    positive = wide >= 0
    above, below = (
        jnp.where(positive, wide, 0),
        jnp.where(positive, 0, -wide),
    )  # max(x, 0) and max(-x, 0)
    loss = (
        (1 - y) * above + y * below + jnp.log1p(jnp.exp(-jnp.where(positive, wide, -wide)))
    )  # (1)
    right = jnp.isinf(wide) & (y == positive.astype(y.dtype))
    return jnp.where(right, 0, loss).astype(x.dtype)  # 0 inf = 0


def _sigmoid_binary_cross_entropy_fwd(x: Float[Array, "*s"], y: Float[Array, "*s"]):
    return _sigmoid_binary_cross_entropy_definition(x, y), (x, y)


def _sigmoid_binary_cross_entropy_bwd(residuals, dloss: Float[Array, "*s"]):
    x, y = residuals
    wide, wide_y = of_one_dtype(x, y)
    dloss = dloss.astype(wide.dtype)
    dx = dloss * ((1 - wide_y) * lax.logistic(wide) - wide_y * lax.logistic(-wide))  # (2)
    dy = -dloss * wide  # (3)
    return cotangent_like(dx, x), cotangent_like(dy, y)


_sigmoid_binary_cross_entropy = jax.custom_vjp(_sigmoid_binary_cross_entropy_definition)
_sigmoid_binary_cross_entropy.defvjp(
    _sigmoid_binary_cross_entropy_fwd, _sigmoid_binary_cross_entropy_bwd
)


@operation
def sigmoid_binary_cross_entropy(by_autodiff: bool, logits: ArrayLike, labels: ArrayLike) -> Array:
    """-y log sigmoid(x) - (1 - y) log(1 - sigmoid(x)), elementwise, equation (1) of
    this file.

    Args:
      logits: x, any shape.
      labels: y, the same shape: floats in [0, 1] (not -1 and 1), or booleans or
        integers 0 and 1, which are converted.

    Returns:
      Losses of the same shape, in the dtype of the logits. Floating labels have a
        gradient too, -x.

    Raises:
      ValueError: on shapes that differ or dtypes that do not fit.

    >>> logits = jnp.array([200.0, -200.0])
    >>> sigmoid_binary_cross_entropy(logits, jnp.array([1, 1])).tolist()
    [0.0, 200.0]
    >>> def total(x):
    ...     return sigmoid_binary_cross_entropy(x, jnp.array([1, 0])).sum()
    >>> jax.grad(total)(jnp.zeros(2)).tolist()
    [-0.5, 0.5]
    """
    x, y = as_array("logits", logits), as_array("labels", labels)
    check_floating("logits", x)
    check_shapes("logits", x, "labels", y)
    if jnp.issubdtype(y.dtype, jnp.integer) or y.dtype == jnp.bool_:
        y = y.astype(x.dtype)
    check_floating("labels", y)
    x, y = align_varying(x, y)
    return (
        _sigmoid_binary_cross_entropy_definition if by_autodiff else _sigmoid_binary_cross_entropy
    )(x, y)
