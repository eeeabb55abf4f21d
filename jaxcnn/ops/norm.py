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

    That is all of it in inference, where the statistics are arguments. Where they come
    from x, (2) adds to (5)

        dmean 1/M + dvar 2/M (x - mean)
              (mean moves var too, by -2/M sum (x - mean) = 0)

    and with x - mean = x_hat / inv_std, (5), (6) and (7) make, with <.> the mean over
    the set (Ioffe and Szegedy 2015),

        dx = inv_std ( dx_hat - <dx_hat> - x_hat <dx_hat x_hat> )                    (8)

    (8) projects out what cannot change x_hat: a shift of the whole set and, but for
    epsilon, a rescaling of it. To treat the statistics as constants would leave (5):
    the two means are the part most often forgotten.

    In batch norm scale is one number per set, and what (4) sums over is the set: the
    means in (8) are scale dbias / M and scale dscale / M. So in training two sums are
    enough for all three gradients:

        dx = scale inv_std ( dy - dbias / M - x_hat dscale / M )                     (9)

Conventions
    Statistics, sums and (1) to (9) are computed in float32 for 16-bit floats, and y is
    rounded once. y has x's dtype; a cotangent has the dtype and sharding of its primal.

    (2) is not computed as it stands. A mean in floating point is off by some 1e-7 of
    itself, and far from 0 that is much against the deviation: 1000.1 in each place of a
    set has x - mean = 2e-4, not 0, for which (1) with epsilon = 1e-5 makes 0.08. So the
    first mean counts as some constant m near the set, and the statistics are those of
    d, which is exact there:

        mean = m + <d>,   x - mean = d - <d>,   var = <d^2> - <d>^2,
              with d = x - m                                                        (10)

    (Chan, Golub and LeVeque 1983). It is true for any constant m, so no gradient flows
    through m. As <d> is small against d, nothing cancels in var as it does in <x^2> -
    <x>^2. That costs one more sum, which needs no pass of its own: <d> and <d^2> can be
    summed in one. dy is not centred before its sums: dx, linear in dy, is right to some
    1e-7 of the largest dy.

    In inference the mean is an argument, and x - mean is as good as that: rounded to
    1e-7 of itself.

Residuals
    x, and of each set m, <d> and inv_std (in inference mean and var): x_hat is computed
    from them anew, in float32. To keep x_hat instead would take as much, cost the
    forward pass another array to write, and round x_hat to 16 bits where x has 16.
    Scale and bias are kept too: they exist already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.arguments import as_flag
from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._layout import Layout, check_layout
from jaxcnn.ops._norm_arguments import (
    check_axes,
    check_epsilon,
    check_momentum,
    check_state,
    parameter,
)
from jaxcnn.ops._operation import operation
from jaxcnn.ops._sharding import align_varying, cotangent_like
from jaxcnn.sizes import is_known

# Statistics and parameters stand here with axes of size 1 where they do not vary
# ("keepdims"), so that they broadcast.


def _moments(
    x: Float[Array, "*s"], axes: tuple[int, ...]
) -> tuple[Float[Array, "*m"], Float[Array, "*m"], Float[Array, "*m"]]:
    """m, <d> and var of (10), in float32 for 16-bit floats."""
    x = at_least_float32(x)
    m = lax.stop_gradient(jnp.mean(x, axes, keepdims=True))
    d = x - m
    mean_d = jnp.mean(d, axes, keepdims=True)
    var = jnp.mean(jnp.square(d), axes, keepdims=True) - jnp.square(mean_d)
    return m, mean_d, jnp.maximum(var, 0)  # a constant's may be rounded to less than 0


def _inv_std(var: Float[Array, "*m"], epsilon: float) -> Float[Array, "*m"]:
    return lax.rsqrt(at_least_float32(var) + epsilon)


def _scale_shift(
    x_hat: Float[Array, "*s"], scale: Float[Array, "*m"] | None, bias: Float[Array, "*m"] | None
) -> Float[Array, "*s"]:
    y = x_hat if scale is None else x_hat * scale.astype(x_hat.dtype)
    return y if bias is None else y + bias.astype(x_hat.dtype)  # (3)


