"""Training a part of the parameters: the others stay and cost nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import init_train_state, make_train_step
from tests.training._trainable import (
    KEY,
    MODEL,
    PATHS,
    SHAPE,
    SMALL,
    X,
    Y,
    adamw,
    by_path,
    kernels,
    last,
    trained,
)


@pytest.mark.parametrize(
    "trainable",
    [
        pytest.param(
            {"0_conv": False, "1_batch_norm": False, "4_dense": False, "5_dense": True}, id="prefix"
        ),
        pytest.param(
            {
                "0_conv": {"b": False, "w": False},
                "1_batch_norm": {"bias": False, "scale": False},
                "4_dense": {"b": False, "w": np.bool_(False)},
                "5_dense": True,
            },
            id="tree",
        ),
        pytest.param(last, id="predicate"),
    ],
)
def test_a_mask_says_what_a_predicate_says(trainable):
    optimizer = optax.sgd(0.1, momentum=0.9)
    state = init_train_state(MODEL, optimizer, KEY, SHAPE, trainable=trainable)
    assert list(state.frozen) == [path for path in PATHS if not last(path)]
    make_train_step(MODEL, optimizer, trainable=last).trace(state, X, Y)


@pytest.mark.slow
def test_frozen_parameters_stay_and_the_others_train_as_they_would():
    """Weight decay would move them, as would an average of its own; the others are as
    with an update of 0 for the frozen ones."""
    start, state = trained(last, adamw(), average=True)
    for params in (state.params, state.average[0]):
        for path, value in by_path(params).items():
            assert np.array_equal(value, start[path]) == (not last(path)), path
    labels = {path.split("/")[0]: "train" if last(path) else "freeze" for path in PATHS}
    _, expected = trained(
        None, optax.multi_transform({"train": adamw(), "freeze": optax.set_to_zero()}, labels)
    )
    for path, value in by_path(expected.params).items():
        np.testing.assert_allclose(by_path(state.params)[path], value, rtol=1e-5, atol=1e-7)
    # The statistics of a batch normalisation move, though its scale is frozen.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
        state.model_state,
        expected.model_state,
    )
    assert np.all(state.model_state["1_batch_norm"]["var"] != 1)


def test_the_optimiser_keeps_nothing_for_what_is_frozen():
    state = init_train_state(MODEL, optax.adam(1e-3), KEY, SHAPE, trainable=last)
    assert set(by_path(state.opt_state)) == {
        "0/count",
        *(f"0/{m}/5_dense/{w}" for m in ("mu", "nu") for w in ("b", "w")),
    }


def test_what_is_frozen_costs_no_arithmetic():
    """Beyond the forward pass there is the last layer's gradient; a kernel's is as much
    work as the layer."""
    model = layers.serial(
        layers.conv(8, 3), layers.relu(), layers.flatten(), layers.dense(32), layers.dense(2)
    )

    def flops(function, *arguments):
        return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]

    def step_flops(trainable):
        state = init_train_state(
            model, optax.sgd(0.1, momentum=0.9), KEY, SHAPE, trainable=trainable
        )
        return flops(
            make_train_step(model, optax.sgd(0.1, momentum=0.9), trainable=trainable), state, X, Y
        )

    params, model_state = model.init(KEY, SHAPE)
    forward = flops(
        lambda params: model.apply(params, model_state, X, train=True, key=KEY)[0], params
    )
    frozen, whole = (
        step_flops({"0_conv": False, "3_dense": False, "4_dense": True}),
        step_flops(None),
    )
    assert whole > 2 * forward
    assert frozen < 1.2 * forward


def test_all_trainable_is_the_default():
    for trainable in (
        True,
        lambda path: True,
        dict.fromkeys(("0_conv", "1_batch_norm", "4_dense", "5_dense"), True),
    ):
        state = init_train_state(MODEL, optax.sgd(0.1), KEY, SHAPE, trainable=trainable)
        assert state.frozen is None
        assert jax.tree.structure(state) == jax.tree.structure(
            init_train_state(MODEL, optax.sgd(0.1), KEY, SHAPE)
        )
    make_train_step(MODEL, optax.sgd(0.1), trainable=True).trace(state, X, Y)


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(kernels, id="by path"),
        pytest.param({"0_dense": True, "1_dense": {"b": False, "w": True}}, id="of all"),
    ],
)
def test_masks_of_the_optimiser_fit_what_is_trained(mask):
    """Weight decay on kernels alone: without a gradient, it is all that moves a
    parameter."""
    optimizer = optax.chain(
        optax.set_to_zero(), optax.add_decayed_weights(0.5, mask=mask), optax.scale(-1.0)
    )
    start, state = trained(
        lambda path: path.startswith("1_"), optimizer, model=SMALL, shape=(8, 2), steps=1
    )
    for path, value in by_path(state.params).items():
        np.testing.assert_allclose(
            value, (0.5 if path == "1_dense/w" else 1.0) * start[path], rtol=1e-6
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: optax.lbfgs(memory_size=2, linesearch=optax.scale_by_backtracking_linesearch(3)),
        lambda: optax.contrib.muon(1e-2),
        lambda: optax.MultiSteps(optax.sgd(0.1), 2),
    ],
)
def test_optimisers_that_look_at_the_whole_tree_train_a_part(make):
    with jax.numpy_dtype_promotion("standard"):
        start, state = trained(
            lambda path: path.startswith("1_"), make(), model=SMALL, shape=(8, 2), steps=2
        )
    moved = {
        path
        for path, value in by_path(state.params).items()
        if not np.array_equal(value, start[path])
    }
    assert moved == {"1_dense/b", "1_dense/w"}


def test_runs_with_frozen_parameters_are_a_vmap():
    trainable = {"0_dense": False, "1_dense": True}
    step = make_train_step(SMALL, optax.sgd(0.1), trainable=trainable)
    starts = [
        init_train_state(SMALL, optax.sgd(0.1), key, (1, 2), trainable=trainable)
        for key in jax.random.split(KEY, 2)
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
    states, metrics = jax.vmap(step, in_axes=(0, None, None))(stacked, X[:, 0, 0], Y)
    assert metrics["finite"].tolist() == [True, True]
    for entry, same in (("0_dense", True), ("1_dense", False)):
        assert np.array_equal(states.params[entry]["w"][1], starts[1].params[entry]["w"]) == same
