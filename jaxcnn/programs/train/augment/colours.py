"""Colour: brightness, contrast and saturation, each by a random factor."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to the grey of a pixel (ITU-R BT.601)."""


def colour(
    key: Array,
    x: Array,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
) -> Array:
    """Each image's brightness, contrast and saturation times a factor of its own, which
    is uniform in [1 - amount, 1 + amount] but not below 0.

        brightness: b x
        contrast:   c x + (1 - c) mean of the image's grey
        saturation: s x + (1 - s) grey of the pixel

    One after another in this order, each result clipped to [0, 1]: torchvision's
    ColorJitter, which draws the order too.

    Args:
      key: of the step.
      x: images (n, h, w, c) in [0, 1] with c = 1 or 3. One channel has no saturation.
      brightness, contrast, saturation: the amounts, at least 0; 0 leaves it as it is.

    >>> x = jnp.full((1, 2, 2, 3), 0.5)
    >>> bool((colour(jax.random.key(0), x, contrast=0.5, saturation=0.5) == x).all())
    True
    """
    keys = jax.random.split(key, 3)
    if brightness:
        x = _blend(_factors(keys[0], x, brightness), x, jnp.zeros((), x.dtype))
    if contrast:
        mean = grey(jnp.mean(x, axis=(1, 2), keepdims=True))
        x = _blend(_factors(keys[1], x, contrast), x, mean)
    if saturation and x.shape[-1] == 3:
        x = _blend(_factors(keys[2], x, saturation), x, grey(x))
    return x


def grey(x: Array) -> Array:
    """(n, h, w, 1)

    Raises:
      ValueError: if the images have neither one channel nor three.
    """
    if x.shape[-1] not in (1, 3):
        raise ValueError(f"x must have one channel or three, got shape {x.shape}")
    if x.shape[-1] == 1:
        return x
    # XLA's CPU code for a sum over an axis of three takes seven times as long.
    red, green, blue = jnp.split(x, 3, axis=-1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _factors(key: Array, x: Array, amount: float) -> Array:
    """(n, 1, 1, 1)"""
    shape = (x.shape[0], 1, 1, 1)
    return jax.random.uniform(key, shape, x.dtype, max(0.0, 1 - amount), 1 + amount)


def _blend(factor: Array, x: Array, other: Array) -> Array:
    # As a step from `other`, so that x = other stays what it is.
    return jnp.clip(other + factor * (x - other), 0, 1)
