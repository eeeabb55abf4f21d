"""A network of which a part is trained."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import layers
from jaxcnn.training import init_train_state, make_train_step, scan_steps

KEY = jax.random.key(0, impl="rbg")


MODEL = layers.serial(
    layers.conv(4, 3),
    layers.batch_norm(),
    layers.relu(),
    layers.flatten(),
    layers.dense(3),
    layers.dense(2),
)


SMALL = layers.serial(layers.dense(3), layers.dense(2))
SHAPE = (8, 5, 5, 2)
X = jax.random.normal(jax.random.key(1), SHAPE)
Y = jnp.arange(8) % 2


PATHS = (
    "0_conv/b",
    "0_conv/w",
    "1_batch_norm/bias",
    "1_batch_norm/scale",
    "4_dense/b",
    "4_dense/w",
    "5_dense/b",
    "5_dense/w",
)


def last(path: str) -> bool:
    return path.startswith("5_dense/")


def by_path(tree) -> dict[str, np.ndarray]:
    leaves = jax.tree.leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }


def adamw(mask=None) -> optax.GradientTransformation:
    """AdamW with a large decay; see `test_training.adamw`."""
    optimizer = optax.adamw(1e-2, weight_decay=0.5, mask=mask)

    def update(*args):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(*args)

    return optax.GradientTransformation(optimizer.init, update)


def trained(trainable, optimizer, *, model=MODEL, shape=SHAPE, steps: int = 3, **options):
    """The parameters at the start, and the state after some steps."""
    x = X if shape == SHAPE else X[:, 0, 0]
    state = init_train_state(model, optimizer, KEY, shape, trainable=trainable, **options)
    start = by_path(state.params)
    state, metrics = scan_steps(make_train_step(model, optimizer, trainable=trainable))(
        state, jnp.stack(steps * [x]), jnp.stack(steps * [Y])
    )
    assert metrics["finite"].all()
    return start, state


def kernels(params):
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "w", params)
