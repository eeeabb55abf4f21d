"""Networks with a wrong gradient, and losses of training runs made by hand."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np

from jaxcnn.ops import EXPLICIT


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def with_factor(w, factor):
    """w itself, with its gradient times a factor."""
    return w


with_factor.defvjp(lambda w, factor: (w, None), lambda factor, _, dw: (dw * factor,))


def wrong_kernel_gradient(factor):
    def conv(x, w, b=None, **options):
        return EXPLICIT.conv(x, with_factor(w, factor), b, **options)

    return EXPLICIT._replace(conv=conv)


def drawn(seeds=3, steps=100):
    """Losses that fall to 0.1, with the difference between seeds and batches that there
    is."""
    random = np.random.default_rng(0)
    return 2 * np.exp(-np.arange(steps) / 20) + 0.1 + 0.05 * random.random((seeds, steps))
