"""Batch normalisation and layer normalisation: one derivation, two choices of axes.

Definition
    Both subtract a mean and divide by a standard deviation, taken over M elements ("the set": for batch norm the batch and space
    of one channel, for layer norm the features of one example), and both then scale and shift:

        x_hat = (x - mean) inv_std,   inv_std = (var + epsilon)^(-1/2)                                         (1)
        mean  = 1/M sum x,            var = 1/M sum (x - mean)^2        (biased: M, not M - 1)                 (2)
        y     = scale x_hat + bias                                                                             (3)

Derivation
    Of (3), sums over all axes along which the parameter does not vary (batch norm: batch and space; layer norm: examples):

        dx_hat = scale dy,   dscale = sum dy x_hat,   dbias = sum dy                                           (4)

    Of (1) with mean and var held fixed, sums over the set:

        dx    = inv_std dx_hat                                                                                 (5)
        dmean = - inv_std sum dx_hat                                                                           (6)
        dvar  = - 1/2 inv_std^3 sum dx_hat (x - mean) = - 1/2 inv_std^2 sum dx_hat x_hat                       (7)

    That is all of it in inference, where the statistics are arguments. Where they come from x, (2) adds to (5)

        dmean 1/M + dvar 2/M (x - mean)            (mean moves var too, by -2/M sum (x - mean) = 0)

    and with x - mean = x_hat / inv_std, (5), (6) and (7) make, with <.> the mean over the set (Ioffe and Szegedy 2015),

        dx = inv_std ( dx_hat - <dx_hat> - x_hat <dx_hat x_hat> )                                              (8)

    (8) projects out what cannot change x_hat: a shift of the whole set and, but for epsilon, a rescaling of it. To treat the
    statistics as constants would leave (5): the two means are the part most often forgotten.

    In batch norm scale is one number per set, and what (4) sums over is the set: the means in (8) are scale dbias / M and
    scale dscale / M. So in training two sums are enough for all three gradients:

        dx = scale inv_std ( dy - dbias / M - x_hat dscale / M )                                               (9)

Conventions
    Statistics, sums and (1) are computed in float32 for 16-bit floats, and rounded once. var takes two passes over x, as in (2):
    <x^2> - <x>^2 would take one, and lose all digits where |mean| is large against the deviation.
    x_hat and y have x's dtype; a cotangent has the dtype and sharding of its primal.

Residuals
    x_hat, of x's size and dtype, and inv_std, one number per set. (4) and (8), or (9), need x_hat, and x itself is not kept. The
    running mean and var, and scale and bias, are kept too: they exist already.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.ops._common import Layout, align_varying, as_array, at_least_float32, check_floating, check_layout, cotangent_like

# Statistics and parameters stand here with axes of size 1 where they do not vary ("keepdims"), so that they broadcast.


def _moments(x: Float[Array, "*s"], axes: tuple[int, ...]) -> tuple[Float[Array, "*m"], Float[Array, "*m"]]:
    x = at_least_float32(x)
    mean = jnp.mean(x, axes, keepdims=True)
    return mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)  # (2)


def _sum_like(a: Float[Array, "*s"], like: Float[Array, "*m"]) -> Float[Array, "*m"]:
    """The sum of a broadcast array's cotangent over the axes along which `like` was broadcast."""
    return jnp.sum(a, tuple(axis for axis, size in enumerate(like.shape) if size == 1), keepdims=True)


# x_hat = (x - mean) inv_std, the statistics being arguments


def _standardize_forward(
    x: Float[Array, "*s"], mean: Float[Array, "*m"], var: Float[Array, "*m"], epsilon: float
) -> Float[Array, "*s"]:
    wide = at_least_float32(x)
    inv_std = _inv_std(var, epsilon)
    return ((wide - mean.astype(wide.dtype)) * inv_std.astype(wide.dtype)).astype(x.dtype)  # (1)


def _standardize_fwd(x, mean, var, epsilon):
    x_hat = _standardize_forward(x, mean, var, epsilon)
    return x_hat, (x_hat, _inv_std(var, epsilon), mean, var)


def _standardize_bwd(epsilon, residuals, dx_hat: Float[Array, "*s"]):
    x_hat, inv_std, mean, var = residuals
    g = at_least_float32(dx_hat)
    inv_std = inv_std.astype(g.dtype)
    dx = inv_std * g  # (5)
    dmean = -inv_std * _sum_like(g, mean)  # (6)
    dvar = -0.5 * jnp.square(inv_std) * _sum_like(g * at_least_float32(x_hat), var)  # (7)
    return cotangent_like(dx, x_hat), cotangent_like(dmean, mean), cotangent_like(dvar, var)


