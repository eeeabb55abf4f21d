"""What a person may pass to a step by mistake: a ValueError that names it. And what
they may pass: lists, NumPy arrays."""

from __future__ import annotations

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.training import TrainStep, find_nonfinite, make_eval_step, make_train_step, scan_steps
from tests.training._wrong import MODEL, SGD, SHAPE, X, Y, new_state, refused


@pytest.fixture(scope="module")
def step():
    return make_train_step(MODEL, SGD)


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
