"""Batch and layer normalisation, against their definitions in NumPy, their autodiff
twins and PyTorch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxcnn.ops._norm_arguments import check_axes
from jaxcnn.ops.norm import (
    BatchNormState,
    _batch_norm,
    _layer_norm,
    _layer_norm_bwd,
    _standardize,
    _x_hat,
    batch_norm,
    layer_norm,
)
from tests.ops.naive_elementwise import (
    assert_close,
    broken,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    normalised,
    place,
    random_like,
    value_and_gradients,
)

EPSILON = 0.1  # large enough to show where it is forgotten


def naive_layer_norm(x, scale=1.0, bias=0.0, *, axes):
    """One set after the other."""
    y = np.zeros_like(x)
    others = [axis for axis in range(x.ndim) if axis not in axes]
    for index in np.ndindex(*(x.shape[axis] for axis in others)):
        place = [slice(None)] * x.ndim
        for axis, i in zip(others, index, strict=True):
            place[axis] = i
        values = x[tuple(place)]
        mean = sum(values.ravel()) / values.size
        var = sum((values.ravel() - mean) ** 2) / values.size
        y[tuple(place)] = scale * (values - mean) / np.sqrt(var + EPSILON) + bias
    return y


def naive_batch_norm(x, scale=None, bias=None, mean=None, var=None, *, channel):
    """One channel after the other, by its own statistics or those given."""
    y = np.zeros_like(x)
    for c in range(x.shape[channel]):
        place = (slice(None),) * channel + (c,)
        values = x[place]
        m = np.mean(values) if mean is None else mean[c]
        v = np.mean((values - m) ** 2) if var is None else var[c]
        y[place] = (values - m) / np.sqrt(v + EPSILON)
        y[place] = (1 if scale is None else scale[c]) * y[place] + (0 if bias is None else bias[c])
    return y


def trained(x, scale=None, bias=None, **options):
    """batch_norm in training, without the new state."""
    c = x.shape[1 if options.get("layout") == "channels_first" else -1]
    state = BatchNormState(jnp.zeros(c, x.dtype), jnp.ones(c, x.dtype))
    return batch_norm(x, scale, bias, state, train=True, epsilon=EPSILON, **options)[0]


def inferred(x, mean, var, scale=None, bias=None, **options):
    return batch_norm(
        x, scale, bias, BatchNormState(mean, var), train=False, epsilon=EPSILON, **options
    )[0]


def data(*shapes):
    """Normal numbers around 2; the parameters, of which variances are among them, in
    [0.5, 1.5]."""
    rng = np.random.default_rng(0)
    first, *parameters = shapes
    return [2 + rng.normal(size=first), *(rng.uniform(0.5, 1.5, shape) for shape in parameters)]


def bias_only(operation, x, bias, **options):
    return operation(x, None, bias, **options)


norm = partial(layer_norm, epsilon=EPSILON)
CASES: dict[str, tuple] = {  # operation, definition, arguments
    "train": (trained, partial(naive_batch_norm, channel=1), data((4, 3), (3,), (3,))),
    "train_images": (trained, partial(naive_batch_norm, channel=3), data((2, 3, 2, 3), (3,), (3,))),
    "train_channels_first": (
        partial(trained, layout="channels_first"),
        partial(naive_batch_norm, channel=1),
        data((2, 2, 3, 2, 1), (2,), (2,)),
    ),
    "train_bare": (trained, partial(naive_batch_norm, channel=2), data((2, 3, 2))),
    "train_scale": (trained, partial(naive_batch_norm, channel=2), data((2, 3, 2), (2,))),
    "train_bias": (
        partial(bias_only, trained),
        lambda x, bias: naive_batch_norm(x, None, bias, channel=2),
        data((2, 3, 2), (2,)),
    ),
    "infer": (
        inferred,
        lambda x, mean, var, scale, bias: naive_batch_norm(x, scale, bias, mean, var, channel=1),
        data((3, 2), (2,), (2,), (2,), (2,)),
    ),
    "infer_channels_first": (
        partial(inferred, layout="channels_first"),
        lambda x, mean, var, scale, bias: naive_batch_norm(x, scale, bias, mean, var, channel=1),
        data((2, 3, 2), (3,), (3,), (3,), (3,)),
    ),
    "infer_bare": (
        inferred,
        lambda x, mean, var: naive_batch_norm(x, None, None, mean, var, channel=3),
        data((1, 1, 2, 2), (2,), (2,)),
    ),
    "layer": (norm, partial(naive_layer_norm, axes=(1,)), data((3, 4), (4,), (4,))),
    "layer_vector_bare": (
        partial(norm, scale=None, bias=None),
        partial(naive_layer_norm, axes=(0,)),
        data((5,)),
    ),
    "layer_images": (
        partial(norm, axes=(1, 2, -1)),
        partial(naive_layer_norm, axes=(1, 2, 3)),
        data((2, 2, 3, 2), (2, 3, 2), (2, 3, 2)),
    ),
    "layer_middle_axis": (
        partial(norm, axes=1),
        lambda x, scale, bias: naive_layer_norm(x, scale, bias, axes=(1,)),
        data((2, 4, 3), (4,), (4,)),
    ),
    "layer_bias": (
        partial(bias_only, norm),
        lambda x, bias: naive_layer_norm(x, 1.0, bias, axes=(1,)),
        data((3, 4), (4,)),
    ),
}
each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_definition(case):
    compare_with_definition(*CASES[case])


@pytest.mark.parametrize("case", ["train_images", "train_bias", "infer", "layer_images"])
def test_twin(case):
    operation, _, args = CASES[case]
    compare_with_twin(
        operation, args, second_order=case in ("infer", "layer_images")
    )  # the certificate has that of "train"


def test_certificate():
    operation, _, args = CASES["train"]
    certified(operation, [jnp.asarray(a, jnp.float32) for a in args])


# Statistics.


@pytest.mark.parametrize("autodiff", [False, True], ids=["explicit", "autodiff"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_running_statistics(dtype, autodiff):
    """new = momentum old + (1 - momentum) batch, with the biased variance, in the dtype
    of the old ones."""
    x = np.asarray(data((4, 3, 2))[0], np.float32)
    old = BatchNormState(jnp.array([1.0, -1.0], dtype), jnp.array([2.0, 4.0], dtype))
    _, new = jax.jit(partial(batch_norm, train=True, momentum=0.75, autodiff=autodiff))(
        x, None, None, old
    )
    assert isinstance(new, BatchNormState) and new.mean.dtype == new.var.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 2**-8
    assert_close(new.mean, 0.75 * np.array([1, -1]) + 0.25 * x.mean((0, 1)), tolerance, "mean")
    assert_close(new.var, 0.75 * np.array([2, 4]) + 0.25 * x.var((0, 1)), tolerance, "var")
    _, same = batch_norm(x, None, None, old, train=False, autodiff=autodiff)
    assert same is old


@pytest.mark.parametrize("autodiff", [False, True], ids=["explicit", "autodiff"])
def test_no_gradient_through_the_running_statistics(autodiff):
    def of_state(x, mean, var):
        _, new = batch_norm(x, None, None, BatchNormState(mean, var), train=True, autodiff=autodiff)
        return jnp.sum(new.mean + new.var)

    x, scale, bias = (jnp.asarray(a, jnp.float32) for a in data((4, 2), (2,), (2,)))
    for gradient in jax.jit(jax.grad(of_state, (0, 1, 2)))(x, scale, bias):
        np.testing.assert_array_equal(gradient, 0)


def test_the_state_can_be_carried():
    """Through a scan: the running mean converges to that of the data."""
    x = jnp.asarray(data((8, 3))[0], jnp.float32)

    def step(state, _):
        return batch_norm(x, None, None, state, train=True, momentum=0.5)[1], None

    @jax.jit
    def train_and_infer():
        state, _ = jax.lax.scan(step, BatchNormState(jnp.zeros(3), jnp.ones(3)), length=40)
        return state.mean, *(
            batch_norm(x, None, None, state, train=train)[0] for train in (True, False)
        )

    mean, trained_y, inferred_y = train_and_infer()
    assert_close(mean, np.mean(x, 0), 1e-6, "mean")
    assert_close(inferred_y, trained_y, 1e-5, "inference with the statistics of the batch")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_large_mean(dtype):
    """The variance of values far from 0: <x^2> - <x>^2 has no right digit left here."""
    x = 4096 + 32 * np.random.default_rng(0).integers(0, 4, (64, 2))  # exact in bfloat16
    by_batch, by_layer = jax.jit(lambda x: (trained(x), norm(x.T, None, None).T))(
        jnp.asarray(x, dtype)
    )
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON)
    assert_close(by_batch, expected, 1e-6 if dtype == "float32" else 2**-8, "batch_norm")
    assert_close(by_layer, expected, 1e-6 if dtype == "float32" else 2**-8, "layer_norm")


SETS = {  # (64, 6) numbers of which each column is a set
    "a constant": np.full((64, 6), 1000.1),
    "a huge constant": np.full((64, 6), -3e9),
    "around 2000": np.random.default_rng(0).normal(2000, 1, (64, 6)),
    "around a million": np.random.default_rng(1).normal(1e6, 1, (64, 6)),
    "close together": np.random.default_rng(2).normal(1e4, 1e-2, (64, 6)),
    "two, far apart": (
        np.repeat([[0.0], [1e5]], 32, 0) + np.random.default_rng(3).normal(0, 1, (64, 6))
    ),
    "one of them elsewhere": np.r_[np.zeros((1, 6)), np.full((63, 6), 1000.1)],
}


@partial(jax.jit, static_argnames="autodiff")
def by_batch_and_by_layer(x, scale, bias, dy, autodiff):
    old = BatchNormState(jnp.zeros(6), jnp.ones(6))

    def by_batch(x, scale, bias):
        return batch_norm(x, scale[0], bias[0], old, train=True, momentum=0.0, autodiff=autodiff)

    y, vjp, new = jax.vjp(by_batch, x, scale, bias, has_aux=True)
    rows, vjp_of_rows = jax.vjp(lambda x: layer_norm(x.T, None, None, autodiff=autodiff).T, x)
    return y, vjp(dy), new, rows, *vjp_of_rows(dy)


@pytest.mark.parametrize("autodiff", [False, True], ids=["explicit", "autodiff"])
@pytest.mark.parametrize("case", SETS)
def test_far_from_0(case, autodiff):
    """Values, statistics and gradients, to float32's last digits but one; a constant
    becomes 0 exactly."""
    x, scale, bias = (
        np.asarray(a, np.float32) for a in (SETS[case], *data((), (1, 6), (1, 6))[1:])
    )
    dy = random_like(x).astype(np.float32)
    y, gradients, new, rows, dx_of_rows = by_batch_and_by_layer(x, scale, bias, dy, autodiff)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(new.mean, wide.mean(0), rtol=3e-7)
    np.testing.assert_allclose(new.var, wide.var(0), rtol=1e-6, atol=1e-9)
    expected, expected_gradients = normalised(x, scale, bias, dy, (0,), 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    for i, (actual, want) in enumerate(zip(gradients, expected_gradients, strict=True)):
        assert_close(np.ravel(actual), np.ravel(want), 1e-5, f"gradient to argument {i}")
    expected, (dx, _, _) = normalised(x, np.ones((1, 6)), np.zeros((1, 6)), dy, (0,), 1e-5)
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)
    assert_close(dx_of_rows, dx, 3e-6, "dx of layer norm")
    if "constant" in case:
        np.testing.assert_array_equal(rows, 0)


def test_16_bit_statistics_are_summed_in_float32():
    x = jnp.asarray(np.tile([[1.0], [3.0]], (1024, 1)), jnp.bfloat16)
    old = BatchNormState(jnp.zeros(1), jnp.ones(1))
    y, state = jax.jit(partial(batch_norm, train=True, momentum=0.0, epsilon=0.0))(
        x, None, None, old
    )
    assert (float(state.mean[0]), float(state.var[0])) == (2.0, 1.0)
    assert set(np.unique(y)) == {-1.0, 1.0}


def test_mixed_precision():
    """16-bit activations with float32 parameters and statistics: y like x, gradients
    like what they belong to."""
    x, scale, bias, mean, var = (
        jnp.asarray(a, jnp.float32) for a in data((4, 2), (2,), (2,), (2,), (2,))
    )
    args = (x.astype(jnp.bfloat16), mean, var, scale, bias)
    y, gradients = value_and_gradients(inferred, args)
    assert [y.dtype, *(g.dtype for g in gradients)] == [
        jnp.bfloat16,
        jnp.bfloat16,
        *[jnp.float32] * 4,
    ]
    _, exact = value_and_gradients(
        partial(inferred, autodiff=True), (args[0].astype(jnp.float32), *args[1:])
    )
    for i, (actual, expected) in enumerate(zip(gradients, exact, strict=True)):
        assert_close(actual, expected, 2**-7, f"gradient to argument {i}")


def test_what_a_set_cannot_change():
    """dx is orthogonal to a shift and, without epsilon, to a rescaling of the set:
    equation (8)."""
    with jax.enable_x64(True):
        x = jnp.asarray(data((3, 5))[0])
        _, (dx,) = value_and_gradients(lambda x: layer_norm(x, None, None, epsilon=0.0), [x])
        np.testing.assert_allclose(jnp.sum(dx, 1), 0, atol=1e-14)
        np.testing.assert_allclose(jnp.sum(dx * x, 1), 0, atol=1e-13)


@pytest.mark.parametrize("train", [False, True])
def test_residuals(train):
    """One array of x's size: x itself."""
    state = BatchNormState(jnp.zeros(3), jnp.ones(3))

    def y(x, scale):
        return batch_norm(x, scale, None, state, train=train)[0]

    keep = jax.make_jaxpr(lambda x, scale: jax.vjp(y, x, scale)[1])
    jaxpr = keep(jnp.zeros((4, 5, 3)), jnp.ones(3)).jaxpr
    assert [v for v in set(jaxpr.outvars) if v.aval.size > 3] == jaxpr.invars[:1]


