"""Frozen parameters: no gradient, no state of the optimiser, no arithmetic, and no
change."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import find_nonfinite, init_train_state, make_train_step, scan_steps

KEY = jax.random.key(0, impl="rbg")
MODEL = layers.serial(
    layers.conv(4, 3),
    layers.batch_norm(),
    layers.relu(),
    layers.flatten(),
    layers.dense(3),
    layers.dense(2),
)
SMALL = layers.serial(layers.dense(3), layers.dense(2))
SHAPE = (8, 5, 5, 2)
X = jax.random.normal(jax.random.key(1), SHAPE)
Y = jnp.arange(8) % 2
PATHS = (
    "0_conv/b",
    "0_conv/w",
    "1_batch_norm/bias",
    "1_batch_norm/scale",
    "4_dense/b",
    "4_dense/w",
    "5_dense/b",
    "5_dense/w",
)


def last(path: str) -> bool:
    return path.startswith("5_dense/")


def by_path(tree) -> dict[str, np.ndarray]:
    leaves = jax.tree.leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }


def adamw(mask=None) -> optax.GradientTransformation:
    """AdamW with a large decay; see `test_training.adamw`."""
    optimizer = optax.adamw(1e-2, weight_decay=0.5, mask=mask)

    def update(*args):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(*args)

    return optax.GradientTransformation(optimizer.init, update)


def trained(trainable, optimizer, *, model=MODEL, shape=SHAPE, steps: int = 3, **options):
    """The parameters at the start, and the state after some steps."""
    x = X if shape == SHAPE else X[:, 0, 0]
    state = init_train_state(model, optimizer, KEY, shape, trainable=trainable, **options)
    start = by_path(state.params)
    state, metrics = scan_steps(make_train_step(model, optimizer, trainable=trainable))(
        state, jnp.stack(steps * [x]), jnp.stack(steps * [Y])
    )
    assert metrics["finite"].all()
    return start, state


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


def kernels(params):
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "w", params)


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


def test_the_search_for_what_is_not_finite_leaves_out_what_is_frozen():
    """A gradient that overflows in a frozen layer is not computed."""

    @jax.custom_vjp
    def slip(x):
        return x

    slip.defvjp(lambda x: (x, None), lambda _, dy: (dy / 0,))
    model = layers.serial(layers.dense(3), layers.activation(slip, "slip"), layers.dense(2))
    x, y, optimizer = jnp.ones((4, 3)), jnp.zeros(4, int), optax.sgd(0.1)
    for trainable, found in (
        (None, "the gradient of '0_dense/b' has"),
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
