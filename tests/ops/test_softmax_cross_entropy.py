"""Softmax cross-entropy: its conventions, its precision, and PyTorch's."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops.cross_entropy import softmax_cross_entropy
from tests.ops._losses import both, normal, ones
from tests.ops.naive_elementwise import assert_close, random_like, value_and_gradients


@both
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_large_logits(smoothing, ops):
    """Nothing overflows, and a shift of all logits changes nothing."""
    z = np.array([[1000.0, 0.0, -1000.0], [0.5, 0.25, -1.0], [0.5, 0.25, -1.0]], np.float32)
    z[2] += 2.0**16  # exact
    operation = partial(
        ops.softmax_cross_entropy, labels=np.array([1, 0, 0]), label_smoothing=smoothing
    )
    losses, (dz,) = value_and_gradients(operation, [jnp.asarray(z)])
    uniform_part = smoothing / 3
    np.testing.assert_allclose(losses[0], 1000 * (1 - smoothing) + uniform_part * 3000, rtol=1e-6)
    assert losses[1] == losses[2]
    dy = random_like(losses)
    np.testing.assert_allclose(
        dz[0] / dy[0], [1 - uniform_part, smoothing - 1 - uniform_part, -uniform_part], atol=1e-6
    )
    np.testing.assert_allclose(dz[1] / dy[1], dz[2] / dy[2], rtol=1e-5)


@both
def test_logits_of_minus_infinity(ops):
    """A class of probability 0: it costs nothing while the target is 0 there (0 log 0 =
    0), and everything otherwise."""
    z = jnp.array([[1.0, -jnp.inf, 2.0]] * 2)
    losses, (dz,) = value_and_gradients(
        partial(ops.softmax_cross_entropy, labels=np.array([0, 1])), [z]
    )
    np.testing.assert_allclose(losses, [np.log(1 + np.e), np.inf], rtol=1e-6)
    p, dy = np.array([1, 0, np.e]) / (1 + np.e), random_like(losses)
    np.testing.assert_allclose(dz, [dy[0] * (p - [1, 0, 0]), dy[1] * (p - [0, 1, 0])], rtol=1e-5)
    smooth = partial(ops.softmax_cross_entropy, labels=np.array([0, 1]), label_smoothing=0.3)
    losses, (dz,) = value_and_gradients(smooth, [z])
    np.testing.assert_array_equal(losses, np.inf)
    np.testing.assert_allclose(dz[0], dy[0] * (p - [0.8, 0.1, 0.1]), rtol=1e-5)


def test_second_derivative_with_a_logit_of_minus_infinity():
    z = jnp.array([1.0, -jnp.inf, 2.0])
    hessian = jax.jit(jax.jacrev(jax.grad(partial(softmax_cross_entropy, labels=0))))(z)
    p = np.array([1, 0, np.e]) / (1 + np.e)
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), rtol=1e-5, atol=1e-7)


@both
@pytest.mark.parametrize("dtype", [np.int8, np.uint32])
def test_labels_outside(dtype, ops):
    """NaN, loudly, and no gradient; -1 is not the last class."""
    labels = np.array([0, 5, 127, 4, -1 if np.issubdtype(dtype, np.signedinteger) else 200]).astype(
        dtype
    )
    z = jnp.asarray(normal(5, 5), jnp.float32)
    losses, (dz,) = value_and_gradients(partial(ops.softmax_cross_entropy, labels=labels), [z])
    np.testing.assert_array_equal(np.isnan(losses), [False, True, True, False, True])
    np.testing.assert_array_equal(dz[np.array([1, 2, 4])], 0)
    assert (dz[np.array([0, 3])] != 0).all()


def test_more_classes_than_the_labels_can_count():
    """int8 labels and 300 classes: class 260 is not class 4."""
    z = jnp.asarray(5 * np.eye(1, 300, 4), jnp.float32)
    loss, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=np.array([4], np.int8)), [z]
    )
    np.testing.assert_allclose(loss, np.log(299 + np.exp(5)) - 5, rtol=1e-6)
    assert np.sum(dz < 0) == 1


def test_64_bit_labels():
    with jax.enable_x64(True):
        loss = jax.jit(softmax_cross_entropy)(np.zeros((2, 3)), np.array([1, 2**32 + 1]))
    np.testing.assert_array_equal(np.isnan(loss), [False, True])


Z_AND_LABELS = jax.ShapeDtypeStruct((4, 9), jnp.float32), jax.ShapeDtypeStruct((4,), jnp.int8)


def test_softmax_residuals():
    """The logits, the labels, and two numbers per example."""
    vjp = jax.eval_shape(
        lambda z, labels: jax.vjp(partial(softmax_cross_entropy, labels=labels), z)[1],
        *Z_AND_LABELS,
    )
    sizes = sorted((a.size, str(a.dtype)) for a in jax.tree.leaves(vjp))
    assert sizes == [(4, "float32"), (4, "float32"), (4, "int8"), (36, "float32")]


def test_16_bit_logits_are_summed_in_float32():
    z = jnp.zeros((1, 4096), jnp.bfloat16)
    losses, (dz,) = value_and_gradients(partial(softmax_cross_entropy, labels=np.array([0])), [z])
    assert losses.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        np.asarray(losses, np.float64), np.log(4096), rtol=2**-8
    )  # a bfloat16 sum would stop at 256
    np.testing.assert_allclose(
        np.asarray(dz[0, 1:], np.float64) / random_like(losses), 1 / 4096, rtol=2**-7
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_torch_cross_entropy(smoothing):
    torch = pytest.importorskip("torch")
    z = 3 * normal(6, 5)
    labels = np.array([0, 4, 2, 3, 3, 1])
    tensor = torch.tensor(z, requires_grad=True)
    losses = torch.nn.functional.cross_entropy(
        tensor, torch.tensor(labels), label_smoothing=smoothing, reduction="none"
    )
    losses.backward(torch.tensor(random_like(losses.detach().numpy())))
    with jax.enable_x64(True):
        operation = partial(softmax_cross_entropy, labels=labels, label_smoothing=smoothing)
        actual, (dz,) = value_and_gradients(operation, [jnp.asarray(z)])
    assert_close(actual, losses.detach().numpy(), 1e-13, "loss")
    assert_close(dz, tensor.grad.numpy(), 1e-13, "gradient")


def test_a_label_that_is_nearly_certain():
    """Loss and gradient keep their digits where p rounds to 1, and the gradients of an
    example add up to 0."""
    margins = np.array([5.0, 12, 17, 20, 40, 80])
    z = np.stack([margins, 0 * margins, 0 * margins - 1], 1)
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=np.zeros(6, np.int32)), [jnp.asarray(z, jnp.float32)]
    )
    rest = np.exp(-margins) * (1 + np.exp(-1))
    p = np.exp(-margins) / (1 + rest)
    dy = random_like(losses)
    np.testing.assert_allclose(losses, np.log1p(rest), rtol=2e-6)
    np.testing.assert_allclose(
        dz / dy[:, None], np.stack([-rest / (1 + rest), p, p * np.exp(-1)], 1), rtol=2e-6
    )


@both
def test_logits_that_are_no_distribution(ops):
    """+inf, or nothing but -inf: NaN, in this example alone."""
    z = jnp.array([[np.inf, 0.0], [-np.inf, -np.inf], [0.0, 0.0]])
    losses, (dz,) = value_and_gradients(
        partial(ops.softmax_cross_entropy, labels=np.zeros(3, np.int32)), [z]
    )
    np.testing.assert_array_equal(np.isnan(losses), [True, True, False])
    assert np.isnan(dz[:2]).any(1).all() and np.isfinite(dz[2]).all()


def test_no_example():
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=np.zeros(0, np.int32)), [ones((0, 3))]
    )
    assert losses.shape == (0,) and dz.shape == (0, 3)
