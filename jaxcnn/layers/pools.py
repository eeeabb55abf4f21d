"""Layers that pool, over windows or over all of space."""

from __future__ import annotations

from collections.abc import Sequence

from jaxcnn.arguments import as_flag
from jaxcnn.layers._arguments import geometry
from jaxcnn.layers._checks import check_fits, check_images
from jaxcnn.layers._functions import all_of, layer_of
from jaxcnn.layers.layer import Layer
from jaxcnn.ops._pool_windows import pool_window
from jaxcnn.padding import Padding


def max_pool(
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Layer:
    """The maximum of each window, (n, *space, c) -> (n, *space', c). Arguments as in
    `jaxcnn.max_pool`; the stride is `size`.

    >>> import jax.numpy as jnp
    >>> max_pool(2).apply({}, {}, jnp.arange(4.0).reshape(1, 4, 1))[0].ravel().tolist()
    [1.0, 3.0]
    """
    return _pool("max_pool", size, stride, padding, dilation, ceil_mode)


def avg_pool(
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Layer:
    """The mean of each window, (n, *space, c) -> (n, *space', c). Arguments as in
    `jaxcnn.avg_pool`; the stride is `size`.

    >>> import jax.numpy as jnp
    >>> avg_pool(2).apply({}, {}, jnp.arange(4.0).reshape(1, 4, 1))[0].ravel().tolist()
    [0.5, 2.5]
    """
    counted = {"count_include_pad": as_flag("count_include_pad", count_include_pad)}
    return _pool("avg_pool", size, stride, padding, dilation, ceil_mode, **counted)


def _pool(
    name: str,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    dilation: int | Sequence[int],
    ceil_mode: bool,
    **more: bool,
) -> Layer:
    ceil_mode = as_flag("ceil_mode", ceil_mode)
    step = size if stride is None else stride
    options = geometry(
        size=size, stride=step, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    taps = options.pop("size")

    def window(space):
        plain = pool_window(taps, space, **options)
        return plain.ceil(space) if ceil_mode else plain

    def check_shape(input_shape):
        check_images(input_shape)
        check_fits(window(input_shape[1:-1]), input_shape[1:-1])

    def pool(ops, x):
        return getattr(ops, name)(x, taps, **options, ceil_mode=ceil_mode, **more)

    return layer_of(name, pool, window, check_shape)


def global_max_pool() -> Layer:
    """The maximum over all of space, (n, *space, c) -> (n, c).

    >>> import jax.numpy as jnp
    >>> global_max_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return layer_of("global_max_pool", lambda ops, x: ops.global_max_pool(x), all_of, _check_space)


def global_avg_pool() -> Layer:
    """The mean over all of space, (n, *space, c) -> (n, c).

    >>> import jax.numpy as jnp
    >>> global_avg_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return layer_of("global_avg_pool", lambda ops, x: ops.global_avg_pool(x), all_of, _check_space)


def _check_space(input_shape: tuple[int, ...]) -> None:
    check_images(input_shape)
    if 0 in input_shape[1:-1]:
        raise ValueError(f"input_shape must have at least one position to pool, got {input_shape}")
