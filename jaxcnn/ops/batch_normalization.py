"""Batch normalisation. `_normalize.py` has the derivation, equations (1) to (10)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.arguments import as_flag
from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating, wider
from jaxcnn.ops._layout import Layout, check_layout
from jaxcnn.ops._norm_arguments import check_epsilon, check_momentum, check_state, parameter
from jaxcnn.ops._normalize import (
    align_given,
    cotangents_like,
    inverse_std,
    normalize,
    normalized,
    scale_shift,
    sum_like,
)
from jaxcnn.ops._operation import operation
from jaxcnn.ops._sharding import cotangent_like
from jaxcnn.sizes import is_known

# Inference: y = scale (x - mean) inv_std + bias, with the statistics as arguments


def _standardize_definition(
    x: Float[Array, "*s"],
    mean: Float[Array, "*m"],
    var: Float[Array, "*m"],
    scale: Float[Array, "*m"] | None,
    bias: Float[Array, "*m"] | None,
    epsilon: float,
) -> Float[Array, "*s"]:
    return scale_shift(_standardized(x, mean, var, epsilon)[0], scale, bias).astype(x.dtype)


def _standardized(
    x: Float[Array, "*s"], mean: Float[Array, "*m"], var: Float[Array, "*m"], epsilon: float
) -> tuple[Float[Array, "*s"], Float[Array, "*m"]]:
    """x_hat, and inv_std in its dtype."""
    x = at_least_float32(x)
    inv_std = inverse_std(var, epsilon).astype(x.dtype)
    return (x - mean.astype(x.dtype)) * inv_std, inv_std  # (1)


def _standardize_fwd(x, mean, var, scale, bias, epsilon):
    return _standardize_definition(x, mean, var, scale, bias, epsilon), (x, mean, var, scale, bias)


def _standardize_bwd(epsilon, residuals, dy: Float[Array, "*s"]):
    x, mean, var, scale, bias = residuals
    x_hat, inv_std = _standardized(x, mean, var, epsilon)
    g = at_least_float32(dy)
    dbias, dscale = sum_like(g, mean), sum_like(g * x_hat, mean)  # (4)
    factor = inv_std if scale is None else scale.astype(g.dtype) * inv_std
    dx = factor * g  # (5)
    dmean = -factor * dbias  # (6), of a scale that is one number per set
    dvar = -0.5 * inv_std * factor * dscale  # (7), likewise
    dx, dscale, dbias = cotangents_like(dx, dscale, dbias, x, scale, bias)
    return dx, cotangent_like(dmean, mean), cotangent_like(dvar, var), dscale, dbias


_standardize = jax.custom_vjp(_standardize_definition, nondiff_argnums=(5,))
_standardize.defvjp(_standardize_fwd, _standardize_bwd)


# Batch norm in training: the scale is one number per set. The statistics are returned
# beside y as constants. No gradient flows through them, neither in the rule nor in the
# definition.


def _batch_norm_definition(
    x: Float[Array, "*s"],
    scale: Float[Array, "*m"] | None,
    bias: Float[Array, "*m"] | None,
    axes: tuple[int, ...],
    epsilon: float,
) -> tuple[Float[Array, "*s"], Float[Array, "*m"], Float[Array, "*m"]]:
    y, _, mean, var = normalize(x, scale, bias, axes, epsilon)
    return y, lax.stop_gradient(mean), lax.stop_gradient(var)


def _batch_norm_fwd(x, scale, bias, axes, epsilon):
    # The residuals are not constants: in a second derivative they depend on x.
    y, residuals, mean, var = normalize(x, scale, bias, axes, epsilon)
    return (y, lax.stop_gradient(mean), lax.stop_gradient(var)), residuals


def _batch_norm_bwd(axes, epsilon, residuals, cotangents):
    kept, inv_std, scale, bias = residuals
    dy, _, _ = cotangents
    x_hat, g = normalized(kept, inv_std), at_least_float32(dy)
    dbias, dscale = jnp.sum(g, axes, keepdims=True), jnp.sum(g * x_hat, axes, keepdims=True)  # (4)
    count = math.prod(x_hat.shape[axis] for axis in axes)
    factor = inv_std if scale is None else scale.astype(g.dtype) * inv_std
    dx = factor * (g - dbias / count - x_hat * (dscale / count))  # (9)
    return cotangents_like(dx, dscale, dbias, kept.x, scale, bias)


_batch_norm = jax.custom_vjp(_batch_norm_definition, nondiff_argnums=(3, 4))
_batch_norm.defvjp(_batch_norm_fwd, _batch_norm_bwd)


class BatchNormState(NamedTuple):
    """The running statistics of `batch_norm`, (c,) each: start from zeros and ones."""

    mean: Array
    var: Array


@operation
def batch_norm(
    by_autodiff: bool,
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
        statistics, and returns them unchanged.
      momentum: the weight of the old statistics, in [0, 1].
      epsilon: added to the variance.
      layout: "channels_last" or "channels_first", of x and the result.

    Returns:
      y, of x's shape and dtype, and the new state, in the old one's dtype. No gradient
        flows through a new state, in either mode of differentiation; in inference one
        flows to the state that was used.

    Raises:
      ValueError: on shapes, dtypes or options that do not fit; on a negative variance
        in the state, where its values are known (not inside `jax.jit`); and with
        `train=True` on a batch with no values, or with a single value per channel (y
        would be `bias` whatever x is, since a single value is its own mean).

    `momentum` is that of Flax, and so is the running variance, which is biased (divided
    by M). PyTorch's `momentum=0.1` is 0.9 here, and it keeps the unbiased variance
    (divided by M - 1), though it normalises, as here, by the biased one.

    Under `jax.jit` with a sharded batch the statistics are of the whole batch, as the
    formula says. Inside `jax.shard_map` x is the shard, and the statistics are of the
    shard. Average the new state over the shards, `jax.lax.pmean(state, axis)`; this
    leaves out the variance between the shards' means.

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
        arrays = align_given(x, mean, var, scale, bias)
        return (_standardize_definition if by_autodiff else _standardize)(
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
    arrays = align_given(x, scale, bias)
    y, batch_mean, batch_var = (_batch_norm_definition if by_autodiff else _batch_norm)(
        *arrays, axes=axes, epsilon=epsilon
    )
    new_state = BatchNormState(
        _running(state[0], jnp.squeeze(batch_mean, axes), momentum),
        _running(state[1], jnp.squeeze(batch_var, axes), momentum),
    )
    return y, new_state


def _running(old: Array, batch: Float[Array, " c"], momentum: float) -> Float[Array, " c"]:
    old = as_array("state", old)
    dtype = wider(old, batch)
    moved = momentum * old.astype(dtype) + (1 - momentum) * batch.astype(dtype)
    return lax.stop_gradient(
        cotangent_like(moved, old)
    )  # with the old one's dtype and sharding, as a scan's carry must have
