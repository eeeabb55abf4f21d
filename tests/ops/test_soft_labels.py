"""Softmax cross-entropy with a probability for each class: what one-hot targets give,
its conventions and precision, and PyTorch's."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops.cross_entropy import softmax_cross_entropy
from tests.ops._losses import both, normal, uniform
from tests.ops.naive_elementwise import assert_close, random_like, value_and_gradients

LABELS = np.array([0, 4, 2, 3])


def probabilities(*shape):
    t = uniform(*shape)
    return t / t.sum(-1, keepdims=True)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_hot_targets_give_what_labels_give(smoothing):
    z = jnp.asarray(3 * normal(4, 5), jnp.float32)
    by_label = partial(softmax_cross_entropy, labels=LABELS, label_smoothing=smoothing)
    hot = jnp.asarray(np.eye(5)[LABELS], jnp.float32)
    by_target = partial(softmax_cross_entropy, labels=hot, label_smoothing=smoothing)
    expected, (dz,) = value_and_gradients(by_label, [z])
    actual, (dz_soft,) = value_and_gradients(by_target, [z])
    assert_close(actual, expected, 1e-6, "loss")
    assert_close(dz_soft, dz, 1e-6, "gradient")


def test_mixed_targets_give_the_mixed_losses():
    z = jnp.asarray(3 * normal(4, 5), jnp.float32)
    first, second = np.eye(5, dtype=np.float32)[LABELS], np.eye(5, dtype=np.float32)[LABELS[::-1]]
    mixed = softmax_cross_entropy(z, 0.75 * first + 0.25 * second)
    of = partial(softmax_cross_entropy, z)
    np.testing.assert_allclose(mixed, 0.75 * of(LABELS) + 0.25 * of(LABELS[::-1]), rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_torch_cross_entropy_of_probabilities(smoothing):
    torch = pytest.importorskip("torch")
    z, t = 3 * normal(6, 5), probabilities(6, 5)
    tensor = torch.tensor(z, requires_grad=True)
    losses = torch.nn.functional.cross_entropy(
        tensor, torch.tensor(t), label_smoothing=smoothing, reduction="none"
    )
    losses.backward(torch.tensor(random_like(losses.detach().numpy())))
    with jax.enable_x64(True):
        operation = partial(softmax_cross_entropy, label_smoothing=smoothing)
        actual, (dz, _) = value_and_gradients(operation, [jnp.asarray(z), jnp.asarray(t)])
    assert_close(actual, losses.detach().numpy(), 1e-13, "loss")
    assert_close(dz, tensor.grad.numpy(), 1e-13, "gradient")


def test_a_target_that_is_nearly_certain():
    """Loss and gradient keep their digits where p rounds to 1."""
    margins = np.array([5.0, 12, 17, 20, 40, 80])
    z = np.stack([margins, 0 * margins, 0 * margins - 1], 1)
    hot = jnp.asarray(np.eye(3)[[0] * 6], jnp.float32)
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=hot), [jnp.asarray(z, jnp.float32)]
    )
    rest = np.exp(-margins) * (1 + np.exp(-1))
    np.testing.assert_allclose(losses, np.log1p(rest), rtol=2e-6)
    np.testing.assert_allclose(dz[:, 0] / random_like(losses), -rest / (1 + rest), rtol=2e-6)


@both
def test_logits_of_minus_infinity(ops):
    """0 log 0 = 0; a target above 0 at a class of probability 0 costs everything."""
    z = jnp.array([[1.0, -jnp.inf, 2.0]] * 2)
    t = jnp.array([[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    losses, (dz, dt) = value_and_gradients(ops.softmax_cross_entropy, [z, t])
    np.testing.assert_allclose(losses, [np.log(1 + np.e) - 0.5, np.inf], rtol=1e-6)
    p, dy = np.array([1, 0, np.e]) / (1 + np.e), random_like(losses)
    np.testing.assert_allclose(dz, dy[:, None] * (p - np.asarray(t)), rtol=1e-5)
    # m = 2, and log sum exp(z - m) is this:
    log_total = np.log1p(np.exp(-1))
    np.testing.assert_allclose(dt[0] / dy[0], [1 + log_total, log_total, log_total], rtol=1e-6)


@both
def test_logits_that_are_no_distribution(ops):
    z = jnp.array([[np.inf, 0.0], [-np.inf, -np.inf], [0.0, 0.0]])
    losses, _ = value_and_gradients(ops.softmax_cross_entropy, [z, jnp.full((3, 2), 0.5)])
    np.testing.assert_array_equal(np.isnan(losses), [True, True, False])


@both
def test_equal_logits_have_equal_gradients(ops):
    """Several classes have the maximum."""
    t = jnp.full((1, 4), 0.25)
    losses, (dz, dt) = value_and_gradients(ops.softmax_cross_entropy, [jnp.ones((1, 4)), t])
    np.testing.assert_allclose(losses, np.log(4), rtol=1e-6)
    np.testing.assert_allclose(dz, 0, atol=1e-7)
    np.testing.assert_allclose(dt / random_like(losses)[:, None], np.log(4), rtol=1e-6)


@pytest.mark.parametrize(
    ("of_logits", "of_targets"), [("bfloat16", "float32"), ("float32", "bfloat16")]
)
def test_mixed_precision(of_logits, of_targets):
    args = [jnp.asarray(normal(4, 5), of_logits), jnp.asarray(probabilities(4, 5), of_targets)]
    loss, gradients = value_and_gradients(softmax_cross_entropy, args)
    assert [str(a.dtype) for a in (loss, *gradients)] == [of_logits, of_logits, of_targets]


def test_residuals():
    """The logits, the targets, and two numbers per example."""
    arrays = [jax.ShapeDtypeStruct((4, 9), jnp.float32)] * 2
    vjp = jax.eval_shape(lambda *a: jax.vjp(softmax_cross_entropy, *a)[1], *arrays)
    assert sorted(a.size for a in jax.tree.leaves(vjp)) == [4, 4, 36, 36]