def test_empty():
    """Nothing has no statistics, but running ones, and those of the features, do for no
    example."""
    three = jnp.ones(3)
    y, (dx, *of_parameters) = value_and_gradients(
        inferred, [jnp.zeros((0, 2, 3)), three, three, three, three]
    )
    assert y.shape == dx.shape == (0, 2, 3)
    np.testing.assert_array_equal(of_parameters, 0)
    _, (dx, dscale) = value_and_gradients(partial(norm, bias=None), [jnp.zeros((0, 3)), three])
    assert dx.shape == (0, 3) and dscale.tolist() == [0, 0, 0]


# Transformations.


@pytest.mark.parametrize("case", ["train", "layer"])
def test_vmap(case):
    """Over inputs, each with its own statistics, and over a parameter."""
    operation, _, (x, scale, bias) = CASES[case]
    args = [jnp.asarray(a, jnp.float32) for a in ([x, x**2, -x], scale, [bias, bias + 1, bias - 1])]

    def gradients(x, scale, bias, autodiff):
        return jax.grad(lambda *a: jnp.sum(jnp.sin(operation(*a, autodiff=autodiff))), (0, 1, 2))(
            x, scale, bias
        )

    explicit, twin = jax.jit(
        lambda *a: [
            jax.vmap(partial(gradients, autodiff=m), (0, None, 0))(*a) for m in (False, True)
        ]
    )(*args)
    for i in range(3):
        assert_close(explicit[i], twin[i], 5e-6, f"gradient to argument {i}")


