"""An update by an optax transformation: the arguments that a step can give one, and the
transformations that need others."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jax import Array

from jaxcnn.arguments import described
from jaxcnn.training.trainable import path_name, some


def as_optimizer(optimizer: Any) -> optax.GradientTransformation:
    """`optimizer`, as one that takes extra arguments, if it is an optax transformation
    or has the same two functions."""
    if not callable(getattr(optimizer, "init", None)) or not callable(
        getattr(optimizer, "update", None)
    ):
        hint = (
            f": call it, {getattr(optimizer, '__name__', 'function')}(...)"
            if callable(optimizer)
            else ""
        )
        raise ValueError(
            "optimizer must be an optax transformation, optax.adam(1e-3), got"
            f" {described(optimizer)}{hint}"
        )
    return (
        optax.with_extra_args_support(optimizer)
        if isinstance(optimizer, optax.GradientTransformation)
        else optimizer
    )


def first_state(optimizer: optax.GradientTransformation, params: Any) -> Any:
    """The optimiser's state before the first update."""
    opt_state = optimizer.init(params)
    _check_possible(opt_state)
    return opt_state


def update(
    optimizer: optax.GradientTransformation,
    opt_state: Any,
    params: Any,
    value: Array,
    grads: Any,
    value_fn: Callable[[Any], Array],
) -> tuple[Any, Any]:
    """New parameters and state, for the gradient `grads` of `value_fn`, whose value at
    `params` is `value`."""
    _check_possible(opt_state)

    def objective(params: Any, *, obj_fn: Any = None, grad_fn: Any = None) -> Array:
        return value_fn(
            params
        )  # line searches require that this function takes every extra argument

    extra = {
        "value": value,
        "grad": grads,
        "value_fn": objective,
        "obj_fn": objective,
        "grad_fn": lambda params, _=None: jax.grad(objective)(params),
    }
    updates, new_opt_state = _update(optimizer, grads, opt_state, params, extra)
    needed, got = _shapes(params), _shapes(updates)
    if got != needed:
        path = _differing(got, needed)[0]
        raise ValueError(
            f"optimizer must give an update of each parameter's shape, got {got.get(path)} for"
            f" {path!r} of {needed.get(path)}: one that wants the gradient of each example cannot"
            " work, since a step gives that of their mean"
        )
    differing = _differing(_shapes(opt_state), _shapes(new_opt_state))
    if differing:
        raise ValueError(
            "optimizer must keep the structure of its state, or a compiled step could not take it"
            f" again; an update changes it at {some(differing)}. optax.monitor is such a one,"
            " optax.snapshot is not"
        )
    return optax.apply_updates(params, updates), new_opt_state


def _update(
    optimizer: Any, grads: Any, opt_state: Any, params: Any, extra: dict[str, Any]
) -> tuple[Any, Any]:
    """`optimizer.update` with those extra arguments that it takes. Some refuse the
    arguments of others, although optax asks them not to."""
    try:
        return optimizer.update(grads, opt_state, params, **extra)
    except Exception as error:
        refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if refused is None or refused[1] not in extra:
            explanation = _explanation(error, optimizer, opt_state, params)
            if explanation is None:
                raise
            raise ValueError(explanation) from error
        name = refused[1]
    return _update(
        optimizer,
        grads,
        opt_state,
        params,
        {key: given for key, given in extra.items() if key != name},
    )


def _explanation(error: Exception, optimizer: Any, opt_state: Any, params: Any) -> str | None:
    """The meaning of an error in an optimiser's update, if it is one that people run
    into."""
    with suppress(Exception):  # an init that cannot be traced says nothing
        differing = _differing(_shapes(jax.eval_shape(optimizer.init, params)), _shapes(opt_state))
        if differing:
            return (
                "state must be made with this optimizer and these parameters, but its opt_state"
                f" differs at {some(differing)}: give init_train_state and make_train_step the same"
                " optimizer"
            )
    lacking = re.search(r"missing \d+ required keyword-only arguments?: (.*)", str(error))
    if lacking is not None:
        return (
            f"optimizer needs the extra argument {lacking[1]}; a step can give value, grad,"
            " value_fn, obj_fn and grad_fn"
        )
    if "MaskedNode" in str(error):
        return (
            "optimizer must see all trained parameters where it asks for the loss as a function of"
            " them; optax.masked and optax.partition give it a part: freeze the others by"
            " trainable="
        )
    return None


def _check_possible(opt_state: Any) -> None:
    for kind, why in _IMPOSSIBLE.items():
        if any(
            isinstance(node, kind)
            for node in jax.tree.leaves(
                opt_state, is_leaf=lambda node, kind=kind: isinstance(node, kind)
            )
        ):
            raise ValueError(f"optimizer must not hold {why}")


_IMPOSSIBLE: dict[type, str] = {
    optax.contrib.DifferentiallyPrivateAggregateState: (
        "differentially_private_aggregate, as optax.contrib.dpsgd does: it wants "
        "the gradient of each example, and a step gives that of their mean"
    ),
    optax.LookaheadState: (
        "optax.lookahead: it wants parameters in pairs, fast and slow; the average that"
        " init_train_state(..., average=True) keeps is slow too"
    ),
}


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {path_name(path): jnp.shape(leaf) for path, leaf in jax.tree.leaves_with_path(tree)}


def _differing(these: dict[str, tuple[int, ...]], those: dict[str, tuple[int, ...]]) -> list[str]:
    return sorted(
        path for path in these.keys() | those.keys() if these.get(path) != those.get(path)
    )
