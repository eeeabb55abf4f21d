"""A network in training: its compiled steps, its state, and its images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from jaxcnn.models import MODELS
from jaxcnn.ops import AUTODIFF, EXPLICIT, Ops
from jaxcnn.programs.data.dataset import scaled
from jaxcnn.programs.data.order import shuffled_batches
from jaxcnn.programs.data.splits import Dataset, Images
from jaxcnn.programs.devices import replicate, split
from jaxcnn.programs.train.augment import make_augment
from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.optimizer import make_optimizer, make_schedule
from jaxcnn.training import (
    Augment,
    Loss,
    find_nonfinite,
    init_train_state,
    make_train_step,
    scan_steps,
)

OPS = {"explicit": EXPLICIT, "autodiff": AUTODIFF}
EVALUATION_BATCH = 1000


class DivergedError(ArithmeticError):
    """A loss or a gradient is no longer a finite number."""


class _Objective(TypedDict):
    """The arguments that `make_train_step` and `find_nonfinite` must both get."""

    loss: Loss
    ops: Ops
    augment: Augment | None
    compute_dtype: jnp.dtype | None


class Run:
    """A network in training: its state, its compiled steps, and the images.

    Each step replaces `state` and takes the memory of the old one, which then cannot be
    read any more.
    """

    def __init__(self, config: Config, dataset: Dataset, mesh: Mesh):
        self.config, self.dataset, self.mesh = config, dataset, mesh
        self.ops = OPS[config.gradients]
        self.batches = len(dataset.train) // config.batch_size
        self.model = MODELS[config.model](len(dataset.classes))
        self.loss: Loss = partial(
            self.ops.softmax_cross_entropy, label_smoothing=config.label_smoothing
        )
        self.schedule = make_schedule(config, max(1, self.batches // config.accumulate))
        self._optimizer = make_optimizer(config, self.schedule)
        self._objective = _Objective(
            loss=self.loss,
            ops=self.ops,
            augment=make_augment(
                shift_pixels=config.shift, flips=config.flip, cutout_size=config.cutout
            ),
            compute_dtype=(
                None if config.compute_dtype == "float32" else jnp.dtype(config.compute_dtype)
            ),
        )

    def compile(self) -> None:
        """Draw the parameters and compile the steps: for `steps_per_dispatch` batches,
        and for the batches left at an epoch's end."""
        config = self.config
        x_shape = (config.batch_size, *self.dataset.image_shape)
        key, average = jax.random.key(config.seed), config.average_decay is not None
        self.state = replicate(
            self.mesh, init_train_state(self.model, self._optimizer, key, x_shape, average=average)
        )
        decay = config.average_decay or 0.0
        steps = scan_steps(
            make_train_step(self.model, self._optimizer, average_decay=decay, **self._objective)
        )
        at_once = min(config.steps_per_dispatch, self.batches)
        self._steps = {
            count: (
                steps.lower(
                    self.state, *self._batches(np.zeros((count, config.batch_size), int))
                ).compile()
            )
            for count in {at_once, self.batches % at_once} - {0}
        }
        self._at_once = at_once
        self._predict = jax.jit(
            lambda state, x: self.model.apply(*state.eval_params(), x, ops=self.ops)[0]
        )

    def epoch(self, random: np.random.Generator, epoch: int) -> Iterator[dict[str, np.ndarray]]:
        """Train once on all images; yields the metrics of each dispatch's steps.

        Raises:
          DivergedError: at the first step whose loss or gradients are not all finite.
        """
        order = np.stack(
            list(shuffled_batches(random, len(self.dataset.train), self.config.batch_size))
        )
        for first in range(0, len(order), self._at_once):
            chosen = order[first : first + self._at_once]
            self.state, metrics = self._steps[len(chosen)](self.state, *self._batches(chosen))
            metrics = jax.device_get(metrics)
            if not metrics["finite"].all():
                bad = int(np.argmin(metrics["finite"]))
                raise DivergedError(self._trouble(epoch, first + bad, chosen[bad]))
            yield metrics

    def predict(self, x: Images) -> np.ndarray:
        """Logits (n, classes), computed in batches of one size, the last one padded,
        each split over the devices."""
        count = len(self.mesh.devices)
        size = -(-min(EVALUATION_BATCH, len(x)) // count) * count
        logits = []
        for first in range(0, len(x), size):
            batch = scaled(x[first : first + size])
            padded = np.pad(batch, ((0, size - len(batch)), *((0, 0),) * 3))
            logits.append(
                jax.device_get(self._predict(self.state, split(self.mesh, padded)))[: len(batch)]
            )
        return np.concatenate(logits)

    def evaluate(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The mean loss, and the share of the images that are classified correctly."""
        loss = jnp.mean(self.loss(jnp.asarray(logits), jnp.asarray(labels)))
        return {"loss": float(loss), "accuracy": float(np.mean(logits.argmax(axis=1) == labels))}

    def _batches(self, indices: np.ndarray) -> tuple[Array, Array]:
        """Images and labels (steps, batch, ...), each batch split over the devices."""
        x, y = zip(*self.dataset.train.batches(indices), strict=True)
        return split(self.mesh, scaled(np.stack(x)), 1), split(self.mesh, np.stack(y), 1)

    def _trouble(self, epoch: int, batch: int, indices: np.ndarray) -> str:
        x, y = self.dataset.train.take(indices)
        found = find_nonfinite(
            self.model, self.state, jnp.asarray(scaled(x)), jnp.asarray(y), **self._objective
        )
        where = found or "seen in the step, but not when the step was searched"
        return (
            f"not finite in batch {batch + 1} of epoch {epoch}: {where}; try a learning rate below"
            f" {self.config.learning_rate:g}, --warmup-epochs or --clip-norm"
        )
