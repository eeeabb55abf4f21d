"""Of a part that is trained: what can be frozen alone, what must agree, and what is
refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import find_nonfinite, init_train_state, make_train_step
from tests.training._trainable import KEY, MODEL, SHAPE, X, Y, kernels, last


def table(dtype=jnp.int32) -> layers.Layer:
    """A layer with a parameter that has no gradient."""

    def init(key, input_shape):
        return {"shift": jnp.ones(input_shape[-1], dtype)}, {}

    def apply(params, state, x, *, train=False, key=None):
        return x + params["shift"].astype(x.dtype), state

    return layers.Layer("table", init, apply)


def test_a_parameter_of_integers_can_be_frozen_and_no_more():
    model = layers.serial(table(), layers.dense(2))
    state = init_train_state(
        model, optax.sgd(0.1), KEY, (1, 3), trainable=lambda path: path != "0_table/shift"
    )
    x, y = jnp.ones((4, 3)), jnp.zeros(4, int)
    state, metrics = make_train_step(
        model, optax.sgd(0.1), trainable={"0_table": False, "1_dense": True}
    )(state, x, y)
    assert metrics["finite"]
    assert state.params["0_table"]["shift"].dtype == jnp.int32
    with pytest.raises(
        ValueError, match=r"parameter '0_table/shift' has the dtype int32.* trainable="
    ):
        make_train_step(model, optax.sgd(0.1))(
            init_train_state(model, optax.sgd(0.1), KEY, (1, 3)), x, y
        )


@pytest.mark.slow
def test_the_search_for_what_is_not_finite_leaves_out_what_is_frozen():
    """A gradient that overflows in a frozen layer is not computed."""

    @jax.custom_vjp
    def slip(x):
        return x

    slip.defvjp(lambda x: (x, None), lambda _, dy: (dy / 0,))
    model = layers.serial(layers.dense(3), layers.activation(slip, "slip"), layers.dense(2))
    x, y, optimizer = jnp.ones((4, 3)), jnp.zeros(4, int), optax.sgd(0.1)
    for trainable, found in (
        (None, "the gradient of '0_dense/b':"),
        (lambda path: path.startswith("2_"), None),
    ):
        state = init_train_state(model, optimizer, KEY, (1, 3), trainable=trainable)
        answer = find_nonfinite(model, state, x, y, trainable=trainable)
        assert (answer is None) if found is None else answer.startswith(found)
        _, metrics = make_train_step(model, optimizer, trainable=trainable)(state, x, y)
        assert metrics["finite"] == (found is None)


@pytest.mark.parametrize(
    "optimizer", [optax.sgd(0.1), optax.adam(0.1)], ids=["without a state", "with one"]
)
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        pytest.param(
            last,
            None,
            "'0_conv/b', '0_conv/w', .* and 3 more frozen in the state, and not here",
            id="forgotten",
        ),
        pytest.param(None, last, "frozen here, and not in the state", id="too late"),
        pytest.param(
            last,
            lambda path: last(path) or path == "4_dense/w",
            "'4_dense/w' frozen in the state",
            id="more",
        ),
        pytest.param(last, lambda path: path == "5_dense/w", "'5_dense/b' frozen here", id="less"),
    ],
)
def test_the_state_and_the_step_must_agree(optimizer, first, second, message):
    state = init_train_state(MODEL, optimizer, KEY, SHAPE, trainable=first)
    message = f"trainable must be what init_train_state was given: .*{message}"
    with pytest.raises(ValueError, match=message):
        make_train_step(MODEL, optimizer, trainable=second)(state, X, Y)
    with pytest.raises(ValueError, match=message):
        find_nonfinite(MODEL, state, X, Y, trainable=second)


@pytest.mark.parametrize(
    ("trainable", "message"),
    [
        pytest.param(
            lambda path: path.startswith("dense"),
            " must leave something to train, got False for each of '0_conv/b', ",
            id="none",
        ),
        pytest.param(False, " must leave something to train", id="False"),
        pytest.param(
            {"5_dense": True},
            r".* has no entry for '0_conv/b', '0_conv/w', '1_batch_norm/bias' and 3 more",
            id="part",
        ),
        pytest.param(
            dict.fromkeys(("0_conv", "1_batch_norm", "4_dense", "6_dense"), True),
            ".* has an entry '6_dense', the parameters are",
            id="other",
        ),
        pytest.param({"0_conv": {"w": {"x": True}}}, ".* has an entry '0_conv/w/x'", id="deeper"),
        pytest.param(
            "5_dense", r".* got '5_dense': lambda path: path.startswith\('5_dense'\)", id="a name"
        ),
        pytest.param(["5_dense"], r".*lambda path: path.startswith\('5_dense'\)", id="names"),
        pytest.param(
            {"0_conv": 1, "1_batch_norm": 0, "4_dense": 0, "5_dense": 0},
            " at '0_conv' must be True or False, got 1",
            id="1",
        ),
        pytest.param({"0_conv": None}, ".* has no entry for", id="None"),
        pytest.param(3, " must be True or False, got 3", id="a number"),
        pytest.param(
            lambda path: None, r"\('0_conv/b'\) must be True or False, got None", id="no answer"
        ),
        pytest.param(kernels, " must be a function of a path, a string", id="of the tree"),
        pytest.param(
            lambda path: path[-1].key == "w",
            " must be a function of a path, a string such as '0_conv/b'",
            id="of keys",
        ),
        pytest.param(lambda: True, " must be a function of a path, a string", id="of nothing"),
    ],
)
def test_what_says_nothing_about_paths_is_refused(trainable, message):
    with pytest.raises(ValueError, match="trainable" + message):
        init_train_state(MODEL, optax.sgd(0.1), KEY, SHAPE, trainable=trainable)
    with pytest.raises(ValueError, match="trainable" + message):
        make_train_step(MODEL, optax.sgd(0.1), trainable=trainable)(
            init_train_state(MODEL, optax.sgd(0.1), KEY, SHAPE), X, Y
        )
