"""Train a network from each seed with explicit gradients, with JAX's, and with JAX's
from parameters moved by rounding.

The optimizer is Nesterov momentum and not Adam: Adam divides a gradient by its size, so
that a gradient with a wrong factor trains as well as a right one. Batches of 32,
without label smoothing or weight decay.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.programs.certify.network.curves import LossCurves
from jaxcnn.programs.certify.network.given import Network
from jaxcnn.programs.data.order import shuffled_batches
from jaxcnn.programs.plain import PLAIN
from jaxcnn.training import init_train_state, make_train_step

BATCH_SIZE = 32
LEARNING_RATE = 0.02
MOMENTUM = 0.9

RunsOfSeed = tuple[list[float], list[float], list[float]]
"""The losses of one seed, step by step: explicit, autodiff, nudged."""


def loss_curves(
    network: Network,
    steps: int = 200,
    seeds: int = 3,
    progress: Callable[[int, int], object] | None = None,
    *,
    explicit: Ops = EXPLICIT,
) -> LossCurves:
    """The losses of all runs.

    Args:
      network: the network with its images.
      steps: of a run, two at least, because the first loss is before any update.
      seeds: how many, from 0: of the parameters, of dropout and of the order of the
        images.
      progress: called after each step with the number of steps done and of all.
      explicit: the operations to judge.

    Raises:
      ValueError: if there are too few steps or seeds.
    """
    check_counts(steps, seeds)
    runs = list(training_runs(network, steps, seeds, progress, explicit))
    return LossCurves(network.name, *np.array(runs).swapaxes(0, 1))


def check_counts(steps: int, seeds: int) -> None:
    """ValueError if there are too few steps or seeds."""
    if steps < 2:
        raise ValueError(
            f"steps must be at least 2, because the first loss is before any update, got {steps}"
        )
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")


def training_runs(
    network: Network,
    steps: int,
    seeds: int,
    progress: Callable[[int, int], object] | None,
    explicit: Ops,
) -> Iterator[RunsOfSeed]:
    """The losses of each seed when its runs are done; arguments as in `loss_curves`."""
    model, x, y = network.model, network.x, network.y
    optimizer = optax.sgd(LEARNING_RATE, momentum=MOMENTUM, nesterov=True)
    start = jax.jit(lambda key: init_train_state(model, optimizer, key, (BATCH_SIZE, *x.shape[1:])))
    step = {ops: make_train_step(model, optimizer, ops=ops) for ops in (explicit, PLAIN)}
    done = itertools.count(1)

    def run(ops: Ops, seed: int, nudged: bool = False) -> list[float]:
        state = start(jax.random.key(seed))
        if nudged:
            state = state._replace(params=_nudged(state.params, np.random.default_rng((seed, 1))))
        losses = []
        for batch in itertools.islice(_batches(np.random.default_rng(seed), len(x)), steps):
            state, metrics = step[ops](state, x[batch], y[batch])
            losses.append(float(metrics["loss"]))
            if progress is not None:
                progress(next(done), 3 * seeds * steps)
        return losses

    for seed in range(seeds):
        yield run(explicit, seed), run(PLAIN, seed), run(PLAIN, seed, nudged=True)


def _batches(random: np.random.Generator, count: int):
    """The numbers of the images of each batch, epoch after epoch."""
    while True:
        yield from shuffled_batches(random, count, BATCH_SIZE)


def _nudged(params: Any, random: np.random.Generator) -> Any:
    """Each number moved to the next float32, up or down by chance."""

    def nudge(leaf: Array) -> Array:
        towards = np.where(random.random(leaf.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
        return jnp.asarray(np.nextafter(np.asarray(leaf), towards))

    return jax.tree.map(nudge, params)
