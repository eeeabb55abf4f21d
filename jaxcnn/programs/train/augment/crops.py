"""Where an image lies, and what of it is covered: padded crops, shifts, cutout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax


def crop(
    key: Array, x: Array, *, pixels: int, border: Literal["reflect", "black"] = "reflect"
) -> Array:
    """A crop of the image's own size, anywhere in the image padded by `pixels` on each
    side: the image moved by up to `pixels` along both axes, uniformly (He et al. 2016,
    section 4.2).

    Args:
      key: of the step.
      x: images (n, h, w, c).
      pixels: less than h and w.
      border: what comes in: the mirror image without its edge, as NumPy's "reflect", or
        zeros.

    >>> x = jnp.arange(1.0, 17).reshape(1, 4, 4, 1)
    >>> crop(jax.random.key(0), x, pixels=1).shape
    (1, 4, 4, 1)
    """
    sides = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    padded = jnp.pad(x, sides, mode="reflect" if border == "reflect" else "constant")
    starts = jax.random.randint(key, (x.shape[0], 2), 0, 2 * pixels + 1)
    return jax.vmap(
        lambda image, start: lax.dynamic_slice(image, (start[0], start[1], 0), x.shape[1:])
    )(padded, starts)


def shift(key: Array, x: Array, *, pixels: int) -> Array:
    """Each image moved by up to `pixels` along both axes, whole pixels, uniformly;
    zeros come in at the border."""
    return crop(key, x, pixels=pixels, border="black")


def cutout(key: Array, x: Array, *, size: int, fill: Sequence[float] = (0.0,)) -> Array:
    """A square of `size` pixels in each image covered (DeVries and Taylor 2017), its
    centre anywhere, so it may hang over.

    Args:
      key: of the step.
      x: images (n, h, w, c).
      size: of the square's side, in pixels.
      fill: its colour, a value or one for each channel: the training images' mean,
        which is 0 after normalisation.

    >>> x = cutout(jax.random.key(0), jnp.ones((1, 5, 5, 1)), size=1, fill=(0.25,))
    >>> float(x.sum())  # one pixel in 25
    24.25
    """
    corners = (
        jax.random.randint(key, (2, x.shape[0], 1), 0, jnp.array(x.shape[1:3])[:, None, None])
        - size // 2
    )
    rows, columns = (
        (corner <= jnp.arange(extent)) & (jnp.arange(extent) < corner + size)
        for corner, extent in zip(corners, x.shape[1:3], strict=True)
    )
    covered = (rows[:, :, None] & columns[:, None, :])[..., None]
    return jnp.where(covered, jnp.asarray(fill, x.dtype)[None, None, None], x)