@pytest.mark.parametrize("case", ["train_images", "infer", "layer"])
def test_explicit_mesh(case):
    operation, _, args = CASES[case]
    args = [np.concatenate([args[0]] * 2), *args[1:]]  # an even batch
    compare_on_explicit_mesh(operation, args, [P("data"), *[P()] * (len(args) - 1)])


def test_state_on_an_explicit_mesh():
    x, mean, var = (jnp.asarray(a, jnp.float32) for a in data((4, 3), (3,), (3,)))
    plain = batch_norm(x, None, None, BatchNormState(mean, var), train=True)
    mesh = jax.make_mesh((min(2, jax.device_count()),), ("data",))
    with jax.set_mesh(mesh):
        x, mean, var = place(mesh, (x, mean, var), (P("data"), P(), P()))
        y, new = jax.jit(lambda x, state: batch_norm(x, None, None, state, train=True))(
            x, BatchNormState(mean, var)
        )
    assert jax.typeof(new.mean).sharding == jax.typeof(mean).sharding
    assert jax.typeof(y).sharding == jax.typeof(x).sharding
    for actual, expected in zip(jax.tree.leaves((y, new)), jax.tree.leaves(plain), strict=True):
        assert_close(actual, expected, 1e-6, "over the whole batch")


def test_shard_map():
    """Each shard by its own statistics; gradients of replicated parameters are summed
    over the shards."""
    x, scale, bias = (jnp.asarray(a, jnp.float32) for a in data((4, 2), (2,), (2,)))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

    def loss(x, scale, bias):
        return jax.lax.psum(jnp.sum(jnp.sin(trained(x, scale, bias))), "data")

    sharded = jax.shard_map(loss, mesh=mesh, in_specs=(P("data"), P(), P()), out_specs=P())
    gradients = jax.jit(jax.grad(sharded, (0, 1, 2)))(x, scale, bias)

    def by_halves(x, scale, bias):
        return sum(
            jnp.sum(jnp.sin(trained(half, scale, bias, autodiff=True))) for half in (x[:2], x[2:])
        )

    for i, (actual, expected) in enumerate(
        zip(gradients, jax.jit(jax.grad(by_halves, (0, 1, 2)))(x, scale, bias), strict=True)
    ):
        assert_close(actual, expected, 5e-6, f"gradient to argument {i}")


