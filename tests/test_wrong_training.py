"""What a person may pass to training by mistake: a ValueError that names it. And what
they may pass: lists, NumPy arrays."""

from __future__ import annotations

import re
import typing

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers, models
from jaxcnn.training import (
    EvalStep,
    Metrics,
    TrainState,
    TrainStep,
    find_nonfinite,
    init_train_state,
    make_eval_step,
    make_train_step,
    scan_steps,
)

KEY = jax.random.key(0, impl="rbg")
MODEL = layers.serial(layers.flatten(), layers.dense(2))
SGD = optax.sgd(0.1)
X, Y = (
    np.linspace(0, 1, 2 * 3 * 3 * 1, dtype=np.float32).reshape(2, 3, 3, 1),
    np.array([0, 1], np.int32),
)
SHAPE = X.shape


@pytest.fixture(scope="module")
def step():
    return make_train_step(MODEL, SGD)


def new_state(**options) -> TrainState:
    return init_train_state(MODEL, SGD, KEY, SHAPE, **options)


def refused(call, message):
    with pytest.raises(ValueError) as raised:
        call()
    assert re.match(message, str(raised.value)), str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"model": "lenet"}, "model must be a Layer, got 'lenet'", id="a name"),
        pytest.param({"model": None}, "model must be a Layer, got None", id="None"),
        pytest.param(
            {"model": [layers.dense(2)]}, r"model must be a Layer, got .*serial\(", id="a list"
        ),
        pytest.param(
            {"model": models.lenet},
            r"model must be a Layer, got .*call it, lenet\(",
            id="not called",
        ),
        pytest.param(
            {"optimizer": "adam"},
            r"optimizer must be an optax transformation, optax.adam\(1e-3\), got 'adam'",
            id="adam",
        ),
        pytest.param(
            {"optimizer": None},
            "optimizer must be an optax transformation, .* got None",
            id="no optimiser",
        ),
        pytest.param(
            {"optimizer": optax.adam},
            r"optimizer must be .* call it, adam\(",
            id="optimiser not called",
        ),
        pytest.param({"optimizer": 0.1}, "optimizer must be .* got 0.1", id="a rate"),
        pytest.param(
            {"optimizer": optax.GradientTransformation(None, None)},
            "optimizer must be an optax",
            id="no functions",
        ),
    ],
)
def test_a_model_and_an_optimiser_that_are_none(arguments, message):
    given = {"model": MODEL, "optimizer": SGD} | arguments
    refused(lambda: make_train_step(**given), message)
    refused(lambda: init_train_state(**given, key=KEY, input_shape=SHAPE), message)
    if "model" in arguments:
        refused(lambda: make_eval_step(given["model"]), message)
        refused(lambda: find_nonfinite(given["model"], new_state(), X, Y), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            {"key": 0}, r"key must be a JAX random key, got 0.*jax.random.key\(0\)", id="a seed"
        ),
        pytest.param({"key": None}, "key must be a JAX random key, got None", id="no key"),
        pytest.param(
            {"key": jax.random.split(KEY)}, "key must be one JAX random key", id="several keys"
        ),
        pytest.param(
            {"key": jnp.zeros(2)},
            "key must be a JAX random key, got an array of float32",
            id="floats",
        ),
        pytest.param({"input_shape": "(1, 3, 3, 1)"}, "input_shape must be", id="a string"),
        pytest.param({"input_shape": (1, 3.0, 3, 1)}, "input_shape must be", id="a float"),
        pytest.param({"input_shape": 9}, "input_shape must be", id="an int"),
        pytest.param({"input_shape": X}, "input_shape must be", id="an array"),
        pytest.param({"input_shape": ()}, "input_shape must have a batch axis", id="empty"),
        pytest.param(
            {"model": layers.conv(2, 3), "input_shape": (8, 1)},
            "input_shape must have a batch.*batch axis missing",
            id="no batch",
        ),
        pytest.param({"average": "yes"}, "average must be True or False, got 'yes'", id="average"),
        pytest.param({"average": 0.999}, "average must be True or False, got 0.999", id="a decay"),
    ],
)
def test_an_initial_state_of_something_else(arguments, message):
    given = {"model": MODEL, "optimizer": SGD, "key": KEY, "input_shape": SHAPE} | arguments
    refused(lambda: init_train_state(**given), message)


