"""Dropout, against its definition with the mask that it drew, and its twin; its
statistics, its conventions and errors."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.ops.inverted_dropout import _dropout, _dropout_definition, dropout
from tests.ops.naive_elementwise import (
    broken,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    value_and_gradients,
)

KEY = jax.random.key(0, impl="rbg")  # compiles in a third of the default's time
RATE = 0.3
X = np.random.default_rng(0).normal(size=(5, 7))
with_key = partial(dropout, key=KEY, rate=RATE)


@partial(jax.jit, static_argnames=("rate", "ops"))
def drawn(x, key, rate=RATE, ops=EXPLICIT):
    return ops.dropout(x, key, rate=rate)


def mask(shape, key=KEY, rate=RATE):
    return np.asarray(drawn(np.ones(shape, np.float32), key, rate)) > 0


def naive_dropout(x, keep, rate):
    y = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        y[index] = x[index] / (1 - rate) if keep[index] else 0.0
    return y


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_definition(rate):
    keep = mask(X.shape, rate=rate)
    assert 0 < keep.sum() < keep.size
    compare_with_definition(
        partial(dropout, key=KEY, rate=rate), lambda x: naive_dropout(x, keep, rate), [X]
    )


def test_twin():
    compare_with_twin(with_key, [X])


def test_rate_is_the_probability_to_drop():
    for rate in (0.1, 0.5, 0.9):
        keep = mask((10_000,), rate=rate)
        assert abs(keep.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / keep.size)


def test_the_mean_is_kept():
    """And in bfloat16 the factor is the nearest one: 1 - rate is not rounded before the
    division."""
    draw = jax.jit(
        lambda dtype: dropout(jnp.full(20_000, 0.5, dtype), KEY, rate=0.1), static_argnums=0
    )
    for dtype in ("float32", "bfloat16"):
        values = np.asarray(draw(dtype), np.float64)
        assert abs(values.max() - 0.5 / 0.9) <= 0.5 / 0.9 * (2**-9 if dtype == "bfloat16" else 1e-7)
        np.testing.assert_allclose(values.mean(), 0.5, rtol=0.01)


def test_masks():
    """The same key gives the same mask, in both modes and dtypes and in the gradient;
    another key another one."""
    keep = mask(X.shape)
    y, (dx,) = value_and_gradients(with_key, [jnp.asarray(X, jnp.float32)])
    np.testing.assert_array_equal(np.asarray(y) != 0, keep)
    np.testing.assert_array_equal(np.asarray(dx) != 0, keep)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(np.asarray(drawn(X, KEY, ops=AUTODIFF)) != 0, keep)
    assert (mask(X.shape, jax.random.key(1, impl="rbg")) != keep).any()
    rows = jax.jit(jax.vmap(lambda x, key: dropout(x, key, rate=RATE)))(
        jnp.ones((2, 50)), jax.random.split(jax.random.key(0))
    )
    assert (rows[0] != rows[1]).any()


def test_what_is_dropped_is_0():
    x = jnp.asarray(
        np.where(mask(X.shape), 1.0, [np.nan, np.inf, -np.inf, 1.0, np.nan, np.inf, np.nan]),
        jnp.float32,
    )
    y, dx = jax.jit(lambda x: (with_key(x), jax.vjp(with_key, x)[1](x)[0]))(x)
    assert np.isfinite(y).all() and np.isfinite(dx).all()


@pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
@pytest.mark.parametrize(
    "options", [{"rate": 0.0}, {"rate": 0.5, "train": False}], ids=["rate_0", "inference"]
)
def test_nothing_to_drop(options, ops):
    x = jnp.asarray(X, jnp.bfloat16)
    assert ops.dropout(x, None, **options) is x


def test_residual_is_a_byte_per_element():
    vjp = jax.eval_shape(lambda x: jax.vjp(with_key, x)[1], jnp.ones((3, 5)))
    assert [(a.shape, a.dtype) for a in jax.tree.leaves(vjp)] == [((3, 5), jnp.bool_)]


def test_old_style_key_and_empty():
    key = np.array([0, 42], np.uint32)  # what jax.random.PRNGKey(42) is
    y = drawn(jnp.ones(30), key, 0.5)
    assert set(np.unique(y)) == {0.0, 2.0}
    assert with_key(jnp.ones((0, 3))).shape == (0, 3)


def test_explicit_mesh():
    compare_on_explicit_mesh(with_key, [X[:4]], [P("data")])


def test_shard_map():
    """Equal keys, equal masks; the shard's index folded in, different ones."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

    def both(x):
        own = jax.random.fold_in(KEY, jax.lax.axis_index("data"))

        def total(x):
            return jnp.sum(with_key(x)), jnp.sum(dropout(x, own, rate=RATE))

        return jax.grad(lambda x: total(x)[0])(x), jax.grad(lambda x: total(x)[1])(x)

    same, different = jax.jit(
        jax.shard_map(both, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    )(jnp.ones((2, 40)))
    np.testing.assert_array_equal(same[0], same[1])
    assert (different[0] != different[1]).any()


ERRORS = {
    "rate_1": (
        lambda: dropout(jnp.ones(3), KEY, rate=1.0),
        r"rate is the probability to drop .* in \[0, 1\), got 1.0; to drop",
    ),
    "rate_negative": (lambda: dropout(jnp.ones(3), KEY, rate=-0.1), r"in \[0, 1\), got -0.1"),
    "rate_nan": (
        lambda: dropout(jnp.ones(3), None, rate=np.nan, train=False),
        r"in \[0, 1\), got nan",
    ),
    "no_key": (
        lambda: dropout(jnp.ones(3), None, rate=0.5),
        "key must be a JAX random key .* got None: pass one, or",
    ),
    "seed": (
        lambda: dropout(jnp.ones(3), 7, rate=0.5),
        r"got 7: is it a seed\? pass jax.random.key\(7\)",
    ),
    "rate_word": (
        lambda: dropout(jnp.ones(3), KEY, rate="0.5"),
        r"rate must be the probability to drop .* \[0, 1\), got '0.5'",
    ),
    "rate_none": (
        lambda: dropout(jnp.ones(3), KEY, rate=None),
        "rate must be the probability to drop .*, got None",
    ),
    "rate_flag": (
        lambda: dropout(jnp.ones(3), KEY, rate=True),
        "rate must be the probability to drop .*, got True",
    ),
    "rate_array": (
        lambda: dropout(jnp.ones(3), KEY, rate=jnp.ones(3)),
        r"rate must be .*, got an array of float32, shape \(3,\)",
    ),
    "rate_traced": (
        lambda: jax.jit(lambda r: dropout(jnp.ones(3), KEY, rate=r))(0.5),
        "rate must be .*, got an array of float32",
    ),
    "train_word": (
        lambda: dropout(jnp.ones(3), KEY, rate=0.5, train="False"),
        "train must be True or False, got 'False'",
    ),
    "train_none": (
        lambda: dropout(jnp.ones(3), KEY, rate=0.5, train=None),
        "train must be True or False, got None",
    ),
    "train_traced": (
        lambda: jax.jit(lambda t: dropout(jnp.ones(3), KEY, rate=0.5, train=t))(True),
        "train must be True or False",
    ),
    "seed_of_numpy": (
        lambda: dropout(jnp.ones(3), np.int64(7), rate=0.5),
        r"is it a seed\? pass jax.random.key\(7\)",
    ),
    "seed_of_jax": (
        lambda: dropout(jnp.ones(3), jnp.array(7), rate=0.5),
        r"got an array of int32, shape \(\): pass jax.random.key",
    ),
    "key_float": (
        lambda: dropout(jnp.ones(3), 0.5, rate=0.5),
        "key must be a JAX random key, got 0.5",
    ),
    "key_flag": (
        lambda: dropout(jnp.ones(3), True, rate=0.5),
        "key must be a JAX random key, got True",
    ),
    "key_word": (
        lambda: dropout(jnp.ones(3), "key", rate=0.5),
        "key must be a JAX random key, got 'key'",
    ),
    "key_list": (
        lambda: dropout(jnp.ones(3), [0, 42], rate=0.5),
        r"key must be a JAX random key, got \[0, 42\]",
    ),
    "key_of_floats": (
        lambda: dropout(jnp.ones(3), np.ones(2), rate=0.5),
        "key must be a JAX random key, got an array of float64",
    ),
    "key_of_3": (
        lambda: dropout(jnp.ones(3), np.ones(3, np.uint32), rate=0.5),
        r"random key, got an array of uint32, shape \(3,\)",
    ),
    "keys": (
        lambda: dropout(
            jnp.ones(3), jax.random.wrap_key_data(np.ones((4, 2), np.uint32)), rate=0.5
        ),
        r"key must be a single JAX random key, got keys of shape \(4,\): index them",
    ),
    "old_keys": (
        lambda: dropout(jnp.ones(3), np.ones((4, 2), np.uint32), rate=0.5),
        r"a single .* got keys of shape \(4,\)",
    ),
    "nothing": (lambda: dropout(None, KEY, rate=0.5), "x must be an array, got None"),
    "complex": (
        lambda: dropout(jnp.ones(3, complex), KEY, rate=0.5, train=False),
        "x must have a floating dtype, got complex64",
    ),
    "integers": (
        lambda: dropout(np.ones(3, np.int32), KEY, rate=0.5),
        "x must have a floating dtype, got int32",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        call()


# Each wrong rule must be seen by the comparison with the definition, or that comparison
# is worth nothing.

WRONG_RULES = {
    "mask_forgotten": lambda rate, keep, dy: (dy / (1 - rate), None),
    "mask_inverted": lambda rate, keep, dy: (_dropout_definition(dy, ~keep, rate), None),
    "factor_forgotten": lambda rate, keep, dy: (jnp.where(keep, dy, 0), None),
    "divided_by_rate": lambda rate, keep, dy: (jnp.where(keep, dy / rate, 0), None),
    "another_mask": lambda rate, keep, dy: (_dropout_definition(dy, keep[::-1], rate), None),
}


@pytest.mark.parametrize("case", WRONG_RULES)
def test_wrong_rules_are_seen(case):
    keep = mask(X.shape)
    with (
        broken(_dropout, WRONG_RULES[case]),
        pytest.raises(AssertionError, match="gradient to argument 0: relative error"),
    ):
        compare_with_definition(with_key, lambda x: naive_dropout(x, keep, RATE), [X])
