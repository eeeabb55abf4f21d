"""The order of axes. The operations compute with images (n, *space, c) and kernels
(*taps, c, o); a person may pass (n, c, *space) and (o, c, *taps)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from jax import Array

from jaxcnn.arguments import described

Layout = Literal["channels_last", "channels_first"]
LAYOUTS = ("channels_last", "channels_first")


def check_layout(layout: str) -> None:
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise ValueError(
            f"layout must be 'channels_last' or 'channels_first', got {described(layout)}"
        )


def image_to_channels_last(x: Array, layout: Layout) -> Array:
    return x if layout == "channels_last" else jnp.moveaxis(x, 1, -1)


def image_from_channels_last(x: Array, layout: Layout) -> Array:
    return x if layout == "channels_last" else jnp.moveaxis(x, -1, 1)


def kernel_to_channels_last(w: Array, layout: Layout) -> Array:
    return w if layout == "channels_last" else jnp.moveaxis(w, (0, 1), (-1, -2))


def kernel_from_channels_last(w: Array, layout: Layout) -> Array:
    return w if layout == "channels_last" else jnp.moveaxis(w, (-1, -2), (0, 1))


def shape_to_channels_last(
    shape: Sequence[int], layout: Layout, *, kernel: bool = False
) -> tuple[int, ...]:
    """The channels-last order of an image's shape, or a kernel's."""
    shape = tuple(shape)
    if layout == "channels_last":
        return shape
    first, second, *space = shape
    return (*space, second, first) if kernel else (first, *space, second)
