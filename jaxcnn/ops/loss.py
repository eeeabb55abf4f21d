"""Losses: softmax cross-entropy, sigmoid binary cross-entropy and the mean squared
error.

Each is fused with the nonlinearity before it, because the pair has a simpler and more
accurate gradient than its parts: the exponentials cancel, and what is left is
"prediction minus target".

Softmax cross-entropy
    Logits z[j] of k classes, a label l, label smoothing a; the target is q[j] = (1 - a)
    [j = l] + a / k, the prediction p[j] = exp(z[j]) / sum_i exp(z[i]), and

        loss = - sum_j q[j] log p[j]
             = log sum_j exp(z[j]) - [ (1 - a) z[l] + a mean_j z[j] ]                (1)
        d loss / dz[j] = exp(z[j]) / sum_i exp(z[i]) - q[j] = p[j] - q[j]            (2)

    Nothing overflows: with m = max z, z is replaced by z - m, which changes neither (1)
    nor (2). Nor does anything cancel where the label is nearly certain, loss and
    gradient small: with the sum over the other classes, r = sum_{j != l} exp(z[j] - m),

        log sum_j exp(z[j] - m) = log(1 + (r + exp(z[l] - m) - 1)),
                       p[l] - 1 = - r / sum_j exp(z[j] - m)                          (3)

    the first by log1p and expm1: log(1 + r) where the label has the maximum.

Sigmoid binary cross-entropy
    Logit x, label y in [0, 1], p = sigmoid(x) = 1 / (1 + exp(-x)); log p = -log(1 +
    exp(-x)), log(1 - p) = -x + log p, and

        loss = - y log p - (1 - y) log(1 - p)
             = (1 - y) max(x, 0) + y max(-x, 0) + log(1 + exp(-|x|))                 (4)
        d loss / dx = sigmoid(x) - y = (1 - y) sigmoid(x) - y sigmoid(-x)            (5)
        d loss / dy = -x                                                             (6)

    The last form of (4) has no positive exponent, and that of (5) does not cancel where
    y is 0 or 1. The three bends of (4) at x = 0 (a logit that is common: of a layer
    that starts with zeros) cancel, but only if one condition decides all: `jnp.maximum`
    with `jnp.abs` would give JAX another derivative than 1/2 - y there.

Mean squared error
    Predictions p and targets t of M elements:

        loss = 1/M sum_i (p[i] - t[i])^2                                             (7)
        d loss / dp[i] = 2/M (p[i] - t[i]) = - d loss / dt[i]                        (8)

Residuals
    Softmax: the logits, the labels, and two numbers per example, m and r. p is
    recomputed from them by one exponential, the same as in the forward pass, so that a
    program that has both computes it once. To keep p instead would save nothing (it is
    as large as z), cost the forward pass another array to write, and round p to 16 bits
    where z has 16. Sigmoid and mean squared error: the two arguments, which exist
    already; a sigmoid, or a difference, is recomputed.

Conventions
    A loss has the dtype of the logits (predictions), but 16-bit floats are computed in
    float32 and rounded once: cast the logits to float32 to read losses with more than
    three digits. 0 log 0 = 0: a logit of -inf is a class of probability 0, which costs
    nothing while q is 0 there and +inf otherwise. A logit of +inf, or nothing but -inf,
    is no distribution: NaN. Of the sigmoid's loss an infinite logit is a prediction
    without doubt: it costs nothing if it is right and +inf if it is wrong, and its
    gradient is finite. A label outside [0, k) makes the loss NaN, because tracing
    cannot raise, and the gradient 0.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Integer

from jaxcnn.arguments import as_number
from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._operation import operation
from jaxcnn.ops._sharding import align_varying, cotangent_like, sharding_of

# softmax_cross_entropy(z, l) = log sum_j exp(z[j]) - [(1 - a) z[l] + a mean z]


def _softmax_cross_entropy_definition(
    z: Float[Array, "*n k"], labels: Integer[Array, "*n"], smoothing: float
) -> Float[Array, "*n"]:
    return _softmax_losses(z, labels, smoothing)[0].astype(z.dtype)


def _softmax_losses(
    z: Float[Array, "*n k"], labels: Integer[Array, "*n"], smoothing: float
) -> tuple[Float[Array, "*n"], Float[Array, "*n 1"], Float[Array, "*n 1"]]:
    """The losses, m = max z, and r, the sum of exp(z - m) over all classes but the
    label."""
    z = at_least_float32(z)
    # (1) does not depend on m, which thus counts as a constant in derivatives.
    m = lax.stop_gradient(jnp.max(z, axis=-1, keepdims=True))
    others = jnp.sum(
        jnp.where(_is_label(labels, z.shape[-1]), 0, jnp.exp(z - m)), axis=-1, keepdims=True
    )
    at_label = _at_label(z, labels) - m
    loss = jnp.log1p(others + jnp.expm1(at_label))  # (3)
    # 0 times an infinite mean, or an infinite logit, is NaN: leave out the term whose
    # factor is 0.
    if smoothing < 1:
        loss -= (1 - smoothing) * at_label
    if smoothing > 0:
        loss -= smoothing * jnp.mean(z - m, axis=-1, keepdims=True)  # (1)
    return jnp.where(_in_range(labels, z.shape[-1]), jnp.squeeze(loss, -1), jnp.nan), m, others


def _softmax_cross_entropy_fwd(
    z: Float[Array, "*n k"], labels: Integer[Array, "*n"], smoothing: float
):
    loss, m, others = _softmax_losses(z, labels, smoothing)
    return loss.astype(z.dtype), (z, labels, m, others)


def _softmax_cross_entropy_bwd(smoothing: float, residuals, dy: Float[Array, "*n"]):
    z, labels, m, others = residuals
    wide, k = at_least_float32(z), z.shape[-1]
    total = others + jnp.exp(_at_label(wide, labels) - m)
    hit = _is_label(labels, k)
    off = jnp.where(hit, -others, jnp.exp(wide - m)) / total  # p - [j = l], (3)
    if smoothing > 0:
        off += jnp.where(hit, smoothing - smoothing / k, -smoothing / k)  # [j = l] - q
    dz = jnp.expand_dims(at_least_float32(dy), -1) * off  # (2)
    return cotangent_like(jnp.where(jnp.expand_dims(_in_range(labels, k), -1), dz, 0), z), None


def _at_label(z: Float[Array, "*n k"], labels: Integer[Array, "*n"]) -> Float[Array, "*n 1"]:
    """z[l], of labels in range; where the type of z may say that the classes are
    sharded, without a gather."""
    if sharding_of(z) is not None:
        return jnp.sum(jnp.where(_is_label(labels, z.shape[-1]), z, 0), axis=-1, keepdims=True)
    return jnp.take_along_axis(z, jnp.expand_dims(_wide(labels), -1), axis=-1, mode="clip")


def _is_label(labels: Integer[Array, "*n"], k: int) -> Bool[Array, "*n k"]:
    """[j = l]"""
    wide = _wide(labels)
    classes = lax.broadcasted_iota(wide.dtype, (1,) * labels.ndim + (k,), labels.ndim)
    return jnp.expand_dims(wide, -1) == classes


def _in_range(labels: Integer[Array, "*n"], k: int) -> Bool[Array, "*n"]:
    wide = _wide(labels)
    return (wide >= 0) & (wide < k)


def _wide(labels: Integer[Array, "*n"]) -> Integer[Array, "*n"]:
    """Labels that can count to k, as int8 cannot."""
    return labels if labels.dtype.itemsize >= 4 else labels.astype(jnp.int32)


_softmax_cross_entropy = jax.custom_vjp(_softmax_cross_entropy_definition, nondiff_argnums=(2,))
_softmax_cross_entropy.defvjp(_softmax_cross_entropy_fwd, _softmax_cross_entropy_bwd)


@operation
def softmax_cross_entropy(
    autodiff: bool, logits: ArrayLike, labels: ArrayLike, *, label_smoothing: float = 0.0
) -> Array:
    """-log softmax(logits)[label], for each example, equation (1) of this file.

    Args:
      logits: unnormalised scores, (..., k).
      labels: classes, (...), integers in [0, k). Outside, the loss is NaN and the
        gradient 0.
      label_smoothing: a in [0, 1], static: the target is 1 - a + a / k at the label and
        a / k elsewhere (Szegedy et al. 2016).

    Returns:
      Losses, (...), in the dtype of the logits: take their mean, or a weighted sum.

    Raises:
      ValueError: on labels that are not integers or do not fit the logits, or on a
        smoothing outside [0, 1].

    A logit of -inf is a class of probability 0. A logit of +inf, or an example of
    nothing but -inf, has the loss NaN.

    >>> logits = jnp.log(jnp.array([[1.0, 1.0, 2.0], [3.0, 1.0, 4.0]]))
    >>> jnp.exp(-softmax_cross_entropy(logits, jnp.array([2, 0]))).tolist()
    [0.5, 0.375]
    >>> def total(z):
    ...     return softmax_cross_entropy(z, jnp.array([2, 0])).sum()
    >>> jax.grad(total)(logits).round(3).tolist()
    [[0.25, 0.25, -0.5], [-0.625, 0.125, 0.5]]
    """
    z, labels = as_array("logits", logits), as_array("labels", labels)
    check_floating("logits", z)
    smoothing = as_number("label_smoothing", label_smoothing, "a number in [0, 1], static")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must be in [0, 1], got {smoothing}")
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(f"logits must have a last axis of at least one class, got shape {z.shape}")
    if labels.shape != z.shape[:-1] or not jnp.issubdtype(labels.dtype, jnp.integer):
        hint = ""
        if labels.shape == z.shape:
            hint = "; are they one-hot or probabilities? pass jnp.argmax(labels, axis=-1)"
        elif labels.shape == (*z.shape[:-1], 1):
            hint = "; pass labels[..., 0]"
        elif labels.shape == z.shape[:-1]:
            hint = "; convert them, labels.astype(jnp.int32)"
        raise ValueError(
            f"labels must be integers of shape {z.shape[:-1]} for logits of {z.shape}, got"
            f" {labels.dtype} of {labels.shape}{hint}"
        )
    z, labels = align_varying(z, labels)
    return (_softmax_cross_entropy_definition if autodiff else _softmax_cross_entropy)(
        z, labels, smoothing
    )


# sigmoid_binary_cross_entropy(x, y) = max(x, 0) - x y + log(1 + exp(-|x|))


def _sigmoid_binary_cross_entropy_definition(
    x: Float[Array, "*s"], y: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    wide, y = _of_one_dtype(x, y)
    positive = wide >= 0
    above, below = (
        jnp.where(positive, wide, 0),
        jnp.where(positive, 0, -wide),
    )  # max(x, 0) and max(-x, 0)
    loss = (
        (1 - y) * above + y * below + jnp.log1p(jnp.exp(-jnp.where(positive, wide, -wide)))
    )  # (4)
    right = jnp.isinf(wide) & (y == positive.astype(y.dtype))
    return jnp.where(right, 0, loss).astype(x.dtype)  # 0 inf = 0


def _sigmoid_binary_cross_entropy_fwd(x: Float[Array, "*s"], y: Float[Array, "*s"]):
    return _sigmoid_binary_cross_entropy_definition(x, y), (x, y)


def _sigmoid_binary_cross_entropy_bwd(residuals, dloss: Float[Array, "*s"]):
    x, y = residuals
    wide, wide_y = _of_one_dtype(x, y)
    dloss = dloss.astype(wide.dtype)
    dx = dloss * ((1 - wide_y) * lax.logistic(wide) - wide_y * lax.logistic(-wide))  # (5)
    dy = -dloss * wide  # (6)
    return cotangent_like(dx, x), cotangent_like(dy, y)


_sigmoid_binary_cross_entropy = jax.custom_vjp(_sigmoid_binary_cross_entropy_definition)
_sigmoid_binary_cross_entropy.defvjp(
    _sigmoid_binary_cross_entropy_fwd, _sigmoid_binary_cross_entropy_bwd
)


@operation
def sigmoid_binary_cross_entropy(autodiff: bool, logits: ArrayLike, labels: ArrayLike) -> Array:
    """-y log sigmoid(x) - (1 - y) log(1 - sigmoid(x)), elementwise, equation (4) of
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
    _check_shapes("logits", x, "labels", y)
    if jnp.issubdtype(y.dtype, jnp.integer) or y.dtype == jnp.bool_:
        y = y.astype(x.dtype)
    check_floating("labels", y)
    x, y = align_varying(x, y)
    return (
        _sigmoid_binary_cross_entropy_definition if autodiff else _sigmoid_binary_cross_entropy
    )(x, y)


