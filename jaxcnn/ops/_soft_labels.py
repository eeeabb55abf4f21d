"""Softmax cross-entropy with a target for each class, where `cross_entropy` has one
label for an example: mixed labels, and a teacher's probabilities.

Definition
    Logits z[j] of k classes, targets t[j] with the sum s, which is 1 for probabilities,
    label smoothing a; q[j] = (1 - a) t[j] + a s / k has the sum s too, and with the
    prediction p[j] = exp(z[j]) / sum_i exp(z[i])

        loss = sum_j q[j] (- log p[j])                                             (1)
        d loss / dz[j] = s p[j] - q[j]                                             (2)
        d loss / dt[j] = (1 - a) (- log p[j]) + a mean_i (- log p[i])              (3)

    Loss and gradients are linear in t: t times an example's weight gives the weighted
    loss. Nothing overflows, because z is replaced by z - m with m = max z, and little
    cancels: with r the sum of exp(z[j] - m) over all j but one that has the maximum,

        - log p[j] = log(1 + r) - (z[j] - m)                                       (4)
        s p[j] - q[j] = (s - q[j]) - s r / (1 + r)    where z[j] = m               (5)

Residuals
    The logits, the targets, and two numbers per example, m and r.

Conventions
    Those of `cross_entropy`. 0 log 0 = 0: a class of probability 0 costs nothing while
    its target is 0, and its target then has the gradient log sum_j exp(z[j] - m), as if
    z[j] were m.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._sharding import cotangent_like

# soft_cross_entropy(z, t) = sum_j q[j] (- log p[j]), q = (1 - a) t + a s / k


def soft_cross_entropy_definition(
    z: Float[Array, "*n k"], t: Float[Array, "*n k"], smoothing: float
) -> Float[Array, "*n"]:
    return _losses(z, t, smoothing)[0].astype(z.dtype)


def _losses(
    z: Float[Array, "*n k"], t: Float[Array, "*n k"], smoothing: float
) -> tuple[Float[Array, "*n"], Float[Array, "*n 1"], Float[Array, "*n 1"]]:
    """The losses, m, and r."""
    wide = at_least_float32(z)
    # (1) does not depend on m, so m counts as a constant in derivatives.
    m = lax.stop_gradient(jnp.max(wide, axis=-1, keepdims=True))
    top, below = wide == m, wide - m
    # A class of the maximum adds 1 to the sum of exponentials, all but the first to r.
    more = jnp.sum(top, axis=-1, keepdims=True, dtype=wide.dtype) - 1
    r = more + jnp.sum(jnp.where(top, jnp.expm1(below), jnp.exp(below)), axis=-1, keepdims=True)
    q = _smoothed(t.astype(wide.dtype), smoothing)
    return jnp.sum(q * _costs(below, r, q), axis=-1), m, r  # (1)


def _fwd(z: Float[Array, "*n k"], t: Float[Array, "*n k"], smoothing: float):
    loss, m, r = _losses(z, t, smoothing)
    return loss.astype(z.dtype), (z, t, m, r)


def _bwd(smoothing: float, residuals, dy: Float[Array, "*n"]):
    z, t, m, r = residuals
    wide = at_least_float32(z)
    targets, below = t.astype(wide.dtype), wide - m
    q, s = _smoothed(targets, smoothing), jnp.sum(targets, axis=-1, keepdims=True)
    # s p - q, (5); expm1(0) is there for its derivative.
    at_top = (s - q) - s * (r - jnp.expm1(below)) / (1 + r)
    off = jnp.where(wide == m, at_top, s * jnp.exp(below) / (1 + r) - q)
    costs = _costs(below, r, q)
    by_target = (1 - smoothing) * costs
    if smoothing > 0:
        by_target += smoothing * jnp.mean(costs, axis=-1, keepdims=True)
    dy = jnp.expand_dims(at_least_float32(dy), -1)
    return cotangent_like(dy * off, z), cotangent_like(dy * by_target, t)  # (2), (3)


def _costs(
    below: Float[Array, "*n k"], r: Float[Array, "*n 1"], q: Float[Array, "*n k"]
) -> Float[Array, "*n k"]:
    """- log p, (4), but finite where p and q are 0."""
    return jnp.log1p(r) - jnp.where((q == 0) & (below == -jnp.inf), 0, below)


def _smoothed(t: Float[Array, "*n k"], smoothing: float) -> Float[Array, "*n k"]:
    """q"""
    if smoothing == 0:
        return t
    return (1 - smoothing) * t + smoothing * jnp.mean(t, axis=-1, keepdims=True)


soft_cross_entropy = jax.custom_vjp(soft_cross_entropy_definition, nondiff_argnums=(2,))
soft_cross_entropy.defvjp(_fwd, _bwd)
