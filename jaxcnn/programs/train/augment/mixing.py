"""Mixup: pairs of images, and their labels, in random proportions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import betaincinv

QUANTILES = 4096


def mixup(key: Array, x: Array, y: Array, *, alpha: float, classes: int) -> tuple[Array, Array]:
    """Each image mixed with another one, and its label with that one's in the same
    proportion: l x + (1 - l) x', l q + (1 - l) q' with l from Beta(alpha, alpha) (Zhang
    et al. 2018).

    The larger share, max(l, 1 - l), is the image's own, which only says which of the
    two is called the first; so the likeliest label is the image's own. The other image
    is the one before it in the batch, whose order is random already. On several devices
    that moves one image to the neighbour, where a random partner would move all.

    l is one of 4,096 equally likely quantiles of the distribution, because XLA takes
    seconds to compile `jax.random.beta`.

    Args:
      key: of the step.
      x: images (n, h, w, c).
      y: classes (n,), integers in [0, classes).
      alpha: above 0. Small values leave most images nearly alone; 1 is uniform.
      classes: how many there are.

    Returns:
      Images, and probabilities (n, classes) of the dtype of the images.

    >>> x, y = jnp.ones((4, 2, 2, 1)), jnp.array([0, 1, 2, 0])
    >>> x, y = mixup(jax.random.key(0), x, y, alpha=1.0, classes=3)
    >>> bool(jnp.allclose(x, 1)), jnp.argmax(y, axis=1).tolist()
    (True, [0, 1, 2, 0])
    """
    middles = 0.5 + (np.arange(QUANTILES) + 0.5) / (2 * QUANTILES)
    quantiles = jnp.asarray(betaincinv(alpha, alpha, middles), x.dtype)
    own = quantiles[jax.random.randint(key, y.shape, 0, QUANTILES)]
    labels = jax.nn.one_hot(y, classes, dtype=x.dtype)
    return _mixed(own[:, None, None, None], x), _mixed(own[:, None], labels)


def _mixed(own: Array, a: Array) -> Array:
    return own * a + (1 - own) * jnp.roll(a, 1, axis=0)
