"""Batch normalisation and layer normalisation: one derivation, two choices of axes.

Definition
    Both subtract a mean and divide by a standard deviation, taken over M elements ("the
    set": for batch norm the batch and space of one channel, for layer norm the features
    of one example), and both then scale and shift:

        x_hat = (x - mean) inv_std,   inv_std = (var + epsilon)^(-1/2)               (1)
        mean  = 1/M sum x,            var = 1/M sum (x - mean)^2                     (2)
                                            (biased: M, not M - 1)
        y     = scale x_hat + bias                                                   (3)

Derivation
    Of (3), sums over all axes along which the parameter does not vary (batch norm:
    batch and space; layer norm: examples):

        dx_hat = scale dy,   dscale = sum dy x_hat,   dbias = sum dy                 (4)

    Of (1) with mean and var held fixed, sums over the set:

        dx    = inv_std dx_hat                                                       (5)
        dmean = - inv_std sum dx_hat                                                 (6)
        dvar  = - 1/2 inv_std^3 sum dx_hat (x - mean)
              = - 1/2 inv_std^2 sum dx_hat x_hat                                     (7)

    Inference needs no more, because the statistics are arguments there. In training
    they come from x, and (2) adds to (5)

        dmean 1/M + dvar 2/M (x - mean)
              (mean moves var too, by -2/M sum (x - mean) = 0)

    and with x - mean = x_hat / inv_std, (5), (6) and (7) make, with <.> the mean over
    the set (Ioffe and Szegedy 2015),

        dx = inv_std ( dx_hat - <dx_hat> - x_hat <dx_hat x_hat> )                    (8)

    (8) projects out two directions that cannot change x_hat: a shift of the whole set
    and, but for epsilon, a rescaling of it. If the statistics are treated as constants,
    (5) is left. The two means are the part that is forgotten most often.

    In batch norm scale is one number per set, and (4) sums over the set. So the means
    in (8) are scale dbias / M and scale dscale / M, and in training two sums are enough
    for all three gradients:

        dx = scale inv_std ( dy - dbias / M - x_hat dscale / M )                     (9)

Conventions
    Statistics, sums and (1) to (9) are computed in float32 for 16-bit floats, and y is
    rounded once. y has x's dtype; a cotangent has the dtype and sharding of its primal.

    (2) is not computed as it stands. A mean in floating point has a relative error of
    some 1e-7, and for values far from 0 this error is large beside the deviation. A set
    of nothing but 1000.1 has x - mean = 2e-4 instead of 0, which (1) with epsilon =
    1e-5 turns into 0.08. So the first mean is taken as a constant m near the set, and
    the statistics are computed of d, which is exact near m:

        mean = m + <d>,   x - mean = d - <d>,   var = <d^2> - <d>^2,
              with d = x - m                                                        (10)

    (Chan, Golub and LeVeque 1983). It is true for any constant m, so no gradient flows
    through m. Because <d> is small beside d, nothing cancels in var, as it does in
    <x^2> - <x>^2. This costs one more sum but no more passes over the data, since <d>
    and <d^2> can be summed in the same one. dy is not centred before its sums, because
    dx is linear in dy and therefore right to some 1e-7 of the largest dy.

    In inference the mean is an argument, and x - mean is as accurate as that argument.

Residuals
    x, and of each set m, <d> and inv_std (in inference mean and var). x_hat is computed
    from them again, in float32. Keeping x_hat instead would need the same memory, would
    make the forward pass write another array, and would round x_hat to 16 bits if x has
    16. Scale and bias are kept too, since they exist already.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._sharding import align_varying, cotangent_like

# Statistics and parameters have axes of size 1 here where they do not vary
# ("keepdims"), so that they broadcast.


def moments(
    x: Float[Array, "*s"], axes: tuple[int, ...]
) -> tuple[Float[Array, "*m"], Float[Array, "*m"], Float[Array, "*m"]]:
    """m, <d> and var of (10), in float32 for 16-bit floats."""
    x = at_least_float32(x)
    m = lax.stop_gradient(jnp.mean(x, axes, keepdims=True))
    d = x - m
    mean_d = jnp.mean(d, axes, keepdims=True)
    var = jnp.mean(jnp.square(d), axes, keepdims=True) - jnp.square(mean_d)
    return m, mean_d, jnp.maximum(var, 0)  # a constant's may be rounded to less than 0


def inverse_std(var: Float[Array, "*m"], epsilon: float) -> Float[Array, "*m"]:
    return lax.rsqrt(at_least_float32(var) + epsilon)


def scale_shift(
    x_hat: Float[Array, "*s"], scale: Float[Array, "*m"] | None, bias: Float[Array, "*m"] | None
) -> Float[Array, "*s"]:
    y = x_hat if scale is None else x_hat * scale.astype(x_hat.dtype)
    return y if bias is None else y + bias.astype(x_hat.dtype)  # (3)


def sum_like(a: Float[Array, "*s"], like: Float[Array, "*m"]) -> Float[Array, "*m"]:
    """The sum of a broadcast array's cotangent over the axes along which `like` was
    broadcast."""
    return jnp.sum(
        a, tuple(axis for axis, size in enumerate(like.shape) if size == 1), keepdims=True
    )


def cotangents_like(dx, dscale, dbias, x_like, scale, bias):
    """Each cotangent like its primal, or None if there is no parameter."""
    return (
        cotangent_like(dx, x_like),
        None if scale is None else cotangent_like(dscale, scale),
        None if bias is None else cotangent_like(dbias, bias),
    )


# Statistics of x itself, which layer norm and batch norm in training share


class NormalizedSet(NamedTuple):
    """x, and the numbers that turn it into x_hat: the residuals."""

    x: Float[Array, "*s"]
    m: Float[Array, "*m"]
    mean_d: Float[Array, "*m"]


def normalized(kept: NormalizedSet, inv_std: Float[Array, "*m"]) -> Float[Array, "*s"]:
    return (at_least_float32(kept.x) - kept.m - kept.mean_d) * inv_std  # (1), (10)


def normalize(x, scale, bias, axes: tuple[int, ...], epsilon: float):
    """y, the residuals, mean and var."""
    m, mean_d, var = moments(x, axes)
    kept, inv_std = NormalizedSet(x, m, mean_d), inverse_std(var, epsilon)
    return (
        scale_shift(normalized(kept, inv_std), scale, bias).astype(x.dtype),
        (kept, inv_std, scale, bias),
        m + mean_d,
        var,
    )


def align_given(*arrays: Any) -> Any:
    """`align_varying` of those that are not None."""
    aligned = iter(align_varying(*(a for a in arrays if a is not None)))
    return [None if a is None else next(aligned) for a in arrays]
