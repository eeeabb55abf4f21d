"""Train a network on images, with explicit gradients or with JAX's.

    python -m experiments.train
    python -m experiments.train --gradients autodiff --seed 1 --epochs 50 --output runs/longer
    python -m experiments.train --recipe experiments/recipes/mnist.toml --data-dir DIR

The accuracy reported is that of the last epoch. `experiments/README.md` has the results over seeds, with hardware and time, and
says how the options were chosen.
"""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.huge_pages import use_huge_pages

    use_huge_pages()  # starts the program again: before the slow imports

import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments.augment import make_augment
from experiments.checkpoint import save_arrays
from experiments.config import Config, ConfigError, check, from_command_line
from experiments.data import Dataset, load, shuffled_batches
from experiments.devices import make_mesh, replicate, split, use_all_cores
from experiments.files import write_whole
from experiments.idx import DataError
from experiments.learning_curves import learning_curves
from experiments.messages import fail, plural
from experiments.optimizer import make_optimizer, make_schedule
from experiments.pictures import confusion_matrix, feature_maps, first_filters, worst_mistakes
from experiments.progress import training_progress
from jaxcnn import layers
from jaxcnn.models import MODELS
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.training import Augment, Loss, TrainState, find_nonfinite, init_train_state, make_train_step, scan_steps

OPS = {"explicit": EXPLICIT, "autodiff": AUTODIFF}
PICTURES = ("learning_curves.png", "first_filters.png", "feature_maps.png", "confusion_matrix.png", "worst_mistakes.png")
RUN_FILES = ("config.json", "metrics.jsonl", "model.safetensors", *PICTURES)
EVALUATION_BATCH = 1000

Row = dict[str, float]  # a line of metrics.jsonl


class Result(NamedTuple):
    """What a run comes to: where it is, its rows of metrics, the trained state, and training speed without compilation."""

    output: Path
    rows: list[Row]
    state: TrainState
    images_per_second: float


class DivergedError(ArithmeticError):
    """A loss or a gradient is no longer a finite number."""


