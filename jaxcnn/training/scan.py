"""Several steps in one dispatch."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxcnn.arguments import described
from jaxcnn.training.calls import EvalStep, TrainStep
from jaxcnn.training.objective import Metrics
from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import select


def scan_steps(step: Callable[[TrainState, Array, Array], tuple[TrainState, Metrics]]) -> TrainStep:
    """Several steps in one dispatch, steps(state, xs, ys) -> (new_state, metrics),
    jitted, the state donated.

    xs, ys and the metrics have one more axis, in front, with an entry per step. After a
    non-finite step the remaining steps are skipped, so the returned state is the one
    that failed.

    Args:
      step: a step that `make_train_step` made, or a function like it whose metrics have
        "finite".

    Raises:
      ValueError: if `step` is no step, or if xs and ys do not have the same number of
        steps, at least one.

    >>> from jaxcnn import make_train_step
    >>> import optax
    >>> from jaxcnn import init_train_state, layers
    >>> model, optimizer = layers.dense(2), optax.sgd(0.1)
    >>> state = init_train_state(model, optimizer, jax.random.key(0), (1, 3))
    >>> steps = scan_steps(make_train_step(model, optimizer))
    >>> state, metrics = steps(state, jnp.ones((5, 4, 3)), jnp.zeros((5, 4), int))
    >>> int(state.step), metrics["loss"].shape
    (5, (5,))
    """
    if not callable(step) or isinstance(step, EvalStep):
        raise ValueError(
            f"step must be a train step, as make_train_step makes it, got {described(step)}"
        )

    def checked(state: TrainState, x: Array, y: Array) -> tuple[TrainState, Metrics]:
        result = step(state, x, y)
        match result:
            case (TrainState(), {"finite": finite}) if jnp.shape(finite) == ():
                return result
        raise ValueError(
            "step must give (new_state, metrics) with a scalar metrics['finite'], as what"
            f" make_train_step makes does, got {described(result)}"
        )

    def body(carry, batch):
        state, going = carry
        new, metrics = checked(state, *batch)
        going = going & metrics["finite"]
        return (select(going, new, state), going), metrics

    def steps(state: TrainState, xs: Array, ys: Array) -> tuple[TrainState, Metrics]:
        if xs.ndim < 1 or ys.ndim < 1 or xs.shape[0] != ys.shape[0] or xs.shape[0] < 1:
            raise ValueError(
                "xs and ys must have an axis of steps in front, as long in both, not empty, got"
                f" shapes {xs.shape} and {ys.shape}"
            )
        # Without a loop, in which XLA's CPU backend computes some convolutions slowly.
        if xs.shape[0] == 1:
            state, metrics = checked(state, xs[0], ys[0])
            return state, jax.tree.map(lambda metric: metric[None], metrics)
        (state, _), metrics = lax.scan(body, (state, jnp.array(True)), (xs, ys))
        return state, metrics

    return TrainStep(steps)