def _sum_like(a: Float[Array, "*s"], like: Float[Array, "*m"]) -> Float[Array, "*m"]:
    """The sum of a broadcast array's cotangent over the axes along which `like` was
    broadcast."""
    return jnp.sum(
        a, tuple(axis for axis, size in enumerate(like.shape) if size == 1), keepdims=True
    )


def _cotangents(dx, dscale, dbias, x_like, scale, bias):
    """Each like its primal; None where there is no parameter."""
    return (
        cotangent_like(dx, x_like),
        None if scale is None else cotangent_like(dscale, scale),
        None if bias is None else cotangent_like(dbias, bias),
    )


# Inference: y = scale (x - mean) inv_std + bias, the statistics being arguments


def _standardize_definition(
    x: Float[Array, "*s"],
    mean: Float[Array, "*m"],
    var: Float[Array, "*m"],
    scale: Float[Array, "*m"] | None,
    bias: Float[Array, "*m"] | None,
    epsilon: float,
) -> Float[Array, "*s"]:
    return _scale_shift(_standardized(x, mean, var, epsilon)[0], scale, bias).astype(x.dtype)


def _standardized(
    x: Float[Array, "*s"], mean: Float[Array, "*m"], var: Float[Array, "*m"], epsilon: float
) -> tuple[Float[Array, "*s"], Float[Array, "*m"]]:
    """x_hat, and inv_std in its dtype."""
    x = at_least_float32(x)
    inv_std = _inv_std(var, epsilon).astype(x.dtype)
    return (x - mean.astype(x.dtype)) * inv_std, inv_std  # (1)


def _standardize_fwd(x, mean, var, scale, bias, epsilon):
    return _standardize_definition(x, mean, var, scale, bias, epsilon), (x, mean, var, scale, bias)


def _standardize_bwd(epsilon, residuals, dy: Float[Array, "*s"]):
    x, mean, var, scale, bias = residuals
    x_hat, inv_std = _standardized(x, mean, var, epsilon)
    g = at_least_float32(dy)
    dbias, dscale = _sum_like(g, mean), _sum_like(g * x_hat, mean)  # (4)
    factor = inv_std if scale is None else scale.astype(g.dtype) * inv_std
    dx = factor * g  # (5)
    dmean = -factor * dbias  # (6), of a scale that is one number per set
    dvar = -0.5 * inv_std * factor * dscale  # (7), likewise
    dx, dscale, dbias = _cotangents(dx, dscale, dbias, x, scale, bias)
    return dx, cotangent_like(dmean, mean), cotangent_like(dvar, var), dscale, dbias


_standardize = jax.custom_vjp(_standardize_definition, nondiff_argnums=(5,))
_standardize.defvjp(_standardize_fwd, _standardize_bwd)


# The statistics being those of x: what layer norm and batch norm in training share


class _Set(NamedTuple):
    """x, and what makes x_hat of it: the residual."""

    x: Float[Array, "*s"]
    m: Float[Array, "*m"]
    mean_d: Float[Array, "*m"]


def _x_hat(kept: _Set, inv_std: Float[Array, "*m"]) -> Float[Array, "*s"]:
    return (at_least_float32(kept.x) - kept.m - kept.mean_d) * inv_std  # (1), (10)


def _normalize(x, scale, bias, axes: tuple[int, ...], epsilon: float):
    """y, the residuals, mean and var."""
    m, mean_d, var = _moments(x, axes)
    kept, inv_std = _Set(x, m, mean_d), _inv_std(var, epsilon)
    return (
        _scale_shift(_x_hat(kept, inv_std), scale, bias).astype(x.dtype),
        (kept, inv_std, scale, bias),
        m + mean_d,
        var,
    )


# Layer norm: the scale varies within a set


def _layer_norm_definition(
    x: Float[Array, "*s"],
    scale: Float[Array, "*f"] | None,
    bias: Float[Array, "*f"] | None,
    axes: tuple[int, ...],
    epsilon: float,
) -> Float[Array, "*s"]:
    return _normalize(x, scale, bias, axes, epsilon)[0]


def _layer_norm_fwd(x, scale, bias, axes, epsilon):
    return _normalize(x, scale, bias, axes, epsilon)[:2]


