"""Layers of operations that have parameters: convolution, affine map,
normalisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.arguments import as_flag, as_int, as_number, per_axis
from jaxcnn.layers._arguments import as_axes, as_epsilon, as_function, as_method, geometry
from jaxcnn.layers._checks import check_fits, check_images, check_kernel, draw, known
from jaxcnn.layers.layer import Layer, abstract_x, checked
from jaxcnn.ops import EXPLICIT
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.ops.convolution.methods import Method
from jaxcnn.padding import Padding, make_window

Initializer = Callable[..., Array]

# Normal with the variance 2 / fan_in, or 1 / fan_in, where fan_in is the product of all
# axes but the last: what one output sees.
HE_NORMAL: Initializer = jax.nn.initializers.he_normal()
LECUN_NORMAL: Initializer = jax.nn.initializers.lecun_normal()


def conv(
    features: int,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "same",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = HE_NORMAL,
    method: Method | None = None,
) -> Layer:
    """A convolution in 1, 2 or 3 dimensions, (n, *space, c) -> (n, *space', features).

    Args:
      features: the number of output channels.
      size: taps of the kernel; one int, or one per spatial axis.
      stride, padding, dilation, groups, method: as in `jaxcnn.conv`.
      bias: whether each output channel has a bias, which starts at 0.
      kernel_init: `(key, shape) -> array`. The default has the variance 2 / fan_in, for
        outputs that a relu follows (He et al. 2015), where fan_in = taps * c / groups
        is the number of inputs of one output.

    Params: w, (*size, c / groups, features), and b, (features,).

    >>> layer = conv(8, 3, stride=2)
    >>> params, state = layer.init(jax.random.key(0), (1, 32, 32, 3))
    >>> params["w"].shape, params["b"].shape
    ((3, 3, 3, 8), (8,))
    >>> layer.apply(params, state, jnp.ones((5, 32, 32, 3)))[0].shape
    (5, 16, 16, 8)
    """
    features, groups, bias = (
        as_int("features", features, least=1),
        as_int("groups", groups, least=1),
        as_flag("bias", bias),
    )
    if features % groups:
        raise ValueError(
            f"groups must divide the features, got groups={groups} and {features} features"
        )
    options = geometry(size=size, stride=stride, padding=padding, dilation=dilation)
    taps, kernel_init = (
        options.pop("size"),
        as_function("kernel_init", kernel_init, "(key, shape) -> array"),
    )
    method = as_method(method)

    def init(key, input_shape):
        check_images(input_shape)
        (channels,) = known(input_shape, (-1,), least=1)
        if channels % groups:
            raise ValueError(
                f"groups must divide the channels of x, got groups={groups} and {channels} channels"
            )
        space = input_shape[1:-1]
        check_fits(window(space), space)
        kernel = draw(
            kernel_init, key, (*per_axis("size", taps, len(space)), channels // groups, features)
        )
        return ({"w": kernel, "b": jnp.zeros(features)} if bias else {"w": kernel}), {}

    def apply(params, state, x, *, train, key, ops):
        check_kernel(params["w"], taps, features)
        return (
            ops.conv(x, params["w"], params.get("b"), **options, groups=groups, method=method),
            state,
        )

    def window(space):
        return make_window(per_axis("size", taps, len(space)), space, **options)

    return checked("conv", init, apply, window, entries=("w", "b") if bias else ("w",))


def dense(
    features: int,
    *,
    bias: bool = True,
    kernel_init: Initializer = LECUN_NORMAL,
) -> Layer:
    """An affine map of the last axis, (..., c) -> (..., features).

    Args:
      features: the number of outputs.
      bias: whether each output has a bias, which starts at 0.
      kernel_init: `(key, shape) -> array`. The default has the variance 1 / c, which
        keeps that of the input; before a relu `HE_NORMAL` does.

    Params: w, (c, features), and b, (features,).

    >>> layer = dense(10)
    >>> params, state = layer.init(jax.random.key(0), (1, 84))
    >>> layer.apply(params, state, jnp.ones((5, 84)))[0].shape
    (5, 10)
    """
    features, bias = as_int("features", features, least=1), as_flag("bias", bias)
    kernel_init = as_function("kernel_init", kernel_init, "(key, shape) -> array")

    def init(key, input_shape):
        kernel = draw(kernel_init, key, (*known(input_shape, (-1,), least=1), features))
        return ({"w": kernel, "b": jnp.zeros(features)} if bias else {"w": kernel}), {}

    def apply(params, state, x, *, train, key, ops):
        check_kernel(params["w"], None, features)
        return ops.dense(x, params["w"], params.get("b")), state

    return checked("dense", init, apply, entries=("w", "b") if bias else ("w",))


def batch_norm(*, momentum: float = 0.9, epsilon: float = 1e-5) -> Layer:
    """Batch normalisation of each channel, (n, *space, c) -> the same shape; see
    `jaxcnn.batch_norm`.

    In training it normalises with the statistics of the batch and moves the running
    ones; else with the running ones.

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
        )  # raises on axes not there
        shape = known(input_shape, normalised)
        return {"scale": jnp.ones(shape), "bias": jnp.zeros(shape)}, {}

    def apply(params, state, x, *, train, key, ops):
        return (
            ops.layer_norm(x, params["scale"], params["bias"], axes=normalised, epsilon=epsilon),
            state,
        )

    def window(space):
        """From its first to its last position an output on a normalised axis sees all;
        on the others its own."""
        of_space = [axis % (len(space) + 2) - 1 for axis in normalised]
        reach = [n - 1 if axis in of_space else 0 for axis, n in enumerate(space)]
        return make_window([2 * r + 1 for r in reach], space, padding=reach)

    return checked("layer_norm", init, apply, window, entries=("scale", "bias"))