# Other frameworks.


@pytest.mark.parametrize("train", [False, True], ids=["infer", "train"])
def test_torch_batch_norm(train):
    """Its momentum is 1 - ours, and its running variance is unbiased: M / (M - 1) of
    ours."""
    torch = pytest.importorskip("torch")
    x, mean, var, scale, bias = data((4, 3, 2, 2), (3,), (3,), (3,), (3,))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, scale, bias)]
    running = [torch.tensor(mean), torch.tensor(var)]
    y = torch.nn.functional.batch_norm(
        tensors[0], *running, *tensors[1:], training=train, momentum=0.2, eps=EPSILON
    )
    y.backward(torch.tensor(random_like(x)))

    def ours(x, scale, bias):
        state = BatchNormState(jnp.asarray(mean), jnp.asarray(var))
        options = {"train": train, "momentum": 0.8, "epsilon": EPSILON, "layout": "channels_first"}
        return batch_norm(x, scale, bias, state, **options)

    with jax.enable_x64(True):
        args = [jnp.asarray(a) for a in (x, scale, bias)]
        actual, gradients = value_and_gradients(lambda *a: ours(*a)[0], args)
        new = ours(*args)[1]
    assert_close(actual, y.detach().numpy(), 1e-13, "y")
    for i, (gradient, tensor) in enumerate(zip(gradients, tensors, strict=True)):
        assert_close(gradient, tensor.grad.numpy(), 1e-12, f"gradient to argument {i}")
    unbiased = 0.2 * x.var((0, 2, 3)) / (16 - 1) if train else 0.0
    assert_close(new.mean, running[0].numpy(), 1e-13, "running mean")
    assert_close(np.asarray(new.var) + unbiased, running[1].numpy(), 1e-13, "running variance")