def _layer_norm_bwd(axes, epsilon, residuals, dy: Float[Array, "*s"]):
    kept, inv_std, scale, bias = residuals
    x_hat, g = _x_hat(kept, inv_std), at_least_float32(dy)
    dx_hat = g if scale is None else g * scale.astype(g.dtype)  # (4)
    mean_g = jnp.mean(dx_hat, axes, keepdims=True)
    mean_gx = jnp.mean(dx_hat * x_hat, axes, keepdims=True)
    dx = inv_std * (dx_hat - mean_g - x_hat * mean_gx)  # (8)
    dscale = None if scale is None else _sum_like(g * x_hat, scale)  # (4)
    dbias = None if bias is None else _sum_like(g, bias)  # (4)
    return _cotangents(dx, dscale, dbias, kept.x, scale, bias)


_layer_norm = jax.custom_vjp(_layer_norm_definition, nondiff_argnums=(3, 4))
_layer_norm.defvjp(_layer_norm_fwd, _layer_norm_bwd)


# Batch norm in training: the scale is one number per set. The statistics are returned
# beside y as constants: no gradient flows through them, in the rule as in the
# definition.


def _batch_norm_definition(
    x: Float[Array, "*s"],
    scale: Float[Array, "*m"] | None,
    bias: Float[Array, "*m"] | None,
    axes: tuple[int, ...],
    epsilon: float,
) -> tuple[Float[Array, "*s"], Float[Array, "*m"], Float[Array, "*m"]]:
    y, _, mean, var = _normalize(x, scale, bias, axes, epsilon)
    return y, lax.stop_gradient(mean), lax.stop_gradient(var)


def _batch_norm_fwd(x, scale, bias, axes, epsilon):
    # The residuals are no constants: in a second derivative they depend on x.
    y, residuals, mean, var = _normalize(x, scale, bias, axes, epsilon)
    return (y, lax.stop_gradient(mean), lax.stop_gradient(var)), residuals


def _batch_norm_bwd(axes, epsilon, residuals, cotangents):
    kept, inv_std, scale, bias = residuals
    dy, _, _ = cotangents
    x_hat, g = _x_hat(kept, inv_std), at_least_float32(dy)
    dbias, dscale = jnp.sum(g, axes, keepdims=True), jnp.sum(g * x_hat, axes, keepdims=True)  # (4)
    count = math.prod(x_hat.shape[axis] for axis in axes)
    factor = inv_std if scale is None else scale.astype(g.dtype) * inv_std
    dx = factor * (g - dbias / count - x_hat * (dscale / count))  # (9)
    return _cotangents(dx, dscale, dbias, kept.x, scale, bias)


_batch_norm = jax.custom_vjp(_batch_norm_definition, nondiff_argnums=(3, 4))
_batch_norm.defvjp(_batch_norm_fwd, _batch_norm_bwd)


class BatchNormState(NamedTuple):
    """The running statistics of `batch_norm`, (c,) each: start from zeros and ones."""

    mean: Array
    var: Array


