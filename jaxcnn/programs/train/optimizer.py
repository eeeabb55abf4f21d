"""The optimizer that a run's options ask for, made of optax's parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import jax
import optax

from jaxcnn.programs.options import (
    FLOAT32,
    MOST_EPOCHS,
    require,
    require_count,
    require_positive,
)

# With the usual 1e-8 Adam turns rounding noise in near-zero gradients into full-size
# steps.
ADAM_EPSILON = 1e-5


@dataclass(frozen=True)
class OptimizerOptions:
    """How the weights follow the gradients."""

    optimizer: Literal["adamw", "sgd", "lion"] = "adamw"
    """The optimizer, from optax; sgd has Nesterov momentum."""
    learning_rate: float = 3e-3
    """The largest learning rate of the schedule."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """The learning rate after the warm-up: cosine and linear fall to 0 at the end."""
    warmup_epochs: float = 0.0
    """Number of epochs, whole or not, in which the learning rate rises linearly; in a
    shorter run it rises all the time."""
    momentum: float = 0.9
    """Momentum of sgd; the other optimizers ignore it."""
    weight_decay: float = 1e-2
    """Weight decay of kernels, not of biases and norms. adamw and lion multiply it by
    the learning rate; sgd adds it to the gradient."""
    norm_rate: float = 1.0
    """How many times as fast as the kernels the biases of norms learn; 64 is good with
    sgd in a short run (Jordan 2024)."""
    clip_norm: float | None = None
    """Largest global norm of the gradient; a larger gradient is scaled down to it."""
    accumulate: int = 1
    """Number of batches whose gradients are averaged for one update."""


def check_optimizer(options: OptimizerOptions) -> None:
    """Raises ConfigError for an option that makes no sense."""
    require_count("accumulate", options.accumulate)
    for name in ("warmup_epochs", "weight_decay"):
        value = getattr(options, name)
        require(name, "at least 0", 0 <= value < math.inf, value)
    for name, most, shown in (
        ("warmup_epochs", MOST_EPOCHS, f"{MOST_EPOCHS:,}"),
        ("weight_decay", FLOAT32[1], f"{FLOAT32[1]:.2g}"),
    ):
        value = getattr(options, name)
        require(name, f"at most {shown}", value <= most, value)
    require_positive("learning_rate", options.learning_rate)
    require_positive("norm_rate", options.norm_rate)
    require("momentum", "at least 0 and below 1", 0 <= options.momentum < 1, options.momentum)
    if options.clip_norm is not None:
        require_positive("clip_norm", options.clip_norm)


def make_schedule(options: OptimizerOptions, epochs: int, updates_per_epoch: int) -> optax.Schedule:
    """The learning rate as a function of the number of updates done."""
    total = epochs * updates_per_epoch
    warmup = min(round(options.warmup_epochs * updates_per_epoch), total)
    rate = options.learning_rate
    if options.schedule == "constant":
        after = optax.constant_schedule(rate)
    elif options.schedule == "linear":
        after = optax.linear_schedule(rate, 0.0, total - warmup)
    else:
        after = optax.cosine_decay_schedule(rate, max(total - warmup, 1))
    # A warm-up does not begin at 0, because its first batch would then change nothing.
    return (
        optax.join_schedules(
            [optax.linear_schedule(rate / (warmup + 1), rate, warmup), after], [warmup]
        )
        if warmup
        else after
    )


def make_optimizer(
    options: OptimizerOptions, schedule: optax.Schedule
) -> optax.GradientTransformation:
    """Clipping, the optimizer with weight decay of kernels alone, faster biases of
    norms, and accumulation."""
    decay = options.weight_decay
    if options.optimizer == "sgd":
        optimizer = optax.chain(
            optax.add_decayed_weights(decay, mask=kernels),
            optax.sgd(schedule, momentum=options.momentum, nesterov=True),
        )
    elif options.optimizer == "lion":
        optimizer = optax.lion(schedule, weight_decay=decay, mask=kernels)
    else:
        optimizer = optax.adamw(schedule, eps=ADAM_EPSILON, weight_decay=decay, mask=kernels)
    if options.norm_rate != 1:
        optimizer = optax.chain(
            optimizer, optax.masked(optax.scale(options.norm_rate), norm_biases)
        )
    if options.clip_norm is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(options.clip_norm), optimizer)
    if options.accumulate > 1:
        optimizer = optax.MultiSteps(optimizer, options.accumulate).gradient_transformation()
    return optimizer


def kernels(params: Any) -> Any:
    """True for the parameters that weight decay applies to: the kernels "w" of
    convolutions and dense layers, not biases and the scales of norms."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "w", params)


def norm_biases(params: Any) -> Any:
    """True for the biases of norms, "bias"; those of convolutions are "b"."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "bias", params)
