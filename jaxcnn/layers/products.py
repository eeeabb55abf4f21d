"""Layers that multiply x by a kernel: convolution and affine map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.arguments import as_flag, as_int, per_axis
from jaxcnn.layers._arguments import as_function, geometry
from jaxcnn.layers._checks import check_fits, check_images, check_kernel, draw, known
from jaxcnn.layers.calling import checked
from jaxcnn.layers.layer import Layer
from jaxcnn.ops.convolution._options import as_method
from jaxcnn.ops.convolution.methods import Method
from jaxcnn.padding import Padding, make_window

Initializer = Callable[..., Array]

# Normal with the variance 2 / fan_in, or 1 / fan_in. fan_in is the product of all axes
# but the last, the number of inputs of one output.
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
    as_method(method)  # a wrong one is named here; with None the operations choose

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
        keeps the variance of the input. Before a relu, `HE_NORMAL` keeps it.

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