# mean_squared_error(p, t) = 1/M sum (p - t)^2


def _mean_squared_error_definition(
    p: Float[Array, "*s"], t: Float[Array, "*s"]
) -> Float[Array, ""]:
    p_wide, t = _of_one_dtype(p, t)
    return jnp.mean(jnp.square(p_wide - t)).astype(p.dtype)  # (7)


def _mean_squared_error_fwd(p: Float[Array, "*s"], t: Float[Array, "*s"]):
    return _mean_squared_error_definition(p, t), (p, t)


def _mean_squared_error_bwd(residuals, dy: Float[Array, ""]):
    p, t = residuals
    p_wide, t_wide = _of_one_dtype(p, t)
    dp = (p_wide - t_wide) * (2 * dy.astype(p_wide.dtype) / p.size)  # (8)
    return cotangent_like(dp, p), cotangent_like(-dp, t)


_mean_squared_error = jax.custom_vjp(_mean_squared_error_definition)
_mean_squared_error.defvjp(_mean_squared_error_fwd, _mean_squared_error_bwd)


@operation
def mean_squared_error(autodiff: bool, predictions: ArrayLike, targets: ArrayLike) -> Array:
    """The mean of (predictions - targets)^2 over all elements, a scalar, equation (7)
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
    _check_shapes("predictions", p, "targets", t)
    if p.size == 0:
        raise ValueError(f"predictions must not be empty, got shape {p.shape}: nothing has no mean")
    p, t = align_varying(p, t)
    return (_mean_squared_error_definition if autodiff else _mean_squared_error)(p, t)


def _of_one_dtype(a: Array, b: Array) -> tuple[Array, Array]:
    """Both in the wider dtype of the two, and at least in float32."""
    a, b = at_least_float32(a), at_least_float32(b)
    dtype = max(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
    return a.astype(dtype), b.astype(dtype)


def _check_shapes(first: str, a: Array, second: str, b: Array) -> None:
    if a.shape == b.shape:
        return
    hint = ""
    if math.prod(a.shape) == math.prod(b.shape) and abs(a.ndim - b.ndim) == 1:
        wide, narrow = (first, second) if a.ndim > b.ndim else (second, first)
        hint = (
            f"; broadcasting would compare every one with every other: squeeze {wide} or expand"
            f" {narrow}"
        )
    raise ValueError(f"{second} must have the shape of {first}, {a.shape}, got {b.shape}{hint}")