def test_shapes_are_taken_in_any_form():
    for shape in ([2, 3, 3, 1], np.array(SHAPE), tuple(np.int64(n) for n in SHAPE)):
        assert init_train_state(MODEL, SGD, KEY, shape).params["1_dense"]["w"].shape == (9, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"loss": "mse"},
            r"loss must be a function, \(logits, labels\) -> losses, got 'mse'",
            id="loss",
        ),
        pytest.param({"loss": None}, "loss must be a function", id="no loss"),
        pytest.param(
            {"augment": True}, "augment must be a function, .* or None, got True", id="augment"
        ),
        pytest.param(
            {"compute_dtype": "float33"},
            "compute_dtype must be a floating dtype.* got 'float33'",
            id="float33",
        ),
        pytest.param(
            {"compute_dtype": jnp.int8}, "compute_dtype must be a floating dtype", id="int8"
        ),
        pytest.param(
            {"compute_dtype": 16}, "compute_dtype must be a floating dtype.* got 16", id="bits"
        ),
        pytest.param(
            {"compute_dtype": jnp.complex64}, "compute_dtype must be a floating dtype", id="complex"
        ),
        pytest.param({"average_decay": 1.5}, r"average_decay .* in \[0, 1\], got 1.5", id="decay"),
        pytest.param(
            {"average_decay": -0.1}, r"average_decay .* in \[0, 1\], got -0.1", id="negative decay"
        ),
        pytest.param(
            {"average_decay": "0.9"}, "average_decay must be a number, got '0.9'", id="a word"
        ),
        pytest.param(
            {"average_decay": float("nan")}, "average_decay must be a number, got nan", id="nan"
        ),
        pytest.param(
            {"average_decay": None}, "average_decay must be a number, got None", id="None"
        ),
    ],
)
def test_options_that_are_none(options, message):
    refused(lambda: make_train_step(MODEL, SGD, **options), message)
    if not {*options} & {"average_decay"}:
        refused(lambda: find_nonfinite(MODEL, new_state(), X, Y, **options), message)
    if "loss" in options:
        refused(lambda: make_eval_step(MODEL, **options), message)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        pytest.param(
            lambda logits, labels: None, "what loss gives must be an array, got None", id="None"
        ),
        pytest.param(
            lambda logits, labels: labels,
            "loss must give floating losses, got an array of int32",
            id="integers",
        ),
    ],
)
def test_a_loss_that_gives_something_else(loss, message):
    refused(lambda: make_train_step(MODEL, SGD, loss=loss)(new_state(), X, Y), message)
    refused(lambda: make_eval_step(MODEL, loss=loss)(new_state(), X, Y), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"state": "state"},
            "state must be a TrainState, as init_train_state makes it, got 'state'",
            id="a name",
        ),
        pytest.param({"state": ({}, {})}, "state must be a TrainState", id="params and state"),
        pytest.param({"state": None}, "state must be a TrainState", id="None"),
        pytest.param({"x": "x"}, "x must be an array, got ", id="a string"),
        pytest.param({"x": None}, "x must be an array, got None", id="no images"),
        pytest.param({"x": {"x": X}}, "x must be an array, got ", id="a dict"),
        pytest.param({"y": "nonsense"}, "y must be an array, got ", id="nonsense"),
        pytest.param({"x": np.full(SHAPE, "x")}, "x must be an array", id="texts"),
        pytest.param({"y": np.array([{0}, {1}])}, "y must be an array", id="objects"),
        pytest.param({"y": None}, "y must be an array, got None", id="no labels"),
        pytest.param({"y": [[0], [0, 1]]}, "y must be an array, got ", id="ragged"),
        pytest.param({"y": [0, 1, 1]}, r".*labels.*\(3,\)", id="too many labels"),
        pytest.param({"x": X[0]}, ".*", id="no batch"),
        pytest.param({"x": np.ones((2, 4, 4, 1), np.float32)}, r".*\b16\b", id="larger images"),
    ],
)
def test_a_batch_and_a_state_that_are_none(step, change, message):
    evaluate = make_eval_step(MODEL)
    given = {"state": new_state(), "x": X, "y": Y} | change
    for call in (
        step,
        step.lower,
        step.trace,
        step.eval_shape,
        evaluate,
        evaluate.lower,
        lambda **batch: find_nonfinite(MODEL, **batch),
    ):
        refused(lambda call=call: call(**given), message)


def test_lists_and_numpy_arrays_are_batches(step):
    expected, expected_metrics = step(new_state(), jnp.asarray(X), jnp.asarray(Y))
    for x, y in ((X, Y), (X.tolist(), Y.tolist()), (jnp.asarray(X), (0, 1))):
        state, metrics = step(new_state(), x, y)
        assert metrics["loss"] == expected_metrics["loss"]
        assert metrics["accuracy"] == expected_metrics["accuracy"]
        assert np.array_equal(state.params["1_dense"]["w"], expected.params["1_dense"]["w"])
        assert find_nonfinite(MODEL, state, x, y) is None
        assert make_eval_step(MODEL)(state, x, y)["accuracy"].shape == ()
    state, metrics = scan_steps(step)(new_state(), [X.tolist()], [Y.tolist()])
    assert metrics["loss"] == expected_metrics["loss"]