def test_torch_layer_norm():
    torch = pytest.importorskip("torch")
    operation, _, args = CASES["layer_images"]
    tensors = [torch.tensor(a, requires_grad=True) for a in args]
    y = torch.nn.functional.layer_norm(tensors[0], args[0].shape[1:], *tensors[1:], eps=EPSILON)
    y.backward(torch.tensor(random_like(args[0])))
    with jax.enable_x64(True):
        actual, gradients = value_and_gradients(operation, [jnp.asarray(a) for a in args])
    assert_close(actual, y.detach().numpy(), 1e-13, "y")
    for i, (gradient, tensor) in enumerate(zip(gradients, tensors, strict=True)):
        assert_close(gradient, tensor.grad.numpy(), 1e-12, f"gradient to argument {i}")


# Wrong arguments, and unusual ones.

three = jnp.ones(3)
state_of_3 = BatchNormState(three, three)


def bn(x, scale=None, bias=None, state=state_of_3, train=True, **options):
    return batch_norm(x, scale, bias, state, train=train, **options)


ERRORS = {
    "rank": (
        lambda: bn(jnp.ones(3)),
        r"x must have a batch, a channel and 0 to 3 spatial axes, got shape \(3,\)",
    ),
    "integers": (lambda: bn(np.ones((4, 3), np.int32)), "x must have a floating dtype, got int32"),
    "layout": (
        lambda: bn(jnp.ones((4, 3)), layout="NCHW"),
        "layout must be 'channels_last' or 'channels_first', got 'NCHW'",
    ),
    "scale_shape": (
        lambda: bn(jnp.ones((4, 3)), jnp.ones(2)),
        r"scale must have the shape .* \(3,\) for x of \(4, 3\), got",
    ),
    "bias_shape": (
        lambda: bn(jnp.ones((4, 3)), None, jnp.ones((1, 3))),
        r"bias must .*bias.reshape\(\(3,\)\) has it",
    ),
    "mean_shape": (lambda: bn(jnp.ones((4, 2))), r"state.mean must have the shape .* \(2,\)"),
    "other_layout": (
        lambda: bn(jnp.ones((2, 3, 5, 5))),
        r"state.mean .* pass layout='channels_first'\?",
    ),
    "state_missing": (
        lambda: bn(jnp.ones((4, 3)), state=(None, None)),
        "state must have a mean and a var",
    ),
    "integer_scale": (
        lambda: bn(jnp.ones((4, 3)), jnp.ones(3, jnp.int32)),
        "scale must have a floating dtype",
    ),
    "momentum": (
        lambda: bn(jnp.ones((4, 3)), momentum=1.5),
        r"momentum .* must be in \[0, 1\], got 1.5",
    ),
    "epsilon": (lambda: bn(jnp.ones((4, 3)), epsilon=-1e-5), "epsilon must not be negative"),
    "one_value": (
        lambda: bn(jnp.ones((1, 3))),
        r"two values per channel when train=True, got one value, shape \(1, 3\)",
    ),
    "one_pixel": (lambda: bn(jnp.ones((1, 1, 1, 3))), "got one value"),
    "no_batch": (lambda: bn(jnp.ones((0, 5, 3))), "got no values"),
    "no_axis": (
        lambda: layer_norm(jnp.float32(1), None, None),
        "axes must be one or more axes of x, which has 0, got -1",
    ),
    "train_word": (
        lambda: bn(jnp.ones((4, 3)), train="False"),
        "train must be True or False, got 'False'",
    ),
    "train_number": (lambda: bn(jnp.ones((4, 3)), train=1), "train must be True or False, got 1"),
    "train_array": (
        lambda: bn(jnp.ones((4, 3)), train=jnp.array(True)),
        "train must be True or False, got an array of bool",
    ),
    "train_traced": (
        lambda: jax.jit(lambda train: bn(jnp.ones((4, 3)), train=train))(True),
        "train must be True or False, got an",
    ),
    "autodiff_word": (
        lambda: bn(jnp.ones((4, 3)), autodiff="no"),
        "autodiff must be True or False, got 'no'",
    ),
    "no_state": (
        lambda: bn(jnp.ones((4, 3)), state=None),
        r"state must be a BatchNormState, a mean and a var, got None",
    ),
    "state_dict": (
        lambda: bn(jnp.ones((4, 3)), state={"mean": three, "var": three}),
        "state must be a BatchNormState",
    ),
    "state_array": (
        lambda: bn(jnp.ones((4, 3)), state=jnp.ones((2, 3))),
        r"got an array of float32, shape \(2, 3\)",
    ),
    "state_of_3": (
        lambda: bn(jnp.ones((4, 3)), state=(three,) * 3),
        "state must be a BatchNormState",
    ),
    "state_words": (
        lambda: bn(jnp.ones((4, 3)), state=("mean", "var")),
        "state.mean must be an array, got str",
    ),
    "state_integers": (
        lambda: bn(jnp.ones((4, 3)), state=([1] * 3, three)),
        "state.mean must have a floating dtype",
    ),
    "negative_variance": (
        lambda: bn(jnp.ones((4, 3)), state=(three, -three), train=False),
        "state.var must not be negative, got -1",
    ),
    "negative_variance_in_training": (
        lambda: bn(jnp.ones((4, 3)), state=(three, [1.0, 2.0, -0.5])),
        "negative, got -0.5",
    ),
    "momentum_word": (
        lambda: bn(jnp.ones((4, 3)), momentum="0.9"),
        r"momentum must be the weight .* number in \[0, 1\], got '0.9'",
    ),
    "momentum_none": (
        lambda: bn(jnp.ones((4, 3)), momentum=None),
        "momentum must be the weight .*, got None",
    ),
    "momentum_flag": (
        lambda: bn(jnp.ones((4, 3)), momentum=True),
        "momentum must be the weight .*, got True",
    ),
    "momentum_nan": (
        lambda: bn(jnp.ones((4, 3)), momentum=np.nan),
        "momentum must be the weight .*, got nan",
    ),
    "momentum_traced": (
        lambda: jax.jit(lambda m: bn(jnp.ones((4, 3)), momentum=m))(0.9),
        "momentum must be the weight .*, got an",
    ),
    "epsilon_word": (
        lambda: layer_norm(jnp.ones(3), None, None, epsilon="1e-5"),
        "epsilon must be a number .*, got '1e-5'",
    ),
    "epsilon_array": (
        lambda: layer_norm(jnp.ones(3), None, None, epsilon=jnp.ones(3)),
        "epsilon must be a number .*, got an array",
    ),
    "epsilon_nan": (
        lambda: layer_norm(jnp.ones(3), None, None, epsilon=np.nan),
        "epsilon must be a number .*, got nan",
    ),
    "epsilon_infinite": (
        lambda: bn(jnp.ones((4, 3)), epsilon=np.inf),
        "epsilon must not be negative, nor infinite, got inf",
    ),
    "complex": (
        lambda: layer_norm(jnp.ones(3, complex), None, None),
        "x must have a floating dtype, got complex64",
    ),
    "no_x": (lambda: layer_norm(None, None, None), "x must be an array, got None"),
    "ragged": (lambda: layer_norm([[1.0], [1.0, 2.0]], None, None), "x must be an array, got list"),
    "object": (lambda: layer_norm(object(), None, None), "x must be an array, got object"),
    "scale_word": (
        lambda: layer_norm(jnp.ones(3), "ones", None),
        "scale must be an array, got str",
    ),
    "bias_of_complex": (
        lambda: layer_norm(jnp.ones(3), None, jnp.ones(3, complex)),
        "bias must have a floating dtype",
    ),
    "axes_float": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=1.0),
        r"axes must be an int, got 1.0 \(float\)",
    ),
    "axes_of_floats": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=(0, 1.0)),
        r"axes must be an int or ints, got \(0, 1.0\)",
    ),
    "axes_flag": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=True),
        "axes must be an int, got True",
    ),
    "axes_none": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=None),
        "axes must be an int, got None",
    ),
    "axes_set": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes={0, 1}),
        "axes must be an int, got {0, 1}",
    ),
    "axes_word": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes="01"),
        "axes must be an int, got '01'",
    ),
    "axes_huge": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=2**70),
        "axes must be below",
    ),
    "axes_outside": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=2),
        "axes must .* which has 2, got 2",
    ),
    "axes_empty": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=()),
        "axes must be one or more",
    ),
    "axes_twice": (
        lambda: layer_norm(jnp.ones((4, 3)), None, None, axes=(1, -1)),
        "axes must be distinct and in increasing",
    ),
    "axes_order": (
        lambda: layer_norm(jnp.ones((4, 3, 3)), None, None, axes=(2, 1)),
        "axes must be distinct and in increasing",
    ),
    "layer_scale": (
        lambda: layer_norm(jnp.ones((4, 3)), jnp.ones(4), None),
        r"scale must .* axes \(1,\), \(3,\) for x of",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "axes", [[1, 2], np.array([1, 2]), (np.int64(1), jnp.array(2)), range(1, 3), (-2, -1)], ids=repr
)
def test_axes_of_any_kind_of_ints(axes):
    x = jnp.ones((2, 3, 4))
    assert check_axes(axes, x) == (1, 2)
    assert (
        jax.eval_shape(partial(layer_norm, axes=axes), x, jnp.ones((3, 4)), None).shape == x.shape
    )


