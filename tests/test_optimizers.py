"""Every optimiser that optax exports: it trains, or it is refused by name. What a step
gives one, and what it never deletes."""

from __future__ import annotations

import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from jaxcnn import layers
from jaxcnn.training import init_train_state, make_train_step, scan_steps

KEY = jax.random.key(0, impl="rbg")
STEPS = 8


@pytest.fixture(autouse=True)
def standard_promotion():
    """Optax's own promotions, of Python numbers and of integers, are not strict."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def sgd(rate: float = 0.1) -> optax.GradientTransformation:
    return optax.sgd(rate)


def descent(*parts: optax.GradientTransformation) -> optax.GradientTransformation:
    return optax.chain(*parts, optax.scale(-0.1))


def words(text: str) -> list[str]:
    return text.split()


def building_blocks() -> optax.GradientTransformation:
    """What is no optimiser by itself, in one chain."""
    return optax.chain(
        optax.identity(),
        optax.zero_nans(),
        optax.adaptive_grad_clip(10.0),
        optax.add_decayed_weights(1e-4),
        optax.centralize(),
        optax.clip(10.0),
        optax.clip_by_block_rms(10.0),
        optax.clip_by_global_norm(10.0),
        optax.apply_every(1),
        optax.ema(0.5),
        optax.trace(0.5),
        optax.normalize_by_update_norm(),
        optax.stateless(lambda updates, params: updates),
        optax.stateless_with_tree_map(lambda update, param: update),
        optax.snapshot("norm", optax.tree.norm),
        optax.scale_by_schedule(lambda count: 1.0),
        optax.add_noise(1e-6, 0.9, key=0),
        optax.scale_by_learning_rate(0.1),
    )


def wrappers() -> optax.GradientTransformation:
    """What takes another transformation, one around the other."""
    inner = optax.named_chain(
        ("some", optax.conditionally_transform(optax.clip(1.0), lambda step: step > 1)),
        ("flat", optax.flatten(optax.clip(1.0))),
        ("masked", optax.masked(optax.clip(1.0), {"w": True, "b": False})),
        ("real", contrib.split_real_and_imaginary(optax.sgd(0.1))),
        ("frozen", optax.freeze({"w": False, "b": True})),
        ("all", optax.conditionally_mask(optax.identity(), lambda step: step >= 0)),
    )
    selected = optax.selective_transform(inner, freeze_mask={"w": False, "b": True})
    return optax.apply_if_finite(optax.with_extra_args_support(selected), 2)


TRAINS = {
    **{
        name: lambda name=name: getattr(optax, name)(0.05)
        for name in words(
            "adabelief adafactor adagrad adam adamax adamaxw adamw adan amsgrad fromage lamb lars"
            " lion nadam nadamw novograd optimistic_adam optimistic_adam_v2"
            " optimistic_gradient_descent radam rmsprop rprop sgd sign_sgd signum sm3 yogi"
        )
    },
    "adadelta": lambda: optax.adadelta(10.0),
    "lbfgs": lambda: optax.lbfgs(memory_size=2),
    "noisy_sgd": lambda: optax.noisy_sgd(0.05, key=0),
    "polyak_sgd": optax.polyak_sgd,
    "scale_by_backtracking_linesearch": lambda: optax.chain(
        sgd(), optax.scale_by_backtracking_linesearch(5)
    ),
    "scale_by_distance_over_gradients": lambda: descent(
        optax.scale_by_distance_over_gradients(reps_rel=1.0)
    ),
    "scale_by_param_block_norm": lambda: descent(
        optax.scale_by_param_block_norm(), optax.scale_by_param_block_rms()
    ),
    "keep_params_nonnegative": lambda: optax.chain(sgd(), optax.keep_params_nonnegative()),
    "partition": lambda: optax.partition({"a": sgd(), "b": optax.adam(0.1)}, {"w": "a", "b": "b"}),
    "inject_hyperparams": lambda: optax.inject_hyperparams(sgd)(0.1),
    "MultiSteps": lambda: optax.MultiSteps(optax.chain(sgd(), contrib.reduce_on_plateau()), 2),
    "building blocks": building_blocks,
    "wrappers": wrappers,
    **{
        name: lambda name=name: getattr(contrib, name)(0.05)
        for name in words(
            "acprop ademamix adopt madgrad muon schedule_free_adamw schedule_free_sgd"
            " simplified_ademamix sophia"
        )
    },
    **{name: getattr(contrib, name) for name in words("cocob dowg momo momo_adam")},
    "dadapt_adamw": lambda: contrib.dadapt_adamw(estim_lr0=0.1),
    "dog": lambda: contrib.dog(1.0, ("distance", 0.1)),
    "galore": lambda: contrib.galore(0.05, rank=2),
    "mechanize": lambda: contrib.mechanize(sgd(), s_init=0.1),
    "prodigy": lambda: contrib.prodigy(1.0, estim_lr0=0.1),
    "reduce_on_plateau": lambda: optax.chain(sgd(), contrib.reduce_on_plateau()),
    "sam": lambda: optax.chain(
        optax.clip(10.0), contrib.sam(sgd(), optax.chain(contrib.normalize(), sgd(0.05)))
    ),
    "sam, opaque": lambda: contrib.sam(
        sgd(), optax.chain(contrib.normalize(), sgd(0.05)), opaque_mode=True
    ),
    "schedule_free": lambda: contrib.schedule_free(sgd(), 0.1),
}
"""Name -> how one is made that trains in a few steps."""

PARTS = {
    **{
        f"scale_by_{name}": name
        for name in words(
            "adadelta adam adan amsgrad lion novograd radam rprop sm3 yogi lbfgs acprop ademamix"
            " adopt cocob galore madgrad muon simplified_ademamix adamax"
        )
    },
    "scale_by_belief": "adabelief",
    "scale_by_optimistic_gradient": "optimistic_gradient_descent",
    "scale_by_param_block_rms": "scale_by_param_block_norm",
    "scale_by_polyak": "polyak_sgd",
    "scale_by_rms": "rmsprop",
    "scale_by_rss": "adagrad",
    "scale_by_sign": "sign_sgd",
    "scale_by_stddev": "rmsprop",
    "scale_by_trust_ratio": "lamb",
    "scale_by_zoom_linesearch": "lbfgs",
    "hutchinson_estimator_diag_hessian": "sophia",
    "normalize": "sam",
    "multi_transform": "partition",
    "chain": "building blocks",
    **dict.fromkeys(
        words(
            "identity zero_nans adaptive_grad_clip add_decayed_weights centralize clip"
            " clip_by_block_rms clip_by_global_norm apply_every ema trace normalize_by_update_norm"
            " stateless stateless_with_tree_map snapshot scale_by_schedule scale"
            " scale_by_learning_rate add_noise"
        ),
        "building blocks",
    ),
    **dict.fromkeys(
        words(
            "named_chain conditionally_transform conditionally_mask masked freeze"
            " selective_transform flatten apply_if_finite with_extra_args_support"
            " split_real_and_imaginary set_to_zero"
        ),
        "wrappers",
    ),
}
"""Name -> what it is a part of."""

REFUSED = {
    "differentially_private_aggregate": (
        lambda: descent(contrib.differentially_private_aggregate(1.0, 0.1, 0)),
        "optimizer must not hold differentially_private_aggregate.* the gradient of each example",
    ),
    "dpsgd": (
        lambda: optax.MultiSteps(contrib.dpsgd(0.1, 1.0, 0.1, 0), 2),
        "optimizer must not hold .*dpsgd",
    ),
    "lookahead": (
        lambda: optax.lookahead(sgd(), 2, 0.5),
        "optimizer must not hold optax.lookahead.* in pairs",
    ),
    "monitor": (
        lambda: optax.chain(optax.monitor({"norm": optax.tree.norm}), sgd()),
        "optimizer must keep the structure of its state.*'0/measurements/norm'",
    ),
    "measure_with_ema": (
        lambda: optax.chain(
            optax.monitor({"norm": optax.measure_with_ema(optax.tree.norm, 0.9)}), sgd()
        ),
        "optimizer must keep the structure of its state",
    ),
    "masked, of a line search": (
        lambda: optax.masked(optax.lbfgs(), {"w": True, "b": False}),
        "optimizer must see all trained parameters.*trainable=",
    ),
    "an unknown argument": (
        lambda: optax.GradientTransformationExtraArgs(
            sgd().init, lambda updates, state, params, *, teacher: (updates, state)
        ),
        (
            "optimizer needs the extra argument 'teacher'; a step can give value, grad, value_fn,"
            " obj_fn and grad_fn"
        ),
    ),
    "the gradient of each example": (
        lambda: optax.stateless(lambda updates, params: jax.tree.map(lambda g: g[0], updates)),
        (
            "optimizer must give an update of each parameter's shape, got .* the gradient of each"
            " example"
        ),
    ),
}
"""Name -> how one is made, and what the ValueError says."""


def exported() -> set[str]:
    """The functions of optax and optax.contrib that say that they return a
    transformation."""
    found = set()
    for module in (optax, contrib):
        for name, value in vars(module).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                returned = inspect.signature(value).return_annotation
                if returned in (
                    optax.GradientTransformation,
                    optax.GradientTransformationExtraArgs,
                ):
                    found.add(name)
    return found


def quickly(step, state, xs, ys):
    """The step's result, compiled without what makes a program fast: most of the time
    here is compilation."""
    lowered = step.lower(state, xs, ys)
    try:
        compiled = lowered.compile(
            {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
        )
    except jax.errors.JaxRuntimeError:  # XLA has no such options any more
        compiled = lowered.compile()
    return compiled(state, xs, ys)


def problem(kernel=None):
    """A dense layer and batches that it can tell apart, the same for each step."""
    kernel_init = layers.LECUN_NORMAL if kernel is None else (lambda key, shape: kernel)
    model = layers.dense(2, kernel_init=kernel_init)
    x = jax.random.normal(jax.random.key(1), (16, 3))
    return model, jnp.tile(x, (STEPS, 1, 1)), jnp.tile((x[:, 0] > 0).astype(jnp.int32), (STEPS, 1))


def make(factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return factory()


def test_the_tables_have_all_that_optax_exports():
    assert exported() <= {*TRAINS, *PARTS, *REFUSED}
    assert len(exported()) > 90
    assert set(PARTS.values()) <= {*TRAINS}


@pytest.mark.parametrize("name", TRAINS)
def test_optimisers_train_and_delete_nothing_of_the_callers(name):
    """In a scan, so that what goes in and what comes out are of one type; the state
    that goes in is donated."""
    kernel = jnp.array(
        [[0.1, 0.2], [0.9, 0.4], [0.5, 0.6]]
    )  # wrong: what counts is the first of three numbers
    model, xs, ys = problem(kernel)
    optimizer = make(TRAINS[name])
    state = init_train_state(model, optimizer, KEY, (1, 3))
    state, metrics = quickly(scan_steps(make_train_step(model, optimizer)), state, xs, ys)
    assert metrics["finite"].all()
    assert metrics["loss"][-1] < 0.99 * metrics["loss"][0], metrics["loss"]
    assert not kernel.is_deleted()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name):
    factory, message = REFUSED[name]
    model, xs, ys = problem()
    with pytest.raises(ValueError, match=message):
        optimizer = make(factory)
        make_train_step(model, optimizer)(
            init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0]
        )


# What an update is given.


def spy(*names: str, others: bool = True) -> optax.GradientTransformationExtraArgs:
    """Gradient descent whose state is what it was given, by name, with functions
    evaluated at the parameters."""

    def init(params):
        values = {
            "value": jnp.zeros(()),
            "value_fn": jnp.zeros(()),
            "obj_fn": jnp.zeros(()),
            "grad": params,
            "grad_fn": params,
        }
        return {name: values[name] for name in names}

    def update(updates, state, params, **extra):
        given = {name: extra[name] for name in names}
        calls = {"value_fn": (params,), "obj_fn": (params,), "grad_fn": (params, 0)}
        seen = {
            name: value(*calls[name]) if name in calls else value for name, value in given.items()
        }
        return jax.tree.map(lambda g: -0.1 * g, updates), seen

    def strict(updates, state, params, *, value, value_fn):
        return update(updates, state, params, value=value, value_fn=value_fn)

    return optax.GradientTransformationExtraArgs(init, update if others else strict)


def noisy():
    """A model whose loss depends on the key, in batches of one."""
    return layers.serial(layers.batch_norm(), layers.dropout(0.5), layers.dense(2))


def test_an_update_is_given_the_loss_and_its_gradient_as_values_and_as_functions():
    """On the same batch, with the same key: with dropout, they would differ
    otherwise."""
    optimizer = spy("value", "grad", "value_fn", "obj_fn", "grad_fn")
    x, y = jax.random.normal(KEY, (16, 3)), jnp.arange(16) % 2
    state = init_train_state(noisy(), optimizer, KEY, x.shape)
    state, metrics = make_train_step(noisy(), optimizer)(state, x, y)
    seen = state.opt_state
    for name in ("value", "value_fn", "obj_fn"):
        np.testing.assert_allclose(seen[name], metrics["loss"], rtol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        seen["grad"],
        seen["grad_fn"],
    )
    assert np.any(seen["grad"]["2_dense"]["w"] != 0)


@pytest.mark.parametrize("chained", [False, True])
def test_an_update_need_not_take_all_of_it(chained):
    optimizer = spy("value", "value_fn", others=False)
    model, xs, ys = problem()
    outer = optax.chain(optax.clip(1.0), optimizer) if chained else optimizer
    state = init_train_state(model, outer, KEY, (1, 3))
    state, metrics = make_train_step(model, outer)(state, xs[0], ys[0])
    seen = state.opt_state[1] if chained else state.opt_state
    np.testing.assert_allclose([seen["value"], seen["value_fn"]], 2 * [metrics["loss"]], rtol=1e-6)


def test_an_update_that_takes_nothing_more_is_given_nothing():
    def update(updates, state, params=None, *args, **kwargs):
        assert not args
        assert not kwargs
        return updates, state

    model, xs, ys = problem()
    optimizer = optax.GradientTransformation(lambda params: (), update)
    make_train_step(model, optimizer)(init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0])


def test_an_error_of_the_optimisers_own_stays_what_it_is():
    def update(updates, state, params):
        raise KeyError("of its own")

    model, xs, ys = problem()
    optimizer = optax.GradientTransformation(lambda params: (), update)
    with pytest.raises(KeyError, match="of its own"):
        make_train_step(model, optimizer)(
            init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0]
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(optax.sgd(0.1), optax.adam(0.1), id="without moments"),
        pytest.param(optax.adam(0.1), optax.lbfgs(), id="line search"),
        pytest.param(optax.chain(optax.clip(1.0), optax.adam(0.1)), optax.adam(0.1), id="longer"),
    ],
)
def test_the_state_of_another_optimiser_is_refused(first, second):
    model, xs, ys = problem()
    with pytest.raises(
        ValueError, match=r"state must be made with this optimizer .* opt_state differs at"
    ):
        make_train_step(model, second)(init_train_state(model, first, KEY, (1, 3)), xs[0], ys[0])


# Memory.


def is_shared(state) -> bool:
    leaves = [
        jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(state)
    ]
    pointers = [
        shard.data.unsafe_buffer_pointer() for leaf in leaves for shard in leaf.addressable_shards
    ]
    return len(set(pointers)) < len(pointers)


@pytest.mark.parametrize("jitted", [False, True])
def test_a_state_has_memory_of_its_own(jitted):
    """What the optimiser keeps of the parameters, of a key, and the average are copies;
    so is what the model was made with."""
    held = {
        "kernel": jnp.ones((3, 2)),
        "noise": jax.random.key(7),
        "mean": jnp.zeros(3),
        "key": jax.random.key_data(jax.random.key(3)),
    }
    statistics = layers.Layer(
        "statistics", lambda key, shape: ({}, {"mean": held["mean"]}), lambda p, s, x, **_: (x, s)
    )
    model = layers.serial(
        statistics, layers.dense(2, kernel_init=lambda key, shape: held["kernel"])
    )
    optimizer = optax.chain(optax.add_noise(0.1, 0.9, held["noise"]), contrib.prodigy())

    def init(key):
        return init_train_state(model, optimizer, key, (1, 3), average=True)

    state = (jax.jit(init) if jitted else init)(held["key"])
    assert not is_shared(state)
    _, xs, ys = problem()
    new, _ = make_train_step(model, optimizer)(state, xs[0], ys[0])
    assert not any(array.is_deleted() for array in held.values())
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert not is_shared(new)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_state_made_by_hand_may_hold_an_array_twice(at_once):
    model, xs, ys = problem()
    optimizer = optax.sgd(0.1, momentum=0.9)
    state = init_train_state(model, optimizer, KEY, (1, 3))
    expected, _ = make_train_step(model, optimizer)(
        init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0]
    )
    shared = state._replace(average=(state.params, state.model_state))
    step = make_train_step(model, optimizer)
    new, _ = scan_steps(step)(shared, xs[:1], ys[:1]) if at_once else step(shared, xs[0], ys[0])
    np.testing.assert_allclose(new.params["w"], expected.params["w"], rtol=1e-6)


@pytest.mark.parametrize("devices", [1, 2])
def test_an_average_may_begin_in_the_middle_of_training(devices):
    """The arrays twice in one state; and twice as views of one memory, which
    `device_put` makes."""
    mesh = jax.make_mesh(
        (devices,), ("batch",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:devices]
    )
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    model, xs, ys = problem()
    step = make_train_step(model, sgd(), average_decay=0.5)
    state = init_train_state(model, sgd(), KEY, (1, 3))
    state = jax.device_put(state._replace(average=(state.params, state.model_state)), whole)
    for _ in range(2):
        state, _ = step(state, xs[0], ys[0])
        state = state._replace(average=(state.params, state.model_state))
    state, metrics = step(state, xs[0], ys[0])
    assert metrics["finite"]
    assert not is_shared(state)
    assert not np.array_equal(state.params["w"], state.average[0]["w"])
    assert len(state.params["w"].sharding.device_set) == devices


def test_a_raw_key_will_do():
    model, xs, ys = problem()
    states = [
        init_train_state(model, sgd(), key, (1, 3))
        for key in (jax.random.PRNGKey(3), jax.random.key(3))
    ]
    assert np.array_equal(states[0].params["w"], states[1].params["w"])
    state, metrics = make_train_step(model, sgd())(states[0], xs[0], ys[0])
    assert metrics["finite"]
    assert state.key.dtype == jnp.uint32
