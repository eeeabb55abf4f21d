"""The optimizer that a run's options ask for, made of optax's parts."""

from __future__ import annotations

from typing import Any

import jax
import optax

from jaxcnn.programs.train.config import Config

# With the usual 1e-8 Adam turns rounding noise in near-zero gradients into full-size
# steps.
ADAM_EPSILON = 1e-5


def make_schedule(config: Config, updates_per_epoch: int) -> optax.Schedule:
    """The learning rate as a function of the number of updates done."""
    total = config.epochs * updates_per_epoch
    warmup = min(round(config.warmup_epochs * updates_per_epoch), total)
    rate = config.learning_rate
    if config.schedule == "constant":
        after = optax.constant_schedule(rate)
    elif config.schedule == "linear":
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


def make_optimizer(config: Config, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Clipping, the optimizer with weight decay of kernels alone, and accumulation."""
    if config.optimizer == "sgd":
        optimizer = optax.chain(
            optax.add_decayed_weights(config.weight_decay, mask=kernels),
            optax.sgd(schedule, momentum=config.momentum, nesterov=True),
        )
    elif config.optimizer == "lion":
        optimizer = optax.lion(schedule, weight_decay=config.weight_decay, mask=kernels)
    else:
        optimizer = optax.adamw(
            schedule, eps=ADAM_EPSILON, weight_decay=config.weight_decay, mask=kernels
        )
    if config.clip_norm is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(config.clip_norm), optimizer)
    if config.accumulate > 1:
        optimizer = optax.MultiSteps(optimizer, config.accumulate).gradient_transformation()
    return optimizer


def kernels(params: Any) -> Any:
    """True for the parameters that weight decay applies to: the kernels "w" of
    convolutions and dense layers, not biases and the scales of norms."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "w", params)
