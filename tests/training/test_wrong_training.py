"""What a person may pass to training by mistake: a ValueError that names it."""

from __future__ import annotations

import typing

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers, models
from jaxcnn.ops import EXPLICIT
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
from tests.training._wrong import KEY, MODEL, SGD, SHAPE, X, Y, new_state, refused


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
            r"loss must be a function, \(logits, labels\) -> losses, or one of .*"
            "'mean_squared_error', got 'mse'",
            id="loss",
        ),
        pytest.param({"loss": "relu"}, "loss must be a function.* got 'relu'", id="no loss"),
        pytest.param({"loss": 2}, "loss must be a function.* got 2", id="a number"),
        pytest.param({"ops": "explicit"}, "ops must be .*EXPLICIT.* got 'explicit'", id="ops"),
        pytest.param({"ops": None}, "ops must be .* got None", id="no ops"),
        pytest.param(
            {"ops": EXPLICIT._replace(relu=3)}, r"ops must .*ops\.relu = 3", id="ops of a number"
        ),
        pytest.param(
            {"augment": True}, "augment must be a function, .* or None, got True", id="augment"
        ),
        pytest.param(
            {"augment": lambda x: x},
            r"augment must be a function, \(key, x\) -> x, .*, got <function",
            id="augment of images alone",
        ),
        pytest.param(
            {"augment": lambda key, x, y, step, epoch: (x, y)},
            r"augment must be a function, .* \(key, x, y, step\) -> \(x, y\)",
            id="augment of too much",
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
    if {*options} & {"loss", "ops"}:
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