def test_a_variance_that_is_traced_is_not_looked_at():
    y = jax.jit(lambda var: inferred(jnp.ones((4, 3)), three, var))(-three)
    assert np.isnan(y).all()


# Each wrong rule must be seen by the comparison with the definition, or that comparison
# is worth nothing.


def _changed(core, change):
    """The rule of `core` with its cotangents changed: change(cotangents, residuals,
    dy)."""
    right = core.bwd
    return core, lambda *args: change(right(*args), *args[-2:])


def _with(cotangents, i, value):
    return (*cotangents[:i], value, *cotangents[i + 1 :])


def _dx(change):
    """`change` for dx of batch norm in training: change(dx, x_hat, inv_std, dx_hat)."""

    def changed(out, residuals, dy):
        kept, inv_std, scale, _ = residuals
        return _with(out, 0, change(out[0], _x_hat(kept, inv_std), inv_std, scale * dy[0]))

    return _changed(_batch_norm, changed)


def _without_scale(axes, epsilon, residuals, dy):
    """The rule of layer norm with dx of a scale of 1."""
    dx, _, _ = _layer_norm_bwd(axes, epsilon, (*residuals[:2], None, None), dy)
    return _with(_layer_norm_bwd(axes, epsilon, residuals, dy), 0, dx)


