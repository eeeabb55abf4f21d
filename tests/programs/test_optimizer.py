"""The optimiser of a run against updates computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.optimizer import make_optimizer, make_schedule

pytestmark = pytest.mark.usefixtures("standard_promotion")

PARAMS = {
    "0_conv": {"w": jnp.full(3, 2.0), "b": jnp.full(2, 2.0)},
    "1_batch_norm": {"scale": jnp.full(2, 2.0)},
}
GRADS = jax.tree.map(lambda p: jnp.full_like(p, 3.0), PARAMS)


def updated(config, steps=1, grads=GRADS):
    optimizer = make_optimizer(config, optax.constant_schedule(config.learning_rate))
    params, state = PARAMS, optimizer.init(PARAMS)
    for _ in range(steps):
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("name", ["sgd", "adamw", "lion"])
def test_weight_decay_spares_biases_and_norms(name):
    config = Config(optimizer=name, learning_rate=0.1, weight_decay=0.5)
    params = updated(config, grads=jax.tree.map(jnp.zeros_like, PARAMS))
    np.testing.assert_array_equal(params["0_conv"]["b"], 2)
    np.testing.assert_array_equal(params["1_batch_norm"]["scale"], 2)
    momentum = (
        1.9 if name == "sgd" else 1
    )  # Nesterov's first step: the gradient, and momentum times it
    np.testing.assert_allclose(params["0_conv"]["w"], 2 - 0.1 * 0.5 * 2 * momentum, rtol=1e-6)


@pytest.mark.slow
def test_clipping_and_accumulation():
    norm = 3 * np.sqrt(7)
    config = Config(optimizer="sgd", learning_rate=0.1, weight_decay=0, momentum=0, clip_norm=1.0)
    np.testing.assert_allclose(updated(config)["0_conv"]["b"], 2 - 0.1 * 3 / norm, rtol=1e-6)
    config = Config(optimizer="sgd", learning_rate=0.1, weight_decay=0, momentum=0, accumulate=3)
    np.testing.assert_allclose(updated(config, steps=2)["0_conv"]["b"], 2, rtol=1e-6)
    np.testing.assert_allclose(updated(config, steps=3)["0_conv"]["b"], 2 - 0.1 * 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"schedule": "constant"}, [1] * 10, id="constant"),
        pytest.param({"schedule": "linear"}, [1 - i / 10 for i in range(10)], id="linear"),
        pytest.param(
            {"schedule": "cosine"},
            [(1 + np.cos(np.pi * i / 10)) / 2 for i in range(10)],
            id="cosine",
        ),
        pytest.param(
            {"schedule": "linear", "warmup_epochs": 0.8},
            [0.2, 0.4, 0.6, 0.8, *(1 - i / 6 for i in range(6))],
            id="warm-up",
        ),
        pytest.param(
            {"warmup_epochs": 9}, [(i + 1) / 11 for i in range(10)], id="nothing but warm-up"
        ),
    ],
)
def test_schedules(options, expected):
    schedule = make_schedule(Config(learning_rate=1.0, **options), epochs=2, updates_per_epoch=5)
    np.testing.assert_allclose([schedule(i) for i in range(10)], expected, atol=1e-6)
