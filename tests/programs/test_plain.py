"""The plain operations have the arguments, values and gradients of the explicit
ones."""

from __future__ import annotations

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.models import lenet, mobilenet, resnet, vgg
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.plain import PLAIN

KEY = jax.random.key(0, impl="rbg")  # compiles several times faster than the default generator
STATE = jaxcnn.BatchNormState(jnp.array([0.5, -1.0, 2.0]), jnp.array([0.3, 1.0, 4.0]))


def floats(*shape, seed=0):
    """Whole numbers in -3, ..., 3, so that pools meet ties and activations meet 0; of a
    third, so that sums are rounded."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32) / 3


def batch_norm(ops, x, scale, bias, **options):
    y, state = ops.batch_norm(x, scale, bias, STATE, **options)
    return y, *state


NETWORKS = {
    "lenet": lenet,
    "vgg": partial(vgg, features=((4,), (8,)), hidden=(16,)),
    "resnet": partial(resnet, features=(4, 8), blocks=1),
    "mobilenet": partial(mobilenet, stem=(4, 1), blocks=((8, 2),)),
}
IMAGE = (2, 6, 5, 4)

# The operation, other options, and the arrays that it is differentiated to.
CASES = {
    "conv": ("conv", {}, [IMAGE, (3, 2, 4, 3)]),
    "conv-bias-stride-same": (
        "conv",
        {"stride": 2, "padding": "same"},
        [IMAGE, (3, 3, 4, 3), (3,)],
    ),
    "conv-groups-dilation": (
        "conv",
        {"groups": 2, "dilation": (1, 2), "padding": 1},
        [IMAGE, (3, 2, 2, 6), (6,)],
    ),
    "conv-depthwise": ("conv", {"groups": 4, "padding": "same_lower"}, [IMAGE, (2, 3, 1, 8)]),
    "conv-channels-first": (
        "conv",
        {"layout": "channels_first", "padding": "full"},
        [(2, 3, 6, 5), (4, 3, 2, 3), (4,)],
    ),
    "conv-1d-causal": ("conv", {"padding": "causal"}, [(2, 7, 2), (3, 2, 3), (3,)]),
    "conv-3d": ("conv", {}, [(1, 3, 4, 3, 2), (2, 2, 2, 2, 3)]),
    "convolve": ("convolve", {"padding": "full", "stride": (1, 2)}, [IMAGE, (3, 2, 4, 3), (3,)]),
    "convolve-channels-first": (
        "convolve",
        {"layout": "channels_first"},
        [(2, 3, 6, 5), (4, 3, 2, 3)],
    ),
    "max_pool": ("max_pool", {"size": 2}, [IMAGE]),
    "max_pool-overlap": ("max_pool", {"size": 3, "stride": 2, "padding": 1}, [IMAGE]),
    "max_pool-ceil": ("max_pool", {"size": (2, 3), "ceil_mode": True}, [(2, 5, 5, 2)]),
    "max_pool-channels-first": (
        "max_pool",
        {"size": 2, "padding": "same", "layout": "channels_first"},
        [(2, 3, 5, 4)],
    ),
    "avg_pool": ("avg_pool", {"size": 2}, [IMAGE]),
    "avg_pool-padded": (
        "avg_pool",
        {"size": 3, "stride": 2, "padding": 1, "dilation": (1, 2)},
        [IMAGE],
    ),
    "avg_pool-uncounted": (
        "avg_pool",
        {"size": 3, "padding": "same", "count_include_pad": False},
        [IMAGE],
    ),
    "avg_pool-ceil": (
        "avg_pool",
        {"size": 3, "padding": 1, "stride": 3, "ceil_mode": True},
        [(2, 6, 5, 2)],
    ),
    "avg_pool-ceil-uncounted": (
        "avg_pool",
        {"size": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
        [(2, 5, 5, 2)],
    ),
    "avg_pool-crop": ("avg_pool", {"size": 2, "padding": ((-1, 1), (1, -1))}, [IMAGE]),
    "avg_pool-channels-first": (
        "avg_pool",
        {"size": 2, "padding": "same", "layout": "channels_first"},
        [(2, 3, 5, 4)],
    ),
    "global_max_pool": ("global_max_pool", {}, [IMAGE]),
    "global_max_pool-channels-first": (
        "global_max_pool",
        {"layout": "channels_first"},
        [(2, 3, 5, 4)],
    ),
    "global_avg_pool": ("global_avg_pool", {}, [IMAGE]),
    "global_avg_pool-channels-first": (
        "global_avg_pool",
        {"layout": "channels_first"},
        [(2, 3, 5, 4)],
    ),
    "dense": ("dense", {}, [(3, 4), (4, 5), (5,)]),
    "dense-leading-axes": ("dense", {}, [(2, 3, 4), (4, 5)]),
    "relu": ("relu", {}, [(4, 5)]),
    "leaky_relu": ("leaky_relu", {"negative_slope": 0.2}, [(4, 5)]),
    "sigmoid": ("sigmoid", {}, [(4, 5)]),
    "tanh": ("tanh", {}, [(4, 5)]),
    "silu": ("silu", {}, [(4, 5)]),
    "gelu": ("gelu", {}, [(4, 5)]),
    "gelu-exact": ("gelu", {"approximate": False}, [(4, 5)]),
    "batch_norm": ("batch_norm", {"train": True, "momentum": 0.8}, [(4, 3, 2, 3), (3,), (3,)]),
    "batch_norm-inference": (
        "batch_norm",
        {"train": False, "epsilon": 1e-3},
        [(4, 3, 2, 3), (3,), (3,)],
    ),
    "batch_norm-channels-first": (
        "batch_norm",
        {"train": True, "layout": "channels_first"},
        [(4, 3, 2), (3,), (3,)],
    ),
    "layer_norm": ("layer_norm", {}, [(4, 5), (5,), (5,)]),
    "layer_norm-images": (
        "layer_norm",
        {"axes": (1, 3), "epsilon": 1e-3},
        [(2, 3, 4, 2), (3, 2), (3, 2)],
    ),
    "dropout": ("dropout", {"key": KEY, "rate": 0.3}, [(4, 50)]),
    "dropout-inference": ("dropout", {"key": None, "rate": 0.3, "train": False}, [(4, 5)]),
    "softmax_cross_entropy": ("softmax_cross_entropy", {"labels": jnp.array([0, 4, 2])}, [(3, 5)]),
    "softmax_cross_entropy-smooth": (
        "softmax_cross_entropy",
        {"labels": jnp.array([0, 4, 2]), "label_smoothing": 0.1},
        [(3, 5)],
    ),
    "softmax_cross_entropy-probabilities": ("softmax_cross_entropy", {}, [(3, 5), (3, 5)]),
    "softmax_cross_entropy-probabilities-smooth": (
        "softmax_cross_entropy",
        {"label_smoothing": 0.1},
        [(3, 5), (3, 5)],
    ),
    "sigmoid_binary_cross_entropy": ("sigmoid_binary_cross_entropy", {}, [(4, 5), (4, 5)]),
    "mean_squared_error": ("mean_squared_error", {}, [(4, 5), (4, 5)]),
}


def values_and_gradients(operation, args):
    """What it gives, and the gradients of a sum of it with weights that differ from
    place to place."""

    def weighted(*args):
        values = jax.tree.leaves(operation(*args))
        return (
            sum(
                jnp.sum(v * jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape))
                for v in values
            ),
            values,
        )

    gradients, values = jax.grad(weighted, argnums=tuple(range(len(args))), has_aux=True)(*args)
    return [*values, *gradients]


@partial(jax.jit, static_argnums=0)
def both(operations, args):
    return [values_and_gradients(operation, args) for operation in operations]


def pair(case):
    """The explicit operation and the plain one, of arrays alone."""
    name, options, shapes = CASES[case]
    if name == "batch_norm":
        return tuple(partial(batch_norm, ops, **options) for ops in (EXPLICIT, PLAIN)), shapes
    return tuple(partial(getattr(ops, name), **options) for ops in (EXPLICIT, PLAIN)), shapes


def assert_same(explicit, plain, tolerance):
    assert len(explicit) == len(plain)
    for a, b in zip(explicit, plain, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_the_explicit_ones(case):
    operations, shapes = pair(case)
    args = [jnp.asarray(floats(*shape, seed=seed)) for seed, shape in enumerate(shapes)]
    assert_same(*both(operations, args), tolerance=2e-6)


@pytest.mark.parametrize("case", ["conv-bias-stride-same", "batch_norm", "dropout"])
def test_in_float64_too(case):
    with jax.enable_x64(True):
        operations, shapes = pair(case)
        args = [
            jnp.asarray(floats(*shape, seed=seed), jnp.float64) for seed, shape in enumerate(shapes)
        ]
        state = jaxcnn.BatchNormState(*(s.astype(jnp.float64) for s in STATE))
        if case == "batch_norm":
            options = CASES[case][1]
            operations = tuple(
                partial(lambda ops, *a: ops.batch_norm(*a, state, **options)[0], ops)
                for ops in (EXPLICIT, PLAIN)
            )
        results = both(operations, args)
        assert all(a.dtype == jnp.float64 for a in results[1])
        assert_same(*results, tolerance=1e-14)


def test_every_operation_has_a_case():
    assert {name for name, _, _ in CASES.values()} == set(jaxcnn.Ops._fields)


@pytest.mark.parametrize("name", jaxcnn.Ops._fields)
def test_signatures_are_the_same(name):
    explicit, ours = (
        inspect.signature(getattr(ops, name)).parameters.values() for ops in (EXPLICIT, PLAIN)
    )
    assert [(p.name, p.kind, p.default) for p in ours] == [
        (p.name, p.kind, p.default) for p in explicit
    ]


def test_no_rule_of_the_explicit_operations_is_in_a_network():
    x = jnp.ones((2, 8, 8, 1))
    for ops, with_rules in ((PLAIN, False), (EXPLICIT, True)):
        model = NETWORKS["vgg"]()
        params, state = jax.eval_shape(lambda model=model: model.init(KEY, x.shape))
        apply = partial(model.apply, train=True, key=KEY, ops=ops)
        program = jax.make_jaxpr(apply)(params, state, x)
        assert ("custom_vjp" in str(program)) is with_rules


def test_dilated_max_pool_has_values_but_no_gradient():
    x = jnp.asarray(floats(*IMAGE))
    pools = [partial(ops.max_pool, size=2, stride=1, dilation=2) for ops in (EXPLICIT, PLAIN)]
    np.testing.assert_array_equal(pools[0](x), pools[1](x))
    with pytest.raises(NotImplementedError):
        jax.grad(lambda x: pools[1](x).sum())(x)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_them(name):
    """Dropout with the same masks, batch normalisation with the same statistics, and
    the training loss with its gradients."""
    network = NETWORKS[name]()
    x, labels = (
        jnp.asarray(np.random.default_rng(0).random((4, 8, 8, 1), np.float32)),
        jnp.array([3, 1, 4, 1]),
    )
    params, state = jax.jit(lambda: network.init(KEY, x.shape))()

    @jax.jit
    def run(params):
        def loss(params, ops):
            logits, new_state = network.apply(params, state, x, train=True, key=KEY, ops=ops)
            return ops.softmax_cross_entropy(logits, labels).mean(), new_state

        return [jax.value_and_grad(loss, has_aux=True)(params, ops) for ops in (EXPLICIT, PLAIN)]

    assert_same(*map(jax.tree.leaves, run(params)), tolerance=2e-5)
