"""An augmentation that changes labels, or that goes by the step: what the step makes of
it, in all ways to call a step."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.training import find_nonfinite, init_train_state, make_train_step, scan_steps
from tests.training._training import KEY

# The logits are the image's channels, so that the loss can be told by hand.
MODEL = layers.serial(layers.global_avg_pool(), layers.dense(3))
SGD = optax.sgd(0.0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2, 2, 3)), jnp.float32)
Y = jnp.array([0, 2, 1, 2])
SHARES = jnp.array([0.75, 0.25])


def start():
    state = init_train_state(MODEL, SGD, KEY, X.shape)
    state.params["1_dense"].update(w=jnp.eye(3), b=jnp.zeros(3))
    return state


def mixed(key, x, y):
    """Each image with the one before it."""
    del key
    own, other = SHARES
    hot = jax.nn.one_hot(y, 3)
    return own * x + other * jnp.roll(x, 1, 0), own * hot + other * jnp.roll(hot, 1, 0)


def expected_metrics(x, q):
    logits = np.asarray(x).mean((1, 2))
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -(np.asarray(q) * log_p).sum(1).mean(), np.mean(logits.argmax(1) == np.asarray(Y))


@pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
def test_labels_become_probabilities(ops):
    """The loss is that of the mixed labels; an answer is right if it is the likeliest
    class, which is the image's own here."""
    _, metrics = make_train_step(MODEL, SGD, ops=ops, augment=mixed)(start(), X, Y)
    loss, accuracy = expected_metrics(*mixed(KEY, X, Y))
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-6)
    assert metrics["accuracy"] == accuracy
    assert 0 < accuracy < 1


def test_gradients_are_those_of_the_mixed_batch():
    by_step = make_train_step(MODEL, optax.sgd(1.0), augment=mixed)(start(), X, Y)[0].params
    x, q = mixed(KEY, X, Y)
    p = jax.nn.softmax(x.mean((1, 2)))
    np.testing.assert_allclose(
        by_step["1_dense"]["b"], -np.asarray(p - q).mean(0), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("as_probabilities", [False, True])
def test_a_batch_in_another_order_has_the_labels_of_that_order(as_probabilities):
    """The accuracy goes by the labels that augment gives, not by those it was given: of
    these all are right."""
    order, right = jnp.array([2, 0, 3, 1]), jnp.argmax(X.mean((1, 2)), axis=-1)
    assert not np.array_equal(right, right[order])

    def reordered(key, x, y):
        labels = jax.nn.one_hot(y, 3) if as_probabilities else y
        return x[order], labels[order]

    _, metrics = make_train_step(MODEL, SGD, augment=reordered)(start(), X, right)
    _, plain = make_train_step(MODEL, SGD)(start(), X, right)
    assert metrics["accuracy"] == plain["accuracy"] == 1
    np.testing.assert_allclose(metrics["loss"], plain["loss"], rtol=1e-6)


def test_it_is_told_the_step():
    """Step by step and in a scan: 0, 1, 2, an int32."""

    def brightened(key, x, y, step):
        assert step.dtype == jnp.int32 and step.shape == ()
        return x + step.astype(x.dtype) * (y == 2).astype(x.dtype)[:, None, None, None], y

    step = make_train_step(MODEL, SGD, loss=lambda logits, y: logits[:, 0], augment=brightened)
    state, losses = start(), []
    for _ in range(3):
        state, metrics = step(state, X, Y)
        losses.append(float(metrics["loss"]))
    np.testing.assert_allclose(np.diff(losses), 0.5, rtol=1e-5)  # half of the labels are 2
    _, metrics = scan_steps(step)(start(), jnp.stack([X] * 3), jnp.stack([Y] * 3))
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-6)


def test_bfloat16_images_and_labels_as_they_are():
    seen = []

    def loss(logits, labels):
        seen.append((logits.dtype, labels.dtype))
        return EXPLICIT.softmax_cross_entropy(logits, labels)

    step = make_train_step(MODEL, SGD, loss=loss, augment=mixed, compute_dtype=jnp.bfloat16)
    _, metrics = step(start(), X, Y)
    assert {(str(a), str(b)) for a, b in seen} == {("float32", "float32")}
    np.testing.assert_allclose(metrics["loss"], expected_metrics(*mixed(KEY, X, Y))[0], rtol=2e-2)


def test_find_nonfinite_takes_the_same():
    find = partial(find_nonfinite, MODEL, start(), X, Y)
    assert find(augment=mixed) is None
    assert find(augment=lambda key, x, y, step: (x / step.astype(x.dtype), y)).startswith(
        "the images: 48 of 48"
    )
    infinite = find(augment=lambda key, x, y: (x, jax.nn.one_hot(y, 3) * jnp.inf))
    assert infinite.startswith("the loss is not finite")


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        pytest.param(
            lambda key, x: (x, x), r"gives labels too takes them, \(key, x, y\)", id="pair"
        ),
        pytest.param(lambda key, x, y: x, r"must give a pair, \(x, y\), got", id="images alone"),
        pytest.param(lambda key, x, y, step: (x,), "must give a pair", id="one"),
        pytest.param(lambda key, x, y: (x, None), "y that augment gives must be", id="no labels"),
        pytest.param(lambda key, x: None, "what augment gives must be", id="nothing"),
    ],
)
def test_what_it_must_give(augment, message):
    with pytest.raises(ValueError, match=message):
        make_train_step(MODEL, SGD, augment=augment)(start(), X, Y)


def test_a_function_in_c_is_given_key_and_images():
    """Without a signature to read, it is of the first form."""
    step = make_train_step(MODEL, SGD, augment=jax.jit(lambda key, x: x * 2))
    _, metrics = step(start(), X, Y)
    loss, _ = expected_metrics(2 * X, jax.nn.one_hot(Y, 3))
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-6)