@operation
def batch_norm(
    autodiff: bool,
    x: ArrayLike,
    scale: ArrayLike | None,
    bias: ArrayLike | None,
    state: BatchNormState,
    *,
    train: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    layout: Layout = "channels_last",
) -> tuple[Array, BatchNormState]:
    """Batch normalisation (Ioffe and Szegedy 2015): each channel is normalised over the
    batch and space.

    Args:
      x: (n, *space, c) with 0 to 3 spatial axes; with `layout="channels_first"` (n, c,
        *space).
      scale, bias: (c,), or None for 1 and 0 ("gamma" and "beta").
      state: the running mean and variance, (c,) each.
      train: static. True normalises by the statistics of x, and moves the running ones:
        new = momentum old + (1 - momentum) batch. False normalises by the running
        ones, and returns them unchanged.
      momentum: the weight of the old statistics, in [0, 1].
      epsilon: is added to the variance.
      layout: "channels_last" or "channels_first", of x and the result.

    Returns:
      y, of x's shape and dtype, and the new state, in the old one's dtype. No gradient
        flows through a new state, in either mode of differentiation; in inference one
        flows to the state that was used.

    Raises:
      ValueError: on shapes, dtypes or options that do not fit; on a negative variance
        in the state, where its values are known (not inside `jax.jit`); and with
        `train=True` on a batch with no values, or with a single one per channel (it is
        its own mean: y would be `bias` whatever x).

    `momentum` is that of Flax, and so is the running variance, which is biased (divided
    by M). PyTorch's `momentum=0.1` is 0.9 here, and it keeps the unbiased variance
    (divided by M - 1), though it normalises, as here, by the biased one.

    Under `jax.jit` with a sharded batch the statistics are of the whole batch, as the
    formula says. Inside `jax.shard_map` x is the shard, and the statistics are of the
    shard: average the new state over the shards, `jax.lax.pmean(state, axis)`, which
    leaves the variance between the shards' means out.

    >>> x = jnp.array([[1.0, 10.0], [3.0, 30.0]])
    >>> state = BatchNormState(mean=jnp.zeros(2), var=jnp.ones(2))
    >>> y, state = batch_norm(x, None, None, state, train=True, momentum=0.5)
    >>> y.round(3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> state.mean.tolist(), state.var.tolist()
    ([1.0, 10.0], [1.0, 50.5])
    """
    check_layout(layout)
    train = as_flag("train", train)
    momentum, epsilon = check_momentum(momentum), check_epsilon(epsilon)
    x = as_array("x", x)
    check_floating("x", x)
    if not 2 <= x.ndim <= 5:
        raise ValueError(
            f"x must have a batch, a channel and 0 to 3 spatial axes, got shape {x.shape}"
        )
    channel = x.ndim - 1 if layout == "channels_last" else 1
    scale = parameter("scale", scale, x, (channel,), layout)
    bias = parameter("bias", bias, x, (channel,), layout)
    mean, var = check_state(state, x, channel, layout)

    if not train:
        arrays = _align_given(x, mean, var, scale, bias)
        return (_standardize_definition if autodiff else _standardize)(
            *arrays, epsilon=epsilon
        ), state

    axes = tuple(axis for axis in range(x.ndim) if axis != channel)
    count = math.prod(x.shape[axis] for axis in axes)
    if is_known(count) and count < 2:
        some = "no values" if count == 0 else "one value"
        raise ValueError(
            f"x must have at least two values per channel when train=True, got {some}, shape"
            f" {x.shape} ({layout}): the statistics of a batch need a batch; pass a larger one, or"
            " train=False"
        )
    arrays = _align_given(x, scale, bias)
    y, batch_mean, batch_var = (_batch_norm_definition if autodiff else _batch_norm)(
        *arrays, axes=axes, epsilon=epsilon
    )
    new_state = BatchNormState(
        _running(state[0], jnp.squeeze(batch_mean, axes), momentum),
        _running(state[1], jnp.squeeze(batch_var, axes), momentum),
    )
    return y, new_state


def _running(old: Array, batch: Float[Array, " c"], momentum: float) -> Float[Array, " c"]:
    old = as_array("state", old)
    dtype = max(old.dtype, batch.dtype, key=lambda dtype: dtype.itemsize)
    moved = momentum * old.astype(dtype) + (1 - momentum) * batch.astype(dtype)
    return lax.stop_gradient(
        cotangent_like(moved, old)
    )  # like the old one in dtype and sharding, as a scan's carry must be


@operation
def layer_norm(
    autodiff: bool,
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
      epsilon: is added to the variance.

    Returns:
      y, of x's shape and dtype.

    Raises:
      ValueError: on axes that x has not, or parameters that do not have their shape.

    >>> x, scale = jnp.array([[1.0, 3.0], [10.0, 30.0]]), jnp.array([1.0, 2.0])
    >>> layer_norm(x, scale, None).round(3).tolist()
    [[-1.0, 2.0], [-1.0, 2.0]]
    """
    x = as_array("x", x)
    check_floating("x", x)
    epsilon = check_epsilon(epsilon)
    axes = check_axes(axes, x)
    scale, bias = parameter("scale", scale, x, axes), parameter("bias", bias, x, axes)
    return (_layer_norm_definition if autodiff else _layer_norm)(
        *_align_given(x, scale, bias), axes=axes, epsilon=epsilon
    )


def _align_given(*arrays: Any) -> Any:
    """`align_varying` of those that are not None."""
    aligned = iter(align_varying(*(a for a in arrays if a is not None)))
    return [None if a is None else next(aligned) for a in arrays]