def _inv_std(var: Float[Array, "*m"], epsilon: float) -> Float[Array, "*m"]:
    return lax.rsqrt(at_least_float32(var) + epsilon)


_standardize = jax.custom_vjp(_standardize_forward, nondiff_argnums=(3,))
_standardize.defvjp(_standardize_fwd, _standardize_bwd)


# x_hat = (x - mean) inv_std, the statistics being those of x


def _normalize_and_moments(
    x: Float[Array, "*s"], axes: tuple[int, ...], epsilon: float
) -> tuple[Float[Array, "*s"], Float[Array, "*m"], Float[Array, "*m"]]:
    mean, var = _moments(x, axes)
    return _standardize_forward(x, mean, var, epsilon), mean, var


def _normalize_forward(x: Float[Array, "*s"], axes: tuple[int, ...], epsilon: float) -> Float[Array, "*s"]:
    return _normalize_and_moments(x, axes, epsilon)[0]


def _normalize_fwd(x, axes, epsilon):
    x_hat, _, var = _normalize_and_moments(x, axes, epsilon)
    return x_hat, (x_hat, _inv_std(var, epsilon))


def _normalize_bwd(axes, epsilon, residuals, dx_hat: Float[Array, "*s"]):
    narrow, inv_std = residuals
    x_hat, g = at_least_float32(narrow), at_least_float32(dx_hat)
    mean_g = jnp.mean(g, axes, keepdims=True)
    mean_gx = jnp.mean(g * x_hat, axes, keepdims=True)
    return (cotangent_like(inv_std * (g - mean_g - x_hat * mean_gx), narrow),)  # (8)


_normalize = jax.custom_vjp(_normalize_forward, nondiff_argnums=(1, 2))
_normalize.defvjp(_normalize_fwd, _normalize_bwd)


# y = scale x_hat + bias, either of which may be None


def _scale_shift_forward(
    x_hat: Float[Array, "*s"], scale: Float[Array, "*m"] | None, bias: Float[Array, "*m"] | None
) -> Float[Array, "*s"]:
    y = at_least_float32(x_hat)
    y = y if scale is None else y * scale.astype(y.dtype)
    y = y if bias is None else y + bias.astype(y.dtype)
    return y.astype(x_hat.dtype)  # (3)


def _scale_shift_fwd(x_hat, scale, bias):
    return _scale_shift_forward(x_hat, scale, bias), (x_hat, scale, bias)


def _scale_shift_bwd(residuals, dy: Float[Array, "*s"]):
    x_hat, scale, bias = residuals
    g = at_least_float32(dy)
    dx_hat = g if scale is None else g * scale.astype(g.dtype)  # (4)
    dscale = None if scale is None else cotangent_like(_sum_like(g * at_least_float32(x_hat), scale), scale)  # (4)
    dbias = None if bias is None else cotangent_like(_sum_like(g, bias), bias)  # (4)
    return cotangent_like(dx_hat, x_hat), dscale, dbias


_scale_shift = jax.custom_vjp(_scale_shift_forward)
_scale_shift.defvjp(_scale_shift_fwd, _scale_shift_bwd)


# Batch norm in training: y = scale x_hat + bias with the statistics of x. They are returned beside y as constants: no gradient
# flows through them, in the rule as in the definition.


def _batch_norm_forward(
    x: Float[Array, "*s"],
    scale: Float[Array, "*m"] | None,
    bias: Float[Array, "*m"] | None,
    axes: tuple[int, ...],
    epsilon: float,
) -> tuple[Float[Array, "*s"], Float[Array, "*m"], Float[Array, "*m"]]:
    x_hat, mean, var = _normalize_and_moments(x, axes, epsilon)
    return _scale_shift_forward(x_hat, scale, bias), lax.stop_gradient(mean), lax.stop_gradient(var)


def _batch_norm_fwd(x, scale, bias, axes, epsilon):
    # inv_std is of a var that is no constant: in a second derivative it depends on x.
    x_hat, mean, var = _normalize_and_moments(x, axes, epsilon)
    outputs = (_scale_shift_forward(x_hat, scale, bias), lax.stop_gradient(mean), lax.stop_gradient(var))
    return outputs, (x_hat, _inv_std(var, epsilon), scale, bias)


