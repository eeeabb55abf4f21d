"""A network in training: its compiled steps, its state, and its images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.ops import AUTODIFF, EXPLICIT, Ops
from jaxcnn.ops.convolution.methods import tuned
from jaxcnn.ops.convolution.methods.tuning import with_default
from jaxcnn.programs.data.order import epoch_order
from jaxcnn.programs.data.splits import Dataset, Split
from jaxcnn.programs.machines.together import ALONE, Machines
from jaxcnn.programs.train.augment.chosen import make_augment
from jaxcnn.programs.train.balance import balanced, class_weights
from jaxcnn.programs.train.config import Config, ConfigError
from jaxcnn.programs.train.network import describe_network, network
from jaxcnn.programs.train.optimizer import make_optimizer, make_schedule
from jaxcnn.programs.train.state_arrays import from_arrays, to_arrays
from jaxcnn.stored.inference import make_logits, standardised
from jaxcnn.training import (
    Loss,
    TrainState,
    find_nonfinite,
    init_train_state,
    make_train_step,
    scan_steps,
)
from jaxcnn.training.placement import own_copy, replicate, split_batch

OPS = {"explicit": EXPLICIT, "autodiff": AUTODIFF}
EVALUATION_BATCH = 1000


def ops_of(config: Config) -> Ops:
    """The operations of a run.

    Raises:
      ConfigError: if --tuned is no file of `jaxcnn tune`.
    """
    ops = OPS[config.gradients]
    if config.tuned is None:
        return ops
    try:
        method = tuned(config.tuned)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--tuned: {error}") from error
    return ops._replace(conv=with_default(ops.conv, method))


class DivergedError(ArithmeticError):
    """A loss or a gradient is no longer a finite number."""


class _Objective(TypedDict):
    """The arguments that `make_train_step` and `find_nonfinite` must both get."""

    loss: Loss
    ops: Ops
    augment: Callable[[Array, Array, Array, Array], tuple[Array, Array]]
    compute_dtype: jnp.dtype | None


class Run:
    """A network in training: its state, its compiled steps, and the images.

    Each step replaces `state` and takes the memory of the old one, which then cannot be
    read any more.

    Args:
      config: the options, checked.
      dataset: the images.
      mesh: the devices, of all processes.
      machines: which of the processes this is.

    Raises:
      ConfigError: if there is no such model, or it does not fit the images.
    """

    def __init__(self, config: Config, dataset: Dataset, mesh: Mesh, machines: Machines = ALONE):
        self.config, self.dataset, self.mesh, self.machines = config, dataset, mesh, machines
        self.ops = ops_of(config)
        self.batches = len(dataset.train) // config.batch_size
        self.about = describe_network(config, dataset)
        self.model = network(config.model, self.about)
        self.loss: Loss = partial(
            self.ops.softmax_cross_entropy, label_smoothing=config.label_smoothing
        )
        self.schedule = make_schedule(
            config, config.epochs, max(1, self.batches // config.accumulate)
        )
        self._optimizer = make_optimizer(config, self.schedule)
        loss: Loss = self.loss
        if config.balance:
            loss = balanced(loss, class_weights(dataset.train.labels, len(dataset.classes)))
        self._objective = _Objective(
            loss=loss,
            ops=self.ops,
            augment=self._make_prepare(),
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
        first_state = partial(
            init_train_state,
            self.model,
            self._optimizer,
            input_shape=x_shape,
            average=average,
        )
        self.state = replicate(jax.jit(first_state)(key), self.mesh)  # one program, not 88
        decay = config.average_decay or 0.0
        steps = scan_steps(
            make_train_step(self.model, self._optimizer, average_decay=decay, **self._objective)
        )
        at_once = min(config.steps_per_dispatch, self.batches)
        self._steps = {}
        for count in {at_once, self.batches % at_once} - {0}:
            batches = self._batches(np.zeros((count, config.batch_size), int))
            self._steps[count] = steps.lower(self.state, *batches).compile()
        self._at_once = at_once
        of_images = make_logits(
            self.model, self.about.normalisation, mirror=config.mirror, ops=self.ops
        )

        def logits(state: TrainState, x: Array) -> Array:
            params, model_state = state.eval_params()
            return of_images(params, model_state, x)

        self._logits = jax.jit(logits, out_shardings=NamedSharding(self.mesh, PartitionSpec()))

    def epoch(self, epoch: int, first: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Train once on all images, or on those from batch `first` on; yields the
        metrics of each dispatch's steps.

        Args:
          epoch: its number, from 0, which gives the order of the images.
          first: the batches that are done, which are so many whole dispatches.

        Raises:
          DivergedError: at the first step whose loss or gradients are not all finite.
        """
        config = self.config
        order = epoch_order(config.seed, epoch, len(self.dataset.train), config.batch_size)[first:]
        share = order[:, self.machines.share(config.batch_size)]
        batches = self.dataset.train.batches(share)
        for start in range(0, len(order), self._at_once):
            chosen = order[start : start + self._at_once]
            x, y = self._placed(islice(batches, len(chosen)))
            self.state, metrics = self._steps[len(chosen)](self.state, x, y)
            metrics = jax.device_get(metrics)
            if not metrics["finite"].all():
                bad = int(np.argmin(metrics["finite"]))
                raise DivergedError(self._trouble(epoch + 1, first + start + bad, chosen[bad]))
            yield metrics

    def predict(self, images: Split) -> np.ndarray:
        """Logits (n, classes), computed in batches of one size, the last one filled
        with the first image, each split over the devices."""
        count = len(self.mesh.devices)
        size = -(-min(EVALUATION_BATCH, len(images)) // count) * count
        order = np.arange(-(-len(images) // size) * size)
        order[len(images) :] = 0
        rows = order.reshape(-1, size)[:, self.machines.share(size)]
        logits = [
            jax.device_get(self._logits(self.state, split_batch(x, self.mesh)))
            for x, _ in images.batches(rows)
        ]
        return np.concatenate(logits)[: len(images)]

    def evaluate(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The mean loss, and the share of the images that are classified correctly."""
        loss = jnp.mean(self.loss(jnp.asarray(logits), jnp.asarray(labels)))
        return {"loss": float(loss), "accuracy": float(np.mean(logits.argmax(axis=1) == labels))}

    def weights(self) -> tuple[Any, Any]:
        """Params and model state to predict with, copied to NumPy."""
        return jax.tree.map(np.array, own_copy(self.state.eval_params()))

    def arrays(self) -> dict[str, np.ndarray]:
        """All of the state, copied to NumPy, by name."""
        return to_arrays(own_copy(self.state))

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the state that `arrays` gave."""
        self.state = replicate(from_arrays(arrays, self.state), self.mesh)

    def _batches(self, indices: np.ndarray) -> tuple[Array, Array]:
        """The batches of these indices (steps, batch)."""
        own = indices[:, self.machines.share(indices.shape[1])]
        return self._placed(self.dataset.train.batches(own))

    def _placed(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[Array, Array]:
        """Images and labels (steps, batch, ...), each batch split over the devices."""
        x, y = zip(*batches, strict=True)
        return split_batch(np.stack(x), self.mesh, 1), split_batch(np.stack(y), self.mesh, 1)

    def _make_prepare(self) -> Callable[[Array, Array, Array, Array], tuple[Array, Array]]:
        """From the uint8 images of a batch to what the network gets."""
        normalisation = self.about.normalisation
        augment = make_augment(
            self.config,
            classes=len(self.dataset.classes),
            steps_per_epoch=self.batches,
            seed=self.config.seed,
            mean=normalisation.mean,
        )

        def prepare(key: Array, x: Array, y: Array, step: Array) -> tuple[Array, Array]:
            x = x.astype(jnp.float32) / 255
            if augment is not None:
                x, y = augment(key, x, y, step)
            return standardised(x, normalisation), y

        return prepare

    def _trouble(self, epoch: int, batch: int, indices: np.ndarray) -> str:
        x, y = self.dataset.train.take(indices)
        found = find_nonfinite(
            self.model, own_copy(self.state), jnp.asarray(x), jnp.asarray(y), **self._objective
        )
        where = found or "seen in the step, but not when the step was searched"
        return (
            f"not finite in batch {batch + 1} of epoch {epoch}: {where}; try a learning rate below"
            f" {self.config.learning_rate:g}, --warmup-epochs or --clip-norm"
        )