WRONG_RULES = {
    "statistics_as_constants": ("train", 0, _dx(lambda dx, x_hat, inv_std, g: inv_std * g)),
    "mean_as_constant": (
        "train",
        0,
        _dx(lambda dx, x_hat, inv_std, g: dx + inv_std * jnp.mean(g, 0, keepdims=True)),
    ),
    "variance_as_constant": (
        "train",
        0,
        _dx(lambda dx, x_hat, inv_std, g: inv_std * (g - jnp.mean(g, 0, keepdims=True))),
    ),
    "inv_std_forgotten": ("train", 0, _dx(lambda dx, x_hat, inv_std, g: dx / inv_std)),
    "unbiased_variance": (
        "train",
        0,
        _dx(
            lambda dx, x_hat, inv_std, g: (
                dx - inv_std * x_hat * jnp.mean(g * x_hat, 0, keepdims=True) / 3
            )
        ),
    ),
    "scale_by_the_mean": (
        "train",
        1,
        _changed(_batch_norm, lambda out, residuals, dy: _with(out, 1, out[1] / 4)),
    ),
    "scale_without_x_hat": (
        "train",
        1,
        _changed(
            _batch_norm, lambda out, residuals, dy: _with(out, 1, jnp.sum(dy[0], 0, keepdims=True))
        ),
    ),
    "bias_over_the_wrong_axes": (
        "train_images",
        2,
        _changed(
            _batch_norm,
            lambda out, residuals, dy: _with(
                out, 2, jnp.broadcast_to(dy[0].sum((1, 2, 3))[0], (1, 1, 1, 3))
            ),
        ),
    ),
    "bias_over_the_batch_only": (
        "train_images",
        2,
        _changed(
            _batch_norm,
            lambda out, residuals, dy: _with(out, 2, jnp.sum(dy[0], 0, keepdims=True)[:, :1, :1]),
        ),
    ),
    "scale_forgotten_in_batch_norms_dx": (
        "train",
        0,
        _changed(_batch_norm, lambda out, residuals, dy: _with(out, 0, out[0] / residuals[2])),
    ),
    "layer_norms_mean_forgotten": (
        "layer",
        0,
        _changed(
            _layer_norm, lambda out, residuals, dy: _with(out, 0, residuals[1] * residuals[2] * dy)
        ),
    ),
    "scale_forgotten_in_dx": ("layer", 0, (_layer_norm, _without_scale)),
    "layer_norms_scale_without_x_hat": (
        "layer",
        1,
        _changed(
            _layer_norm, lambda out, residuals, dy: _with(out, 1, jnp.sum(dy, 0, keepdims=True))
        ),
    ),
    "inference_mean_sign": (
        "infer",
        1,
        _changed(_standardize, lambda out, residuals, dy: _with(out, 1, -out[1])),
    ),
    "inference_variance_factor": (
        "infer",
        2,
        _changed(_standardize, lambda out, residuals, dy: _with(out, 2, 2 * out[2])),
    ),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_seen(name):
    case, argument, (core, wrong_bwd) = WRONG_RULES[name]
    with (
        broken(core, wrong_bwd),
        pytest.raises(AssertionError, match=f"gradient to argument {argument}: relative error"),
    ):
        compare_with_definition(*CASES[case])


def test_a_wrong_second_derivative_is_seen():
    """inv_std is a residual: held constant, it leaves the gradient right and the
    gradient's gradient wrong."""
    right = _layer_norm.fwd

    def wrong_fwd(*args):
        out, (kept, inv_std, scale, bias) = right(*args)
        return out, (kept, jax.lax.stop_gradient(inv_std), scale, bias)

    operation, _, args = CASES["layer"]
    with (
        broken(_layer_norm, _layer_norm.bwd, wrong_fwd),
        pytest.raises(AssertionError, match="float64 second derivative"),
    ):
        compare_with_twin(operation, args, ["float64"])