def _batch_norm_bwd(axes, epsilon, residuals, cotangents):
    narrow, inv_std, scale, bias = residuals
    dy, _, _ = cotangents
    x_hat, g = at_least_float32(narrow), at_least_float32(dy)
    dbias, dscale = jnp.sum(g, axes, keepdims=True), jnp.sum(g * x_hat, axes, keepdims=True)  # (4)
    count = math.prod(x_hat.shape[axis] for axis in axes)
    factor = inv_std if scale is None else scale.astype(g.dtype) * inv_std
    dx = factor * (g - dbias / count - x_hat * (dscale / count))  # (9)
    return (
        cotangent_like(dx, narrow),
        None if scale is None else cotangent_like(dscale, scale),
        None if bias is None else cotangent_like(dbias, bias),
    )


_batch_norm = jax.custom_vjp(_batch_norm_forward, nondiff_argnums=(3, 4))
_batch_norm.defvjp(_batch_norm_fwd, _batch_norm_bwd)


class BatchNormState(NamedTuple):
    """The running statistics of `batch_norm`, (c,) each: start from zeros and ones."""

    mean: Array
    var: Array


def batch_norm(
    x: ArrayLike,
    scale: ArrayLike | None,
    bias: ArrayLike | None,
    state: BatchNormState,
    *,
    train: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    layout: Layout = "channels_last",
    autodiff: bool = False,
) -> tuple[Array, BatchNormState]:
    """Batch normalisation (Ioffe and Szegedy 2015): each channel is normalised over the batch and space.

    Args:
      x: (n, *space, c) with 0 to 3 spatial axes; with `layout="channels_first"` (n, c, *space).
      scale, bias: (c,), or None for 1 and 0 ("gamma" and "beta").
      state: the running mean and variance, (c,) each.
      train: True normalises by the statistics of x, and moves the running ones:
        new = momentum old + (1 - momentum) batch.  False normalises by the running ones, and returns them unchanged.
      momentum: the weight of the old statistics, in [0, 1].
      epsilon: is added to the variance.
      layout: "channels_last" or "channels_first", of x and the result.
      autodiff: let JAX differentiate the forward instead of the rule. The values are the same.

    Returns:
      y, of x's shape and dtype, and the new state, in the old one's dtype. No gradient flows through a new state, in either mode
      of differentiation; in inference one flows to the state that was used.

    Raises:
      ValueError: on shapes, dtypes or options that do not fit, and with `train=True` on a batch with no values, or with a single
        one per channel (it is its own mean: y would be `bias` whatever x).

    `momentum` is that of Flax, and so is the running variance, which is biased (divided by M). PyTorch's `momentum=0.1` is 0.9
    here, and it keeps the unbiased variance (divided by M - 1), though it normalises, as here, by the biased one.

    Under `jax.jit` with a sharded batch the statistics are of the whole batch, as the formula says. Inside `jax.shard_map` x is
    the shard, and the statistics are of the shard: average the new state over the shards, `jax.lax.pmean(state, axis)`, which
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
    x = as_array("x", x)
    check_floating("x", x)
    momentum, epsilon = float(momentum), _check_epsilon(epsilon)
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is the weight of the old statistics and must be in [0, 1], got {momentum}")
    if not 2 <= x.ndim <= 5:
        raise ValueError(f"x must have a batch, a channel and 0 to 3 spatial axes, got shape {x.shape}")
    channel = x.ndim - 1 if layout == "channels_last" else 1
    scale = _parameter("scale", scale, x, (channel,), layout)
    bias = _parameter("bias", bias, x, (channel,), layout)
    mean = _parameter("state.mean", state[0], x, (channel,), layout)
    var = _parameter("state.var", state[1], x, (channel,), layout)
    if mean is None or var is None:
        raise ValueError("state must have a mean and a var: start from BatchNormState(jnp.zeros(c), jnp.ones(c))")

    if not train:
        x, mean, var = align_varying(x, mean, var)
        x_hat = (_standardize_forward if autodiff else _standardize)(x, mean, var, epsilon)
        return _finish(x_hat, scale, bias, autodiff), state

    axes = tuple(axis for axis in range(x.ndim) if axis != channel)
    count = math.prod(x.shape[axis] for axis in axes)
    if count < 2:
        some = "no values" if count == 0 else "one value"
        raise ValueError(
            f"x must have at least two values per channel when train=True, got {some}, shape {x.shape} ({layout}): "
            "the statistics of a batch need a batch; pass a larger one, or train=False"
        )
    x, scale, bias = _align_given(x, scale, bias)
    y, batch_mean, batch_var = (_batch_norm_forward if autodiff else _batch_norm)(x, scale, bias, axes, epsilon)
    new_state = BatchNormState(
        _running(state[0], jnp.squeeze(batch_mean, axes), momentum), _running(state[1], jnp.squeeze(batch_var, axes), momentum)
    )
    return y, new_state


def _running(old: Array, batch: Float[Array, " c"], momentum: float) -> Float[Array, " c"]:
    old = as_array("state", old)
    dtype = max(old.dtype, batch.dtype, key=lambda dtype: dtype.itemsize)
    moved = momentum * old.astype(dtype) + (1 - momentum) * batch.astype(dtype)
    return lax.stop_gradient(cotangent_like(moved, old))  # like the old one in dtype and sharding, as a scan's carry must be


def layer_norm(
    x: ArrayLike,
    scale: ArrayLike | None,
    bias: ArrayLike | None,
    *,
    axes: int | tuple[int, ...] = -1,
    epsilon: float = 1e-5,
    autodiff: bool = False,
) -> Array:
    """Layer normalisation (Ba, Kiros and Hinton 2016): each example is normalised over its features.

    Args:
      x: an array of at least one axis.
      scale, bias: of the shape of x along `axes`, or None for 1 and 0 ("gamma" and "beta").
      axes: the axis or axes normalised over, in increasing order: -1, or (1, 2, 3) for whole channels-last images.
      epsilon: is added to the variance.
      autodiff: let JAX differentiate the forward instead of the rule. The values are the same.

    Returns:
      y, of x's shape and dtype.

    Raises:
      ValueError: on axes that x has not, or parameters that do not have their shape.

    >>> layer_norm(jnp.array([[1.0, 3.0], [10.0, 30.0]]), jnp.array([1.0, 2.0]), None).round(3).tolist()
    [[-1.0, 2.0], [-1.0, 2.0]]
    """
    x = as_array("x", x)
    check_floating("x", x)
    epsilon = _check_epsilon(epsilon)
    axes = _check_axes(axes, x)
    scale, bias = _parameter("scale", scale, x, axes), _parameter("bias", bias, x, axes)
    x_hat = (_normalize_forward if autodiff else _normalize)(x, axes, epsilon)
    return _finish(x_hat, scale, bias, autodiff)


def _finish(x_hat: Array, scale: Array | None, bias: Array | None, autodiff: bool) -> Array:
    if scale is None and bias is None:
        return x_hat
    return (_scale_shift_forward if autodiff else _scale_shift)(*_align_given(x_hat, scale, bias))


def _align_given(x: Array, scale: Array | None, bias: Array | None) -> tuple[Array, Array | None, Array | None]:
    """`align_varying` of x and of the parameters that there are."""
    x, *given = align_varying(x, *(a for a in (scale, bias) if a is not None))
    return x, None if scale is None else given[0], None if bias is None else given[-1]


# Validation.


def _parameter(name: str, value: ArrayLike | None, x: Array, axes: tuple[int, ...], layout: Layout | None = None) -> Array | None:
    """A parameter or statistic with the shape of x along `axes`, brought to x's rank."""
    if value is None:
        return None
    array = as_array(name, value)
    check_floating(name, array)
    shape = tuple(x.shape[axis] for axis in axes)
    if array.shape != shape:
        hint = ""
        if layout is not None and array.shape == (x.shape[1 if layout == "channels_last" else -1],):
            other = "channels_first" if layout == "channels_last" else "channels_last"
            hint = f"; it fits the other layout: pass layout={other!r}?"
        elif array.size == math.prod(shape):
            hint = f"; {name}.reshape({shape}) has it"
        raise ValueError(
            f"{name} must have the shape of x along axes {axes}, {shape} for x of {x.shape}, got {array.shape}{hint}"
        )
    return jnp.expand_dims(array, tuple(axis for axis in range(x.ndim) if axis not in axes))


def _check_epsilon(epsilon: float) -> float:
    epsilon = float(epsilon)
    if not epsilon >= 0:
        raise ValueError(f"epsilon must not be negative, got {epsilon}")
    return epsilon


def _check_axes(axes: int | tuple[int, ...], x: Array) -> tuple[int, ...]:
    given = tuple(axes) if isinstance(axes, tuple | list) else (axes,)
    if not given or not all(-x.ndim <= axis < x.ndim for axis in given):
        raise ValueError(f"axes must be one or more axes of x, which has {x.ndim}, got {axes}")
    positive = tuple(axis % x.ndim for axis in given)
    if list(positive) != sorted(set(positive)):
        raise ValueError(f"axes must be distinct and in increasing order, that of the axes of scale and bias, got {axes}")
    return positive
