"""Losses, against their definitions in NumPy, their autodiff twins and PyTorch; their
conventions and errors."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxcnn.ops.loss import (
    _mean_squared_error,
    _sigmoid_binary_cross_entropy,
    _softmax_cross_entropy,
    mean_squared_error,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from tests.ops.naive_elementwise import (
    assert_close,
    broken,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    random_like,
    value_and_gradients,
)


def naive_softmax_cross_entropy(z, labels, a):
    """- sum_j target[j] log p[j], one example after the other."""
    losses = np.zeros(z.shape[:-1])
    k = z.shape[-1]
    for n in np.ndindex(losses.shape):
        p = np.exp(z[n]) / np.sum(np.exp(z[n]))
        for j in range(k):
            target = (1 - a) * (labels[n] == j) + a / k
            losses[n] -= target * np.log(p[j])
    return losses


def naive_sigmoid_binary_cross_entropy(x, y):
    p = 1 / (1 + np.exp(-x))
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def naive_mean_squared_error(p, t):
    return sum((a - b) ** 2 for a, b in zip(p.ravel(), t.ravel(), strict=True)) / p.size


def softmax(labels, a=0.0):
    """The operation with its labels (integers, which are not differentiated), and its
    definition."""
    labels = np.asarray(labels, np.int32)
    operation = partial(softmax_cross_entropy, labels=labels, label_smoothing=a)
    return operation, lambda z: naive_softmax_cross_entropy(z, labels, a)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def uniform(*shape):
    return np.random.default_rng(sum(shape)).uniform(0.05, 0.95, size=shape)


LABELS = np.array([[0, 4, 2], [3, 3, 1]])
CASES = {  # operation, definition, arguments
    "softmax": (*softmax(LABELS), [3 * normal(2, 3, 5)]),
    "softmax_smooth": (*softmax(LABELS, 0.1), [3 * normal(2, 3, 5)]),
    "softmax_uniform_target": (*softmax(LABELS, 1.0), [normal(2, 3, 5)]),
    "softmax_one_example": (*softmax(2), [normal(4)]),
    "softmax_one_class": (*softmax([0, 0]), [normal(2, 1)]),
    "sigmoid": (
        sigmoid_binary_cross_entropy,
        naive_sigmoid_binary_cross_entropy,
        [np.append(3 * normal(5), 0.0).reshape(2, 3), uniform(2, 3)],
    ),
    "mean_squared": (mean_squared_error, naive_mean_squared_error, [normal(3, 2), uniform(3, 2)]),
    "mean_squared_scalar": (mean_squared_error, naive_mean_squared_error, [normal(), uniform()]),
}


@pytest.mark.parametrize("case", CASES)
def test_definition(case):
    compare_with_definition(*CASES[case])


@pytest.mark.parametrize(
    "case", ["softmax", "softmax_smooth", "softmax_uniform_target", "sigmoid", "mean_squared"]
)
def test_twin(case):
    operation, _, args = CASES[case]
    compare_with_twin(operation, args)


def test_certificate():
    operation, _, args = CASES["softmax_smooth"]
    certified(operation, [jnp.asarray(a, jnp.float32) for a in args])


# Softmax cross-entropy.

modes = pytest.mark.parametrize("autodiff", [False, True], ids=["explicit", "autodiff"])


@modes
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_large_logits(smoothing, autodiff):
    """Nothing overflows, and a shift of all logits changes nothing."""
    z = np.array([[1000.0, 0.0, -1000.0], [0.5, 0.25, -1.0], [0.5, 0.25, -1.0]], np.float32)
    z[2] += 2.0**16  # exact
    operation = partial(
        softmax_cross_entropy,
        labels=np.array([1, 0, 0]),
        label_smoothing=smoothing,
        autodiff=autodiff,
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


@modes
def test_logits_of_minus_infinity(autodiff):
    """A class of probability 0: it costs nothing while the target is 0 there (0 log 0 =
    0), and everything otherwise."""
    z = jnp.array([[1.0, -jnp.inf, 2.0]] * 2)
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=np.array([0, 1]), autodiff=autodiff), [z]
    )
    np.testing.assert_allclose(losses, [np.log(1 + np.e), np.inf], rtol=1e-6)
    p, dy = np.array([1, 0, np.e]) / (1 + np.e), random_like(losses)
    np.testing.assert_allclose(dz, [dy[0] * (p - [1, 0, 0]), dy[1] * (p - [0, 1, 0])], rtol=1e-5)
    smooth = partial(
        softmax_cross_entropy, labels=np.array([0, 1]), label_smoothing=0.3, autodiff=autodiff
    )
    losses, (dz,) = value_and_gradients(smooth, [z])
    np.testing.assert_array_equal(losses, np.inf)
    np.testing.assert_allclose(dz[0], dy[0] * (p - [0.8, 0.1, 0.1]), rtol=1e-5)


def test_second_derivative_with_a_logit_of_minus_infinity():
    z = jnp.array([1.0, -jnp.inf, 2.0])
    hessian = jax.jit(jax.jacrev(jax.grad(partial(softmax_cross_entropy, labels=0))))(z)
    p = np.array([1, 0, np.e]) / (1 + np.e)
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), rtol=1e-5, atol=1e-7)


@modes
@pytest.mark.parametrize("dtype", [np.int8, np.uint32])
def test_labels_outside(dtype, autodiff):
    """NaN, loudly, and no gradient; -1 is not the last class."""
    labels = np.array([0, 5, 127, 4, -1 if np.issubdtype(dtype, np.signedinteger) else 200]).astype(
        dtype
    )
    z = jnp.asarray(normal(5, 5), jnp.float32)
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=labels, autodiff=autodiff), [z]
    )
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


@modes
def test_logits_that_are_no_distribution(autodiff):
    """+inf, or nothing but -inf: NaN, in this example alone."""
    z = jnp.array([[np.inf, 0.0], [-np.inf, -np.inf], [0.0, 0.0]])
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=np.zeros(3, np.int32), autodiff=autodiff), [z]
    )
    np.testing.assert_array_equal(np.isnan(losses), [True, True, False])
    assert np.isnan(dz[:2]).any(1).all() and np.isfinite(dz[2]).all()


@pytest.mark.parametrize(
    "labels",
    [
        [0, 4, 2],
        (0, 4, 2),
        range(0, 6, 2),
        [jnp.array(0), np.int8(4), 2],
        np.array([0, 4, 2], np.uint64),
    ],
)
def test_labels_that_are_no_array_of_jax(labels):
    z = jnp.asarray(normal(3, 5), jnp.float32)
    expected = softmax_cross_entropy(z, jnp.asarray(list(map(int, labels))))
    np.testing.assert_array_equal(softmax_cross_entropy(z, labels), expected)
    by_sigmoid = sigmoid_binary_cross_entropy(z[:, 0], [1, 0, 1])
    np.testing.assert_array_equal(
        by_sigmoid, sigmoid_binary_cross_entropy(z[:, 0], jnp.array([1.0, 0.0, 1.0]))
    )


# Sigmoid binary cross-entropy, mean squared error.


@modes
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_infinite_logits(dtype, autodiff):
    """A prediction without doubt costs nothing if it is right, and is infinitely wrong
    otherwise; the gradient is finite."""
    x = jnp.array([np.inf, np.inf, np.inf, -np.inf, -np.inf, -np.inf, np.nan], dtype)
    y = jnp.array([1.0, 0.0, 0.25, 0.0, 1.0, 0.25, 1.0], dtype)
    loss, (dx, dy) = value_and_gradients(
        partial(sigmoid_binary_cross_entropy, autodiff=autodiff), [x, y]
    )
    np.testing.assert_array_equal(
        loss.astype(np.float64), [0, np.inf, np.inf, 0, np.inf, np.inf, np.nan]
    )
    cotangent = np.asarray(jnp.asarray(random_like(x), dtype), np.float64)
    np.testing.assert_allclose(
        dx.astype(np.float64) / cotangent, [0, 1, 0.75, 0, -1, -0.25, np.nan], rtol=2**-8
    )
    if not autodiff:
        np.testing.assert_array_equal(dy.astype(np.float64), -np.asarray(x, np.float64))


def test_tails_of_the_sigmoid_loss():
    """All digits of a loss and a gradient that are small because the logit is large and
    right; none are lost near y = 1."""
    size = np.array([5.0, 10, 17, 20, 40, 80])
    x, y = np.concatenate([size, -size, [1000]]), np.concatenate([np.ones(6), np.zeros(6), [0.999]])
    x, y = x.astype(np.float32), y.astype(np.float32)
    loss, (dx, _) = value_and_gradients(sigmoid_binary_cross_entropy, [x, y])
    tail, left = np.exp(-size), 1000 * (1 - np.float64(y[-1]))
    np.testing.assert_allclose(
        loss, np.concatenate([np.log1p(tail), np.log1p(tail), [left]]), rtol=2e-6
    )
    expected = np.concatenate([-tail / (1 + tail), tail / (1 + tail), [left / 1000]])
    np.testing.assert_allclose(dx / random_like(x), expected, rtol=2e-6)


def test_two_floats_of_different_width():
    """float64 beside float32, without an implicit promotion: the loss like the first,
    each gradient like its argument."""
    with jax.enable_x64(True):
        for operation in (sigmoid_binary_cross_entropy, mean_squared_error):
            for first, second in (
                ("float32", "float64"),
                ("float64", "float32"),
                ("float64", "bfloat16"),
            ):
                args = [jnp.asarray(normal(3, 2), first), jnp.asarray(uniform(3, 2), second)]
                loss, gradients = jax.eval_shape(
                    jax.value_and_grad(lambda *a, f=operation: jnp.sum(f(*a)), (0, 1)), *args
                )
                assert [loss.dtype, *(g.dtype for g in gradients)] == [first, first, second]


@modes
def test_saturated_sigmoid(autodiff):
    x, y = jnp.array([200.0, 200.0, -200.0, -200.0, 0.0]), jnp.array([1.0, 0.0, 0.0, 1.0, 0.5])
    loss, (dx, dy) = value_and_gradients(
        partial(sigmoid_binary_cross_entropy, autodiff=autodiff), [x, y]
    )
    np.testing.assert_allclose(loss, [0, 200, 0, 200, np.log(2)], rtol=1e-6)
    cotangent = random_like(x)
    np.testing.assert_allclose(dx / cotangent, [0, 1, 0, -1, 0], rtol=1e-6)
    np.testing.assert_allclose(dy / cotangent, -x, rtol=1e-6)


@modes
def test_sigmoid_loss_at_0(autodiff):
    """1/2 - y, and 1/4, where max(x, 0) and |x| bend."""
    loss = partial(sigmoid_binary_cross_entropy, labels=0.25, autodiff=autodiff)
    first, second = jax.jit(lambda x: (jax.grad(loss)(x), jax.grad(jax.grad(loss))(x)))(0.0)
    assert (float(first), float(second)) == (0.25, 0.25)


@pytest.mark.parametrize(
    "labels", [np.array([True, False]), np.array([1, 0], np.int8), np.array([1.0, 0.0], np.float16)]
)
def test_label_dtypes(labels):
    x = jnp.array([0.5, -2.0])
    loss, (dx,) = value_and_gradients(partial(sigmoid_binary_cross_entropy, labels=labels), [x])
    expected, (dx_expected,) = value_and_gradients(
        partial(sigmoid_binary_cross_entropy, labels=jnp.array([1.0, 0.0])), [x]
    )
    np.testing.assert_array_equal(loss, expected)
    np.testing.assert_array_equal(dx, dx_expected)


@pytest.mark.parametrize("operation", [sigmoid_binary_cross_entropy, mean_squared_error])
def test_mixed_precision(operation):
    """bfloat16 against float32: the loss like the first, each gradient like its
    argument."""
    args = [jnp.asarray(normal(3, 2), jnp.bfloat16), jnp.asarray(uniform(3, 2), jnp.float32)]
    loss, gradients = value_and_gradients(operation, args)
    assert [loss.dtype, *(g.dtype for g in gradients)] == [jnp.bfloat16, jnp.bfloat16, jnp.float32]
    _, exact = value_and_gradients(operation, [args[0].astype(jnp.float32), args[1]])
    for i, (actual, expected) in enumerate(zip(gradients, exact, strict=True)):
        assert_close(actual, expected, 2**-7, f"gradient to argument {i}")


def test_16_bit_squares_are_summed_in_float32():
    for dtype in ("float16", "bfloat16"):
        p = jnp.asarray(np.full(4096, 16.0), dtype)  # a sum of 2^20, more than float16 can hold
        assert float(jax.jit(mean_squared_error)(p, -p)) == 1024.0


# Transformations.


@pytest.mark.parametrize("case", ["softmax_smooth", "sigmoid", "mean_squared"])
def test_vmap(case):
    """A rule under vmap is the rule on each: gradients of the second of two."""
    operation, _, args = CASES[case]
    args = [jnp.asarray(a, jnp.float32) for a in args]
    gradients = jax.vmap(jax.grad(lambda *a: jnp.sum(operation(*a)), tuple(range(len(args)))))
    twin = jax.grad(lambda *a: jnp.sum(operation(*a, autodiff=True)), tuple(range(len(args))))
    stacked, of_second = jax.jit(
        lambda *a: (gradients(*(jnp.stack([b, b / 2]) for b in a)), twin(*(b / 2 for b in a)))
    )(*args)
    for i, (actual, expected) in enumerate(zip(stacked, of_second, strict=True)):
        assert_close(actual[1], expected, 2e-6, f"gradient to argument {i}")


@pytest.mark.parametrize(
    ("case", "specs"),
    [
        ("softmax_smooth", [P("data")]),
        ("sigmoid", [P("data"), P("data")]),
        ("sigmoid", [P("data"), P(None, None)]),
        ("mean_squared", [P(None, "data"), P(None, "data")]),
    ],
)
def test_explicit_mesh(case, specs):
    operation, _, args = CASES[case]
    compare_on_explicit_mesh(operation, args, specs)


ones = partial(np.ones, dtype=np.float32)
ERRORS = {
    "integer_logits": (
        lambda: softmax_cross_entropy(np.ones((2, 3), np.int32), np.zeros(2, np.int32)),
        "logits must have a float",
    ),
    "one_hot": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.eye(2, 3, dtype=np.float32)),
        (
            r"labels must be integers of shape \(2,\) .* one-hot or probabilities\? pass"
            r" jnp.argmax\(labels, axis=-1\)"
        ),
    ),
    "float_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), ones(2)),
        r"got float32 of \(2,\); convert them, labels.astype",
    ),
    "label_column": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros((2, 1), np.int32)),
        r"pass labels\[..., 0\]",
    ),
    "label_shape": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros(3, np.int32)),
        r"of shape \(2,\) for logits of \(2, 3\)",
    ),
    "smoothing_above": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros(2, np.int32), label_smoothing=1.1),
        r"label_smoothing must be in \[0, 1\], got 1.1",
    ),
    "smoothing_below": (
        lambda: softmax_cross_entropy(ones((2, 3)), np.zeros(2, np.int32), label_smoothing=-0.1),
        "got -0.1",
    ),
    "no_class": (
        lambda: softmax_cross_entropy(ones((2, 0)), np.zeros(2, np.int32)),
        "at least one class",
    ),
    "scalar_logits": (
        lambda: softmax_cross_entropy(jnp.float32(1), np.int32(0)),
        r"at least one class, got shape \(\)",
    ),
    "sigmoid_shapes": (
        lambda: sigmoid_binary_cross_entropy(ones(2), ones(3)),
        r"labels must have the shape of logits, \(2,\)",
    ),
    "sigmoid_column": (
        lambda: sigmoid_binary_cross_entropy(ones((2, 1)), ones(2)),
        "squeeze logits or expand labels",
    ),
    "sigmoid_logits": (
        lambda: sigmoid_binary_cross_entropy(np.ones(2, np.int32), ones(2)),
        "logits must have a floating dtype",
    ),
    "squared_column": (
        lambda: mean_squared_error(ones(4), ones((4, 1))),
        (
            r"targets must have the shape of predictions, \(4,\), got \(4, 1\); .* squeeze targets"
            r" or expand predictions"
        ),
    ),
    "squared_scalar": (
        lambda: mean_squared_error(ones(4), jnp.float32(1)),
        r"shape of predictions, \(4,\), got \(\)$",
    ),
    "squared_integers": (
        lambda: mean_squared_error(ones(2), np.ones(2, np.int32)),
        "targets must have a floating dtype",
    ),
    "smoothing_word": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing="0.1"),
        "label_smoothing must be a number in .*, static, got '0.1'",
    ),
    "smoothing_flag": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing=True),
        "label_smoothing must be a number .* got True",
    ),
    "smoothing_nan": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing=np.nan),
        "label_smoothing .* got nan",
    ),
    "smoothing_traced": (
        lambda: jax.jit(lambda a: softmax_cross_entropy(ones((2, 3)), [0, 1], label_smoothing=a))(
            0.1
        ),
        "label_smoothing must be a number .* got an array of float32",
    ),
    "flag_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), [True, False]),
        r"got bool of \(2,\); convert them, labels.astype",
    ),
    "no_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), None),
        "labels must be an array, got None",
    ),
    "word_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), ["cat", "dog"]),
        "labels must be an array, got list",
    ),
    "huge_labels": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 2**70]),
        "labels must be an array, got list",
    ),
    "complex_logits": (
        lambda: softmax_cross_entropy(ones(3).astype(complex), 0),
        "logits must have a floating dtype, got complex",
    ),
    "autodiff": (
        lambda: softmax_cross_entropy(ones((2, 3)), [0, 1], autodiff="no"),
        "autodiff must be True or False, got 'no'",
    ),
    "sigmoid_autodiff": (
        lambda: sigmoid_binary_cross_entropy(ones(2), ones(2), autodiff=1),
        "autodiff must be True or False, got 1",
    ),
    "sigmoid_complex_labels": (
        lambda: sigmoid_binary_cross_entropy(ones(2), ones(2).astype(complex)),
        "labels must have a floating dtype, got complex",
    ),
    "sigmoid_word": (
        lambda: sigmoid_binary_cross_entropy(ones(2), "10"),
        "labels must be an array, got str",
    ),
    "squared_autodiff": (
        lambda: mean_squared_error(ones(2), ones(2), autodiff=None),
        "autodiff must be True or False, got None",
    ),
    "squared_none": (
        lambda: mean_squared_error(None, ones(2)),
        "predictions must be an array, got None",
    ),
    "squared_empty": (
        lambda: mean_squared_error(ones((0, 2)), ones((0, 2))),
        "predictions must not be empty",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_no_example():
    losses, (dz,) = value_and_gradients(
        partial(softmax_cross_entropy, labels=np.zeros(0, np.int32)), [ones((0, 3))]
    )
    assert losses.shape == (0,) and dz.shape == (0, 3)


# Each wrong rule must be seen by the comparison with the definition, or that comparison
# is worth nothing.


def _softmax_rule(gradient):
    """A rule from gradient(p, [j = label], smoothing, dy)."""

    def wrong_bwd(a, residuals, dy):
        z, labels, _, _ = residuals
        return (
            gradient(
                jax.nn.softmax(z),
                jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype),
                a,
                dy[..., None],
            ),
            None,
        )

    return _softmax_cross_entropy, wrong_bwd


WRONG_RULES = {
    "softmax_not_minus_target": ("softmax", 0, *_softmax_rule(lambda p, hot, a, dy: dy * p)),
    "softmax_smoothing_forgotten": (
        "softmax_smooth",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - hot)),
    ),
    "softmax_smoothing_without_k": (
        "softmax_smooth",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - (1 - a) * hot - a)),
    ),
    "softmax_cotangent_forgotten": ("softmax", 0, *_softmax_rule(lambda p, hot, a, dy: p - hot)),
    "softmax_mean_over_the_batch": (
        "softmax",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - hot) / 6),
    ),
    "softmax_sign": ("softmax", 0, *_softmax_rule(lambda p, hot, a, dy: dy * (hot - p))),
    "softmax_labels_shifted": (
        "softmax",
        0,
        *_softmax_rule(lambda p, hot, a, dy: dy * (p - jnp.roll(hot, 1, -1))),
    ),
    "sigmoid_times_its_derivative": (
        "sigmoid",
        0,
        _sigmoid_binary_cross_entropy,
        lambda r, dy: (dy * (jax.nn.sigmoid(r[0]) - r[1]) * jax.nn.sigmoid(r[0]), -dy * r[0]),
    ),
    "sigmoid_label_sign": (
        "sigmoid",
        1,
        _sigmoid_binary_cross_entropy,
        lambda r, dy: (dy * (jax.nn.sigmoid(r[0]) - r[1]), dy * r[0]),
    ),
    "squared_without_2": (
        "mean_squared",
        0,
        _mean_squared_error,
        lambda r, dy: (dy * (r[0] - r[1]) / 6, dy * (r[1] - r[0]) / 3),
    ),
    "squared_over_the_batch_only": (
        "mean_squared",
        0,
        _mean_squared_error,
        lambda r, dy: (dy * 2 * (r[0] - r[1]) / 3, dy * (r[1] - r[0]) / 3),
    ),
    "squared_target_sign": (
        "mean_squared",
        1,
        _mean_squared_error,
        lambda r, dy: (dy * (r[0] - r[1]) / 3, dy * (r[0] - r[1]) / 3),
    ),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_seen(name):
    case, argument, core, wrong_bwd = WRONG_RULES[name]
    with (
        broken(core, wrong_bwd),
        pytest.raises(AssertionError, match=f"gradient to argument {argument}: relative error"),
    ):
        compare_with_definition(*CASES[case])