def main(config: Config, console: Console | None = None) -> Result:
    """Train as `config` says.

    Raises:
      ConfigError, DataError: before anything is written, if an option makes no sense, the output folder holds a run already, or
        the images are not to be had.
      DivergedError: if a loss or a gradient becomes infinite or NaN; metrics.jsonl then has the epochs before.
    """
    start = time.perf_counter()
    console = console or Console()
    check(config)
    dataset = load(config.dataset, config.data_dir, say=partial(console.print, highlight=False, soft_wrap=True))
    if config.batch_size > len(dataset.x_train):
        raise ConfigError(f"--batch-size must be at most the {len(dataset.x_train):,} training images, got {config.batch_size:,}")
    mesh = make_mesh(config.devices, config.batch_size, math.prod(dataset.x_train.shape[1:3]))
    output = _make_output(config)
    run = Run(config, dataset, mesh)
    with console.status("compiling"):  # beforehand, so that the first epoch's time is like the others'
        run.compile()
    description = json.dumps(_description(config, dataset, mesh), indent=2)
    write_whole(output / "config.json", lambda path: path.write_text(description + "\n"))

    rows: list[Row] = []
    training_seconds = 0.0
    random = np.random.default_rng(config.seed)
    with (output / "metrics.jsonl").open("w") as log, training_progress(console, config.epochs, run.batches) as progress:
        for epoch in range(1, config.epochs + 1):
            epoch_start = time.perf_counter()
            seen = []
            for metrics in run.epoch(random, epoch):
                seen.append(metrics)
                progress.batches_done(len(metrics["loss"]))
            train = {name: float(np.concatenate([metrics[name] for metrics in seen]).mean()) for name in ("loss", "accuracy")}
            epoch_training_seconds = time.perf_counter() - epoch_start
            training_seconds += epoch_training_seconds
            logits = run.predict(dataset.x_test)
            test = run.evaluate(logits, dataset.y_test)
            row = {
                "epoch": epoch,
                "train_loss": train["loss"],
                "train_accuracy": train["accuracy"],
                "test_loss": test["loss"],
                "test_accuracy": test["accuracy"],
                "learning_rate": float(run.schedule(epoch * run.batches // config.accumulate)),
                "seconds": time.perf_counter() - epoch_start,
            }
            rows.append(row)
            log.write(json.dumps(row) + "\n")
            log.flush()
            progress.epoch_done(row, run.batches * config.batch_size / epoch_training_seconds)

    params, model_state = run.state.best_guess()
    save_arrays(output / "model.safetensors", {"params": params, "state": model_state})
    for name, figure in _pictures(config, run, rows, logits):
        write_whole(output / name, partial(figure.savefig, format="png", dpi=150))
    result = Result(output, rows, run.state, config.epochs * run.batches * config.batch_size / training_seconds)
    console.print(_table(config, result, len(mesh.devices), time.perf_counter() - start))
    return result


class _Objective(TypedDict):
    """What `make_train_step` and `find_nonfinite` must be told alike."""

    loss: Loss
    augment: Augment | None
    compute_dtype: jnp.dtype | None


class Run:
    """A network in training: its state, its compiled steps, and the images.

    `state` changes with each step, and its old value is gone: the steps take its memory.
    """

    def __init__(self, config: Config, dataset: Dataset, mesh: Mesh):
        ops = OPS[config.gradients]
        self.config, self.dataset, self.mesh = config, dataset, mesh
        self.batches = len(dataset.x_train) // config.batch_size
        self.model = MODELS[config.model](len(dataset.classes), ops=ops)
        self.loss: Loss = partial(ops.softmax_cross_entropy, label_smoothing=config.label_smoothing)
        self.schedule = make_schedule(config, max(1, self.batches // config.accumulate))
        self._optimizer = make_optimizer(config, self.schedule)
        self._objective = _Objective(
            loss=self.loss,
            augment=make_augment(shift_pixels=config.shift, flips=config.flip, cutout_size=config.cutout),
            compute_dtype=None if config.compute_dtype == "float32" else jnp.dtype(config.compute_dtype),
        )

    def compile(self) -> None:
        """Draw the parameters and compile the steps: for `steps_per_dispatch` batches, and for those left at an epoch's end."""
        config = self.config
        x_shape = (config.batch_size, *self.dataset.x_train.shape[1:])
        key, average = jax.random.key(config.seed), config.average_decay is not None
        self.state = replicate(self.mesh, init_train_state(self.model, self._optimizer, key, x_shape, average=average))
        decay = config.average_decay or 0.0
        steps = scan_steps(make_train_step(self.model, self._optimizer, average_decay=decay, **self._objective))
        at_once = min(config.steps_per_dispatch, self.batches)
        self._steps = {
            count: steps.lower(self.state, *self._batches(np.zeros((count, config.batch_size), int))).compile()
            for count in {at_once, self.batches % at_once} - {0}
        }
        self._at_once = at_once
        self._predict = jax.jit(lambda state, x: self.model.apply(*state.best_guess(), x)[0])

    def epoch(self, random: np.random.Generator, epoch: int) -> Iterator[dict[str, np.ndarray]]:
        """Train once through the images; the metrics of each dispatch's steps.

        Raises:
          DivergedError: at the first step whose loss or gradients are not all finite.
        """
        order = np.stack(list(shuffled_batches(random, len(self.dataset.x_train), self.config.batch_size)))
        for first in range(0, len(order), self._at_once):
            chosen = order[first : first + self._at_once]
            self.state, metrics = self._steps[len(chosen)](self.state, *self._batches(chosen))
            metrics = jax.device_get(metrics)
            if not metrics["finite"].all():
                bad = int(np.argmin(metrics["finite"]))
                raise DivergedError(self._trouble(epoch, first + bad, chosen[bad]))
            yield metrics

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, classes), in batches of one size, the last one filled up, each split over the devices."""
        count = len(self.mesh.devices)
        size = -(-min(EVALUATION_BATCH, len(x)) // count) * count
        logits = []
        for first in range(0, len(x), size):
            batch = x[first : first + size]
            padded = np.pad(batch, ((0, size - len(batch)), *((0, 0),) * (x.ndim - 1)))
            logits.append(jax.device_get(self._predict(self.state, split(self.mesh, padded)))[: len(batch)])
        return np.concatenate(logits)

    def evaluate(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The mean loss, and the part of the images that is classified rightly."""
        loss = jnp.mean(self.loss(jnp.asarray(logits), jnp.asarray(labels)))
        return {"loss": float(loss), "accuracy": float(np.mean(logits.argmax(axis=1) == labels))}

    def _batches(self, indices: np.ndarray) -> tuple[Array, Array]:
        """Images and labels (steps, batch, ...), each batch split over the devices."""
        return split(self.mesh, self.dataset.x_train[indices], 1), split(self.mesh, self.dataset.y_train[indices], 1)

    def _trouble(self, epoch: int, batch: int, indices: np.ndarray) -> str:
        x, y = self.dataset.x_train[indices], self.dataset.y_train[indices]
        found = find_nonfinite(self.model, self.state, jnp.asarray(x), jnp.asarray(y), **self._objective)
        where = found or "found in the step, but not when it was searched for"
        return (
            f"not finite in batch {batch + 1} of epoch {epoch}: {where}; "
            f"try a learning rate below {self.config.learning_rate:g}, --warmup-epochs or --clip-norm"
        )


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong is told in one line on stderr."""
    try:
        config = from_command_line(arguments, "python -m experiments.train")
        use_all_cores()
        main(config)
    except (ConfigError, DataError) as error:
        return fail("train", error, 2)
    except (DivergedError, OSError) as error:
        return fail("train", error, 1)
    except KeyboardInterrupt:
        return fail("train", "interrupted: metrics.jsonl has the epochs that were done", 130)
    return 0


# Before the run.


def _make_output(config: Config) -> Path:
    """The run's folder, without the files of an earlier run, so that none is ever taken for this one's."""
    name = f"{config.dataset}-{config.model}-{config.gradients}-seed{config.seed}"
    output = config.output or _new_folder(Path("runs") / name)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output must be a folder that can be written: {output}: {error.strerror}") from error
    earlier = [output / name for name in RUN_FILES if (output / name).exists()]
    if earlier and not config.overwrite:
        raise ConfigError(f"{output} holds a run already: pass --overwrite to replace it, or another --output")
    for path in earlier:
        path.unlink()
    return output


def _new_folder(path: Path) -> Path:
    """`path`, or the first of path-2, path-3, ... that is not there."""
    names = itertools.chain([path.name], (f"{path.name}-{number}" for number in itertools.count(2)))
    return next(folder for folder in map(path.with_name, names) if not folder.exists())


def _description(config: Config, dataset: Dataset, mesh: Mesh) -> dict[str, object]:
    """What config.json says: the options, and what else the result depends on."""
    options = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(config).items()}
    device = mesh.devices.flat[0]
    return options | {
        "train_images": len(dataset.y_train),
        "test_images": len(dataset.y_test),
        "image_shape": dataset.x_train.shape[1:],
        "classes": dataset.classes,
        "device": f"{mesh.devices.size} x {device.platform}: {device.device_kind}",
        "versions": {name: version(name) for name in ("jaxcnn", "jax", "jaxlib", "optax", "numpy", "scikit-learn")},
        "python": platform.python_version(),
    }


# After the run.


def _pictures(config: Config, run: Run, rows: Sequence[Row], logits: np.ndarray) -> Iterator[tuple[str, Figure]]:
    """The name and the figure of each picture; `logits` are those of the test images."""
    dataset = run.dataset
    right = f"{rows[-1]['test_accuracy']:.2%} of {len(dataset.y_test):,} test images right"
    title = f"{_title(config)}: {right} after {plural(config.epochs, 'epoch')}"
    least = _label_entropy(config.label_smoothing, len(dataset.classes))
    yield "learning_curves.png", learning_curves(rows, title, least_loss=least)

    params, model_state = run.state.best_guess()
    x = jnp.asarray(dataset.x_test[:1])
    given = jax.jit(partial(layers.outputs, run.model))(params, model_state, x)
    maps = [(path, np.asarray(y[0])) for path, y in given.items() if y.ndim == 4 and not path.endswith("shortcut")]
    kernel = next(params[entry]["w"] for entry, part in run.model.parts if part.name == "conv")
    yield "first_filters.png", first_filters(kernel, f"{_title(config)}: kernels of the first layer")
    yield "feature_maps.png", feature_maps(x[0], _chosen(maps, 12), f"{_title(config)}: what the layers give for one image")
    yield (
        "confusion_matrix.png",
        confusion_matrix(dataset.y_test, logits.argmax(axis=1), dataset.classes, _title(config)),
    )
    probabilities = np.asarray(jax.nn.softmax(logits, axis=-1))
    yield "worst_mistakes.png", worst_mistakes(dataset.x_test, dataset.y_test, probabilities, dataset.classes, _title(config))


def _chosen(maps: list[tuple[str, np.ndarray]], most: int) -> list[tuple[str, np.ndarray]]:
    """At most `most` of them, evenly from the first to the last."""
    return [maps[round(position)] for position in np.linspace(0, len(maps) - 1, min(most, len(maps)))]


def _label_entropy(smoothing: float, classes: int) -> float:
    """The cross-entropy of a perfect prediction: smoothed labels leave something to guess."""
    labels = np.full(classes, smoothing / classes)
    labels[0] += 1 - smoothing
    return float(-np.sum(labels * np.log(labels, where=labels > 0, out=np.zeros(classes))))


def _table(config: Config, result: Result, devices: int, seconds: float) -> Table:
    last = result.rows[-1]
    table = Table(title=_title(config), show_header=False)
    for name, value in (
        ("test accuracy", f"{last['test_accuracy']:.2%}"),
        ("test loss", f"{last['test_loss']:.4f}"),
        ("train accuracy (as trained)", f"{last['train_accuracy']:.2%}"),
        ("train loss (as trained)", f"{last['train_loss']:.4f}"),
        ("epochs", f"{config.epochs}"),
        ("parameters", f"{sum(p.size for p in jax.tree.leaves(result.state.params)):,}"),
        ("devices", f"{devices}"),
        ("training speed", f"{result.images_per_second:,.0f} images/s"),
        ("time, with compilation", f"{seconds:.1f} s"),
        ("files in", str(result.output)),
    ):
        table.add_row(name, value)
    return table


def _title(config: Config) -> str:
    return f"{config.model} on {config.dataset}, {config.gradients} gradients, seed {config.seed}"


if __name__ == "__main__":
    sys.exit(command_line())
