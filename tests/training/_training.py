"""A small network, images of stripes, and forty steps of training."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import layers
from jaxcnn.ops import Ops
from jaxcnn.training import TrainState, init_train_state, make_train_step

KEY = jax.random.key(0, impl="rbg")  # compiles several times faster than the default generator


def network() -> layers.Layer:
    """A layer of each kind that training treats in its own way: parameters, running
    statistics, random numbers.

    The convolution has no bias: normalisation takes it out again, and Adam would blow
    the rounding error of its gradient up.
    """
    block = (
        layers.conv(3, 3, bias=False),
        layers.batch_norm(),
        layers.relu(),
        layers.max_pool(2),
    )
    return layers.serial(*block, layers.flatten(), layers.dropout(0.2), layers.dense(2))


def stripes(batches: int, batch_size: int = 16) -> tuple[jax.Array, jax.Array]:
    """Noisy images (batches, n, 4, 4, 1) of horizontal (class 0) and vertical (1)
    stripes."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, (batches, batch_size))
    horizontal = np.broadcast_to(np.array([1.0, -1, 1, -1])[:, None], (4, 4))
    x = np.where(y[..., None, None] == 0, horizontal, horizontal.T) + random.normal(
        scale=0.8, size=(batches, batch_size, 4, 4)
    )
    return jnp.asarray(x[..., None], jnp.float32), jnp.asarray(y, jnp.int32)


def host(tree):
    """A copy that outlives donation; keys as their data."""
    return jax.tree.map(
        lambda a: np.asarray(
            jax.random.key_data(a) if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key) else a
        ),
        tree,
    )


def assert_trees_close(actual, expected, **tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, **tolerance), host(actual), host(expected))


def adamw(learning_rate) -> optax.GradientTransformation:
    """AdamW, which raises a Python float to an integer array's power: strict promotion,
    on in these tests, refuses that."""
    optimizer = optax.adamw(learning_rate)

    def update(*args):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(*args)

    return optax.GradientTransformation(optimizer.init, update)


class Trained:
    """Forty steps of `network`, one by one."""

    def __init__(self, ops: Ops):
        self.x, self.y = stripes(batches=40)
        self.model = network()
        self.optimizer = adamw(optax.cosine_decay_schedule(3e-2, 40))
        self.step = make_train_step(self.model, self.optimizer, ops=ops)
        state = self.initial_state()
        self.metrics = []
        for x, y in zip(self.x, self.y, strict=True):
            state, metrics = self.step(state, x, y)
            self.metrics.append(host(metrics))
        self.state = state

    def initial_state(self) -> TrainState:
        return init_train_state(self.model, self.optimizer, KEY, self.x.shape[1:])
