"""Seeded augmentation: pure functions of a key and a batch of images (n, height, width,
c), to be called inside a jitted step.

Every image has random numbers of its own, so a batch that is split over devices is
augmented as it would be on one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax


def shift(key: Array, x: Array, *, pixels: int) -> Array:
    """Each image moved by up to `pixels` along both axes, whole pixels, uniformly;
    zeros come in at the border."""
    padded = jnp.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    starts = jax.random.randint(key, (x.shape[0], 2), 0, 2 * pixels + 1)
    return jax.vmap(
        lambda image, start: lax.dynamic_slice(image, (start[0], start[1], 0), x.shape[1:])
    )(padded, starts)


def flip(key: Array, x: Array) -> Array:
    """Each image mirrored left to right with probability 1/2."""
    return jnp.where(jax.random.bernoulli(key, shape=(x.shape[0], 1, 1, 1)), jnp.flip(x, axis=2), x)


def cutout(key: Array, x: Array, *, size: int) -> Array:
    """A square of zeros of `size` pixels in each image (DeVries and Taylor 2017), its
    centre anywhere, so it may hang over."""
    corners = (
        jax.random.randint(key, (2, x.shape[0], 1), 0, jnp.array(x.shape[1:3])[:, None, None])
        - size // 2
    )
    rows, columns = (
        (corner <= jnp.arange(extent)) & (jnp.arange(extent) < corner + size)
        for corner, extent in zip(corners, x.shape[1:3], strict=True)
    )
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0, x)


def make_augment(
    *, shift_pixels: int = 0, flips: bool = False, cutout_size: int = 0
) -> Callable[[Array, Array], Array] | None:
    """A function (key, x) -> x that applies the chosen augmentations one after another;
    None if none is chosen."""
    chosen: list[Callable[[Array, Array], Array]] = []
    if shift_pixels:
        chosen.append(partial(shift, pixels=shift_pixels))
    if flips:
        chosen.append(flip)
    if cutout_size:
        chosen.append(partial(cutout, size=cutout_size))
    if not chosen:
        return None

    def augment(key: Array, x: Array) -> Array:
        for function, own_key in zip(chosen, jax.random.split(key, len(chosen)), strict=True):
            x = function(own_key, x)
        return x

    return augment