def test_a_donated_state_is_told_of(step):
    old = new_state()
    new, _ = step(old, X, Y)
    message = (
        r"state must be the newest one: a step has taken the memory of this one.*state, metrics ="
        r" step\(state, x, y\)"
    )
    for call in (step, scan_steps(step), make_eval_step(MODEL)):
        x, y = (X[None], Y[None]) if call is not step and isinstance(call, TrainStep) else (X, Y)
        refused(lambda call=call, x=x, y=y: call(old, x, y), message)
    refused(lambda: find_nonfinite(MODEL, old, X, Y), message)
    refused(lambda: step(new._replace(params=old.params), X, Y), message)
    assert make_eval_step(MODEL)(new, X, Y)["loss"] > 0


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        pytest.param(
            "step",
            "step must be a train step, as make_train_step makes it, got 'step'",
            id="a name",
        ),
        pytest.param(make_eval_step(MODEL), "step must be a train step", id="an evaluation"),
        pytest.param(None, "step must be a train step", id="None"),
        pytest.param((1, 2), "step must be a train step", id="a tuple"),
    ],
)
def test_several_steps_of_no_step(argument, message):
    refused(lambda: scan_steps(argument), message)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda state, x, y: state, id="a state alone"),
        pytest.param(lambda state, x, y: (state, {}), id="no flag"),
        pytest.param(lambda state, x, y: (state, {"finite": jnp.ones(3, bool)}), id="three flags"),
        pytest.param(lambda state, x, y: ("state", {"finite": jnp.array(True)}), id="no state"),
        pytest.param(lambda state, x, y: None, id="None"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_several_steps_of_a_function_that_is_none(function, count):
    refused(
        lambda: scan_steps(function)(new_state(), np.stack(count * [X]), np.stack(count * [Y])),
        r"step must give \(new_state, metrics\) with a scalar metrics\['finite'\]",
    )


@pytest.mark.parametrize(
    ("xs", "ys"),
    [
        pytest.param(np.stack([X, X]), np.stack([Y, Y, Y]), id="2 and 3"),
        pytest.param(X[None], np.stack([Y, Y]), id="1 and 2"),
        pytest.param(np.zeros((0, *SHAPE), np.float32), np.zeros((0, 2), np.int32), id="none"),
        pytest.param(X[None], np.int32(1), id="a number"),
    ],
)
def test_several_steps_of_batches_that_do_not_fit(step, xs, ys):
    refused(
        lambda: scan_steps(step)(new_state(), xs, ys),
        "xs and ys must have an axis of steps in front, as long in both, not empty",
    )


# What a step is.


def test_steps_say_what_they_take_and_give():
    types = typing.get_type_hints(TrainStep.__call__)
    assert types["state"] is TrainState
    assert types["return"] == tuple[TrainState, Metrics]
    assert (
        typing.get_type_hints(make_train_step)["return"]
        is typing.get_type_hints(scan_steps)["return"]
        is TrainStep
    )
    assert typing.get_type_hints(make_eval_step)["return"] is EvalStep


def test_a_step_is_what_jit_gives(step):
    """In `jit`, `make_jaxpr`, `eval_shape`, ahead of time, and exported."""
    expected, expected_metrics = step(new_state(), X, Y)
    shapes = jax.tree.map(jnp.shape, (expected, expected_metrics))
    assert isinstance(step, jax.stages.Wrapped)
    assert step.__name__ == "step"
    for give in (
        jax.eval_shape,
        lambda f, *given: f.eval_shape(*given),
        lambda f, *given: jax.make_jaxpr(f, return_shape=True)(*given)[1],
    ):
        assert jax.tree.map(jnp.shape, give(step, new_state(), X, Y)) == shapes
    described = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(jnp.shape(a), a.dtype), (new_state(), X, Y)
    )
    exported = jax.export.export(step)(new_state()._replace(key=jax.random.key(0)), X, Y)
    state_of_threefry = new_state()._replace(key=jax.random.key(0))
    for compute in (
        jax.jit(step),
        step.lower(new_state(), X, Y).compile(),
        step.lower(*described).compile(),
    ):
        _, metrics = compute(new_state(), X, Y)
        assert metrics["loss"] == expected_metrics["loss"]
    assert exported.call(state_of_threefry, X, Y)[1]["loss"] == expected_metrics["loss"]
