"""All that optax exports: what trains, what is a part of that, what is refused."""

from __future__ import annotations

import inspect
import warnings

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from jaxcnn import layers

KEY = jax.random.key(0, impl="rbg")
STEPS = 8


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
