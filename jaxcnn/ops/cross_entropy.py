"""Softmax cross-entropy, the loss of a classifier.

It is fused with the softmax before it, because the pair has a simpler and more accurate
gradient than its parts: the exponentials cancel, and what is left is "prediction minus
target".

Definition
    Logits z[j] of k classes, a label l, label smoothing a; the target is q[j] = (1 - a)
    [j = l] + a / k, the prediction p[j] = exp(z[j]) / sum_i exp(z[i]), and

        loss = - sum_j q[j] log p[j]
             = log sum_j exp(z[j]) - [ (1 - a) z[l] + a mean_j z[j] ]                (1)
        d loss / dz[j] = exp(z[j]) / sum_i exp(z[i]) - q[j] = p[j] - q[j]            (2)

    Nothing overflows, because z is replaced by z - m with m = max z, which changes
    neither (1) nor (2). Nothing cancels either where the label is nearly certain and
    loss and gradient are small: with the sum over the other classes, r = sum_{j != l}
    exp(z[j] - m),

        log sum_j exp(z[j] - m) = log(1 + (r + exp(z[l] - m) - 1)),
                       p[l] - 1 = - r / sum_j exp(z[j] - m)                          (3)

    where log1p and expm1 compute the first, which is log(1 + r) if the label has the
    maximum.

Residuals
    The logits, the labels, and two numbers per example, m and r. p is recomputed from
    them by one exponential, the same as in the forward pass, so a program that has both
    computes it once. Keeping p instead would save nothing (it is as large as z), would
    make the forward pass write another array, and would round p to 16 bits if z has 16.

Conventions
    The loss has the dtype of the logits, but 16-bit floats are computed in float32 and
    rounded once: cast the logits to float32 to read losses with more than three digits.
    0 log 0 = 0: a logit of -inf is a class of probability 0, which costs nothing while
    q is 0 there and +inf otherwise. The loss is NaN if a logit is +inf or all are -inf,
    because that is no distribution. A label outside [0, k) makes the loss NaN and the
    gradient 0, because an error cannot be raised while tracing.

Targets for all classes in the place of a label are in `_soft_labels`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Integer

from jaxcnn.arguments import as_number
from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._operation import operation
from jaxcnn.ops._sharding import align_varying, cotangent_like, sharding_of
from jaxcnn.ops._soft_labels import soft_cross_entropy, soft_cross_entropy_definition

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
    # (1) does not depend on m, so m counts as a constant in derivatives.
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
    """z[l], of labels in range. On an Explicit mesh, where the classes may be sharded,
    it is computed without a gather."""
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
    """Labels of a dtype that can hold k, which int8 may not."""
    return labels if labels.dtype.itemsize >= 4 else labels.astype(jnp.int32)


_softmax_cross_entropy = jax.custom_vjp(_softmax_cross_entropy_definition, nondiff_argnums=(2,))
_softmax_cross_entropy.defvjp(_softmax_cross_entropy_fwd, _softmax_cross_entropy_bwd)


@operation
def softmax_cross_entropy(
    by_autodiff: bool, logits: ArrayLike, labels: ArrayLike, *, label_smoothing: float = 0.0
) -> Array:
    """-log softmax(logits)[label], for each example, equation (1) of this file.

    Args:
      logits: unnormalised scores, (..., k).
      labels: classes, (...), integers in [0, k). For others the loss is NaN and the
        gradient 0. Or the probability of each class, (..., k), of a floating dtype; the
        loss is then sum_j -labels[j] log softmax(logits)[j], and has a gradient to the
        labels too.
      label_smoothing: a in [0, 1], static: the target is 1 - a + a / k at the label and
        a / k elsewhere (Szegedy et al. 2016). Probabilities are mixed with their mean
        in the same way.

    Returns:
      Losses, (...), in the dtype of the logits: take their mean, or a weighted sum.

    Raises:
      ValueError: on labels that are neither integers nor probabilities or do not fit
        the logits, or on a smoothing outside [0, 1].

    A logit of -inf is a class of probability 0. A logit of +inf, or an example of
    nothing but -inf, has the loss NaN.

    >>> logits = jnp.log(jnp.array([[1.0, 1.0, 2.0], [3.0, 1.0, 4.0]]))
    >>> jnp.exp(-softmax_cross_entropy(logits, jnp.array([2, 0]))).tolist()
    [0.5, 0.375]
    >>> def total(z):
    ...     return softmax_cross_entropy(z, jnp.array([2, 0])).sum()
    >>> jax.grad(total)(logits).round(3).tolist()
    [[0.25, 0.25, -0.5], [-0.625, 0.125, 0.5]]
    >>> mixed = softmax_cross_entropy(logits[:1], jnp.array([[0.0, 0.5, 0.5]]))
    >>> round(float(jnp.exp(-2 * mixed[0])), 4)  # 1/4 times 1/2
    0.125
    """
    z, labels = as_array("logits", logits), as_array("labels", labels)
    check_floating("logits", z)
    smoothing = as_number("label_smoothing", label_smoothing, "a number in [0, 1], static")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must be in [0, 1], got {smoothing}")
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(f"logits must have a last axis of at least one class, got shape {z.shape}")
    if labels.shape == z.shape and jnp.issubdtype(labels.dtype, jnp.floating):
        z, labels = align_varying(z, labels)
        return (soft_cross_entropy_definition if by_autodiff else soft_cross_entropy)(
            z, labels, smoothing
        )
    if labels.shape != z.shape[:-1] or not jnp.issubdtype(labels.dtype, jnp.integer):
        hint = ""
        if labels.shape == z.shape:
            hint = "; are they one-hot? pass labels.astype(jnp.float32)"
        elif labels.shape == (*z.shape[:-1], 1):
            hint = "; pass labels[..., 0]"
        elif labels.shape == z.shape[:-1]:
            hint = "; convert them, labels.astype(jnp.int32)"
        raise ValueError(
            f"labels must be integers of shape {z.shape[:-1]}, or probabilities of {z.shape}, for"
            f" logits of {z.shape}, got {labels.dtype} of {labels.shape}{hint}"
        )
    z, labels = align_varying(z, labels)
    return (_softmax_cross_entropy_definition if by_autodiff else _softmax_cross_entropy)(
        z, labels, smoothing
    )
