"""The jitted training steps of the JAX columns, in each of the modes.

All three columns have the same model, optimiser and library function,
`jaxcnn.make_train_step`. They differ in the operations, `ops`, and so in who wrote the
forward passes and who differentiates them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh

from experiments.benchmark.columns import OPS
from experiments.benchmark.networks import BATCHES_PER_CALL, CLASSES, network_of
from jaxcnn.layers import Layer
from jaxcnn.ops import Ops
from jaxcnn.training import (
    Metrics,
    TrainState,
    init_train_state,
    make_train_step,
    replicate,
    scan_steps,
)

Dispatch = Callable[[], Any]
"""Trains for one call of a step and returns its losses."""


def make_optimizer(mode: str) -> optax.GradientTransformation:
    """SGD with momentum; if accumulated, of the mean gradient of the micro-batches."""
    sgd = optax.sgd(0.05, momentum=0.9)
    if mode == "accumulated":
        return optax.MultiSteps(sgd, BATCHES_PER_CALL).gradient_transformation()
    return sgd


def make_step(network: str, column: str, mode: str, dtype: str = "float32") -> jax.stages.Wrapped:
    """The jitted function of one call, (state, x, y) -> (new state, metrics)."""
    model = network_of(network).model(CLASSES)
    return make_step_of(model, OPS[column], mode, make_optimizer(mode), dtype)


def make_step_of(
    model: Layer,
    ops: Ops,
    mode: str,
    optimizer: optax.GradientTransformation,
    dtype: str = "float32",
) -> jax.stages.Wrapped:
    """`make_step` of any model. The optimiser must accumulate if the mode does; `dtype`
    is that of the model inside."""
    compute_dtype = None if dtype == "float32" else dtype
    step = make_train_step(model, optimizer, ops=ops, compute_dtype=compute_dtype)
    if mode == "one by one":
        return step
    several = scan_steps(step)
    if mode == "in a scan":
        return several

    @partial(jax.jit, donate_argnums=0)
    def accumulated(state: TrainState, xs: Array, ys: Array) -> tuple[TrainState, Metrics]:
        """One update. The statistics of batch normalisations go from one micro-batch to
        the next; the loss is the mean of theirs."""
        state, metrics = several(state, xs, ys)
        return state, {"loss": jnp.mean(metrics["loss"])}

    return accumulated


def make_state(network: str, mode: str) -> TrainState:
    """The state to begin with, the same for every column."""
    _, model, batch, image, *_ = network_of(network)
    shape = (batch, *image)
    init = partial(init_train_state, model(CLASSES), make_optimizer(mode), input_shape=shape)
    return jax.jit(init)(jax.random.key(0))


def place_state(mesh: Mesh, state: TrainState) -> TrainState:
    """A copy of the state, whole on every device, to be donated."""
    return replicate(state, mesh)


def make_dispatch(
    step: Callable[..., Any], state: TrainState, batch: tuple[Array, Array]
) -> Dispatch:
    """A function without arguments that trains on and on. A step takes the memory of
    the state that it is given, so each call has the state of the last one."""

    def dispatch() -> Array:
        nonlocal state
        state, metrics = step(state, *batch)
        return metrics["loss"]

    return dispatch


def temporary_bytes(compiled: jax.stages.Compiled) -> int | None:
    """Memory that a call needs besides arguments and results, by XLA's own count, which
    leaves out what its kernels take for themselves."""
    analysis = compiled.memory_analysis()
    return None if analysis is None else int(analysis.temp_size_in_bytes)
