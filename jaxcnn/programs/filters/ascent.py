r"""Images that are made to excite a filter: activation maximisation.

Erhan, Bengio, Courville and Vincent ("Visualizing Higher-Layer Features of a Deep
Network", 2009) climb from a random image x along the gradient of the answer a of one
unit. Here the unit is the filter's answer at the position in the middle, before the
activation, and x has values in [0, 1], as an image has. One step is

    x := clip(x + eta (g / max |g| - lambda_t T(x) - lambda_m (x - mean)), 0, 1)     (1)

    g = roll^-1 da(roll(x))/dx                                                       (2)

With the largest entry of g made 1, eta has the same meaning for every filter and every
layer. The other terms keep the image from what only excites: single pixels.

- roll moves x by some pixels, drawn anew for each step ("jitter": Mordvintsev, Olah and
  Tyka, "Inceptionism", 2015). What the filter needs in one exact place is averaged
  away. The last quarter of the steps does without, so that what is there can become
  sharp.
- T is the gradient of half the sum of squared differences between neighbours, a total
  variation (Mahendran and Vedaldi, CVPR 2015): T[a, b] = sum over the neighbours of
  x[a, b] - x[neighbour].
- The last term draws what the filter does not care for back to the mean image (the
  weight decay of Simonyan, Vedaldi and Zisserman, 2014, and of Yosinski, Clune, Nguyen,
  Fuchs and Lipson, 2015).

The answer that is reported is that to the image as a page shows it, in 8 bits, without
jitter. Where the answer has no gradient, behind activations that are off, x stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn import layers
from jaxcnn.stored.inference import in_float32, standardised
from jaxcnn.stored.model import StoredModel

STEP = 0.05
SMOOTH = 0.25
DECAY = 0.02
NOISE = 0.05
"""eta, lambda_t and lambda_m of (1), and the deviation of the noise at the start."""
AT_ONCE = 32
"""Steps of one call."""


class Made(NamedTuple):
    """Images that excite filters, one each.

    Attributes:
      images: (f, h, w, c), uint8.
      start: the answers before the first step, (f,).
      reached: the answers to the images, (f,).
    """

    images: np.ndarray
    start: np.ndarray
    reached: np.ndarray


def jitter(image_size: Sequence[int]) -> int:
    """The most pixels by which (2) moves an image: a sixteenth of its shorter side.

    >>> jitter((32, 32)), jitter((8, 8))
    (2, 1)
    """
    return max(1, min(image_size) // 16)


def ascend(
    stored: StoredModel,
    path: str,
    filters: Sequence[int],
    position: tuple[int, int],
    *,
    steps: int,
    seed: int,
    done: Callable[[int], object] = lambda count: None,
) -> Made:
    """Make an image for each filter, by equation (1).

    Args:
      stored: the network.
      path: of the layer whose output is the filters' answers, as in `layers.outputs`.
      filters: their numbers.
      position: row and column of the answer.
      steps: of (1); at least 1.
      seed: of the first image and of the jitter.
      done: is told of the number of steps after each call.
    """
    shape = (len(filters), *stored.description.image_shape)
    mean = jnp.asarray(stored.normalisation.mean, jnp.float32)
    params, state = in_float32(stored.params), in_float32(stored.state)
    most = jitter(shape[1:3])
    row, column = position

    def answers(params: Any, state: Any, x: Array) -> Array:
        x = standardised(x, stored.normalisation)
        y = layers.outputs(stored.model, params, state, x)[path][:, row, column]
        return y[jnp.arange(len(filters)), jnp.asarray(filters)]

    def step(params: Any, state: Any, x: Array, key: Array, moves: Array) -> Array:
        move = moves * jax.random.randint(key, (2,), -most, most + 1)
        rolled = jnp.roll(x, move, axis=(1, 2))
        g = jax.grad(lambda x: jnp.sum(answers(params, state, x)))(rolled)
        g = jnp.roll(g, -move, axis=(1, 2))  # (2)
        g = g / jnp.maximum(jnp.max(jnp.abs(g), axis=(1, 2, 3), keepdims=True), 1e-30)
        up = g - SMOOTH * roughness(x) - DECAY * (x - mean)
        return jnp.clip(x + STEP * up, 0, 1)  # (1)

    @jax.jit
    def several(params: Any, state: Any, x: Array, keys: Array, moves: Array) -> Array:
        def body(x: Array, key_and_moves: tuple[Array, Array]) -> tuple[Array, None]:
            return step(params, state, x, *key_and_moves), None

        return jax.lax.scan(body, x, (keys, moves))[0]

    first, chance = jax.random.split(jax.random.key(seed))
    x = jnp.clip(mean + NOISE * jax.random.normal(first, shape, jnp.float32), 0, 1)
    keys = jax.random.split(chance, steps)
    moves = jnp.arange(steps) < 3 * steps // 4
    measure = jax.jit(answers)
    start = np.asarray(measure(params, state, x))
    for begin in range(0, steps, AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        x = several(params, state, x, keys[part], moves[part].astype(int))
        x.block_until_ready()
        done(len(keys[part]))
    images = np.rint(255 * np.asarray(x)).astype(np.uint8)
    reached = measure(params, state, jnp.asarray(images, jnp.float32) / 255)
    return Made(images, start, np.asarray(reached))


def roughness(x: Array) -> Array:
    """T of (1), of images (n, h, w, c): at a border there are fewer neighbours.

    >>> roughness(jnp.array([0.0, 1.0, 0.0]).reshape(1, 1, 3, 1)).ravel().tolist()
    [-1.0, 2.0, -1.0]
    """
    total = jnp.zeros_like(x)
    for axis in (1, 2):
        wide = jnp.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(4)], mode="edge")
        before, after = (
            jax.lax.slice_in_dim(wide, first, first + x.shape[axis], axis=axis) for first in (0, 2)
        )
        total += 2 * x - before - after
    return total
