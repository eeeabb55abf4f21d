"""Layers that normalise."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxcnn.arguments import as_number
from jaxcnn.layers._arguments import as_axes, as_epsilon
from jaxcnn.layers._checks import check_images, known
from jaxcnn.layers.calling import abstract_x, checked
from jaxcnn.layers.layer import Layer
from jaxcnn.ops import EXPLICIT
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.padding import make_window


def batch_norm(*, momentum: float = 0.9, epsilon: float = 1e-5) -> Layer:
    """Batch normalisation of each channel, (n, *space, c) -> the same shape; see
    `jaxcnn.batch_norm`.

    In training it normalises by the statistics of the batch, and updates the running
    ones. Otherwise it normalises by the running ones.

    Params: scale and bias, (c,). State: mean and var, (c,).

    >>> layer = batch_norm()
    >>> params, state = layer.init(jax.random.key(0), (1, 8, 8, 3))
    >>> y, state = layer.apply(params, state, jnp.ones((5, 8, 8, 3)), train=True)
    >>> bool(jnp.all(y == 0)), sorted(state)
    (True, ['mean', 'var'])
    """
    momentum, epsilon = as_number("momentum", momentum), as_epsilon(epsilon)
    if not 0 <= momentum <= 1:
        raise ValueError(
            f"momentum is the weight of the old statistics and must be in [0, 1], got {momentum}"
        )

    def init(key, input_shape):
        check_images(input_shape, (0, 1, 2, 3))
        (channels,) = known(input_shape, (-1,))
        params = {"scale": jnp.ones(channels), "bias": jnp.zeros(channels)}
        return params, {"mean": jnp.zeros(channels), "var": jnp.ones(channels)}

    def apply(params, state, x, *, train, key, ops):
        statistics = BatchNormState(state["mean"], state["var"])
        options = {"train": train, "momentum": momentum, "epsilon": epsilon}
        y, statistics = ops.batch_norm(x, params["scale"], params["bias"], statistics, **options)
        return y, {"mean": statistics.mean, "var": statistics.var}

    return checked(
        "batch_norm", init, apply, entries=("scale", "bias"), state_entries=("mean", "var")
    )


def layer_norm(*, axes: int | Sequence[int] = -1, epsilon: float = 1e-5) -> Layer:
    """Layer normalisation of each example over `axes`, keeping the shape; see
    `jaxcnn.layer_norm`.

    Params: scale and bias, of the shape of x along `axes`.

    >>> layer = layer_norm()
    >>> params, state = layer.init(jax.random.key(0), (1, 8))
    >>> layer.apply(params, state, jnp.ones((5, 8)))[0].shape
    (5, 8)
    """
    normalised, epsilon = as_axes(axes), as_epsilon(epsilon)

    def init(key, input_shape):
        x = abstract_x(input_shape)
        jax.eval_shape(
            lambda x: EXPLICIT.layer_norm(x, None, None, axes=normalised), x
        )  # raises if x lacks one of the axes
        shape = known(input_shape, normalised)
        return {"scale": jnp.ones(shape), "bias": jnp.zeros(shape)}, {}

    def apply(params, state, x, *, train, key, ops):
        return (
            ops.layer_norm(x, params["scale"], params["bias"], axes=normalised, epsilon=epsilon),
            state,
        )

    def window(space):
        """An output sees all positions along a normalised axis, and only its own along
        the others."""
        of_space = [axis % (len(space) + 2) - 1 for axis in normalised]
        reach = [n - 1 if axis in of_space else 0 for axis, n in enumerate(space)]
        return make_window([2 * r + 1 for r in reach], space, padding=reach)

    return checked("layer_norm", init, apply, window, entries=("scale", "bias"))
