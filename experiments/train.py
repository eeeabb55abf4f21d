"""Train LeNet on scikit-learn's digits, with explicit gradients or with JAX's.

    python -m experiments.train
    python -m experiments.train --gradients autodiff --seed 1 --epochs 50 --output runs/longer

The defaults were chosen by 4-fold cross-validation on the training images alone; the test images had no part in it. The
accuracy reported is that of the last epoch. `experiments/README.md` has the results over seeds, with hardware and time.
"""

from __future__ import annotations

import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np
import optax
import tyro
from rich.console import Console
from rich.table import Table

from experiments.checkpoint import save_arrays
from experiments.data import Dataset, digits, shuffled_batches
from experiments.files import write_whole
from experiments.learning_curves import learning_curves
from experiments.progress import training_progress
from jaxcnn.models import lenet
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.training import TrainState, init_train_state, make_eval_step, make_train_step

OPS = {"explicit": EXPLICIT, "autodiff": AUTODIFF}
RUN_FILES = ("config.json", "metrics.jsonl", "params.safetensors", "learning_curves.png")
WEIGHT_DECAY = 1e-2
EPSILON = 1e-5  # AdamW's. Its usual 1e-8 makes whole steps of the rounding error in a gradient that is nearly 0

Row = dict[str, float]  # a line of metrics.jsonl


@dataclass(frozen=True)
class Config:
    """Train LeNet on the 8x8 digits of scikit-learn. Writes config.json, metrics.jsonl (one line per epoch),
    params.safetensors and learning_curves.png to the output folder.
    """

    gradients: Literal["explicit", "autodiff"] = "explicit"
    """Whose derivatives: the rules written in this library, or JAX's."""
    seed: int = 0
    """Seed of the parameters, of dropout and of the order of the images; the held-out images do not depend on it."""
    epochs: int = 30
    """How often to go through the training images."""
    batch_size: int = 32
    """Images in a step; the last images of an epoch's order, fewer than a batch, are left out."""
    learning_rate: float = 3e-3
    """AdamW's learning rate at the start; it falls to 0 along a half cosine."""
    label_smoothing: float = 0.1
    """The part of each label that is spread over all classes."""
    output: Path | None = None
    """Folder of the run, by default a new one: runs/digits-<gradients>-seed<seed>, or the same with -2, -3, ... behind it."""
    overwrite: bool = False
    """Replace the run that is in the output folder, instead of refusing to start."""


class Result(NamedTuple):
    """What a run comes to: where it is, its rows of metrics, the trained state, and training speed without compilation."""

    output: Path
    rows: list[Row]
    state: TrainState
    images_per_second: float


class ConfigError(ValueError):
    """The options of a run make no sense."""


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


def main(config: Config, console: Console | None = None) -> Result:
    """Train as `config` says.

    Raises:
      ConfigError: before anything is written, if an option makes no sense or the output folder holds a run already.
      DivergedError: if the loss becomes infinite or NaN; metrics.jsonl then has the epochs before.
    """
    start = time.perf_counter()
    console = console or Console()
    dataset = digits()
    _check(config, images=len(dataset.x_train))
    output = _make_output(config)
    description = json.dumps(_description(config, dataset), indent=2)
    write_whole(output / "config.json", lambda path: path.write_text(description + "\n"))

    ops = OPS[config.gradients]
    model = lenet(ops=ops)
    loss = partial(ops.softmax_cross_entropy, label_smoothing=config.label_smoothing)
    batches = len(dataset.x_train) // config.batch_size
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.epochs * batches)
    optimizer = optax.adamw(schedule, eps=EPSILON, weight_decay=WEIGHT_DECAY)
    x, y = dataset.x_train[: config.batch_size], dataset.y_train[: config.batch_size]
    with console.status("compiling"):  # beforehand, so that the first epoch's time is like the others'
        state = init_train_state(model, optimizer, jax.random.key(config.seed), x.shape)
        step = make_train_step(model, optimizer, loss=loss).lower(state, x, y).compile()
        evaluate = make_eval_step(model, loss=loss).lower(state, dataset.x_test, dataset.y_test).compile()

    random = np.random.default_rng(config.seed)
    rows: list[Row] = []
    training_seconds = 0.0
    with (output / "metrics.jsonl").open("w") as log, training_progress(console, config.epochs, batches) as progress:
        for epoch in range(1, config.epochs + 1):
            epoch_start = time.perf_counter()
            seen = []
            for batch in shuffled_batches(random, len(dataset.x_train), config.batch_size):
                state, metrics = step(state, dataset.x_train[batch], dataset.y_train[batch])
                seen.append(metrics)
                progress.batch_done()
            train = {name: float(np.mean([metrics[name] for metrics in seen])) for name in ("loss", "accuracy")}
            epoch_training_seconds = time.perf_counter() - epoch_start
            training_seconds += epoch_training_seconds
            test = {name: float(value) for name, value in evaluate(state, dataset.x_test, dataset.y_test).items()}
            _check_finite(epoch, train["loss"], test["loss"], config.learning_rate)
            row = {
                "epoch": epoch,
                "train_loss": train["loss"],
                "train_accuracy": train["accuracy"],
                "test_loss": test["loss"],
                "test_accuracy": test["accuracy"],
                "seconds": time.perf_counter() - epoch_start,
            }
            rows.append(row)
            log.write(json.dumps(row) + "\n")
            log.flush()
            progress.epoch_done(row, batches * config.batch_size / epoch_training_seconds)

    save_arrays(output / "params.safetensors", state.params)
    title = (
        f"LeNet on 8x8 digits, {config.gradients} gradients, seed {config.seed}: "
        f"{rows[-1]['test_accuracy']:.2%} of {len(dataset.y_test)} test images right after {_plural(config.epochs, 'epoch')}"
    )
    figure = learning_curves(rows, title, least_loss=_label_entropy(config.label_smoothing, classes=10))
    write_whole(output / "learning_curves.png", lambda path: figure.savefig(path, format="png", dpi=150))
    result = Result(output, rows, state, config.epochs * batches * config.batch_size / training_seconds)
    console.print(_table(config, result, time.perf_counter() - start))
    return result


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong is told in one line on stderr."""
    config = tyro.cli(Config, prog="python -m experiments.train", args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
    try:
        main(config)
    except ConfigError as error:
        return _fail(error, 2)
    except (DivergedError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted: metrics.jsonl has the epochs that were done", 130)
    return 0


def _fail(message: object, status: int) -> int:
    print(f"train: {message}", file=sys.stderr)
    return status


# Before the run.


def _check(config: Config, images: int) -> None:
    if config.epochs < 1:
        raise ConfigError(f"--epochs must be at least 1, got {config.epochs}")
    if not 1 <= config.batch_size <= images:
        raise ConfigError(f"--batch-size must be between 1 and the {images:,} training images, got {config.batch_size:,}")
    if not 0 < config.learning_rate < math.inf:
        raise ConfigError(f"--learning-rate must be a positive number, got {config.learning_rate:g}")
    if not 0 <= config.label_smoothing < 1:
        raise ConfigError(f"--label-smoothing must be at least 0 and below 1, got {config.label_smoothing:g}")
    if not 0 <= config.seed < 2**31:
        raise ConfigError(f"--seed must be between 0 and 2^31 - 1, got {config.seed}")


def _make_output(config: Config) -> Path:
    """The run's folder, without the files of an earlier run, so that none is ever taken for this one's."""
    output = config.output or _new_folder(Path("runs") / f"digits-{config.gradients}-seed{config.seed}")
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


def _description(config: Config, dataset: Dataset) -> dict[str, object]:
    """What config.json says: the options, and what else the result depends on."""
    options = asdict(config) | {"output": None if config.output is None else str(config.output)}
    device = jax.devices()[0]
    return options | {
        "model": "lenet",
        "optimizer": f"adamw, epsilon {EPSILON:g}, weight decay {WEIGHT_DECAY:g}, cosine decay to 0",
        "dataset": "sklearn.datasets.load_digits",
        "train_images": len(dataset.y_train),
        "test_images": len(dataset.y_test),
        "device": f"{device.platform}: {device.device_kind}",
        "versions": {name: version(name) for name in ("jaxcnn", "jax", "jaxlib", "optax", "numpy", "scikit-learn")},
        "python": platform.python_version(),
    }


# During the run and after it.


def _check_finite(epoch: int, train_loss: float, test_loss: float, learning_rate: float) -> None:
    if not (math.isfinite(train_loss) and math.isfinite(test_loss)):
        raise DivergedError(
            f"the loss is not finite in epoch {epoch}, {train_loss} in training and {test_loss} in the test: "
            f"try a learning rate below {learning_rate:g}"
        )


def _label_entropy(smoothing: float, classes: int) -> float:
    """The cross-entropy of a perfect prediction: smoothed labels leave something to guess."""
    labels = np.full(classes, smoothing / classes)
    labels[0] += 1 - smoothing
    return float(-np.sum(labels * np.log(labels, where=labels > 0, out=np.zeros(classes))))


def _table(config: Config, result: Result, seconds: float) -> Table:
    last = result.rows[-1]
    table = Table(title=f"LeNet on 8x8 digits, {config.gradients} gradients, seed {config.seed}", show_header=False)
    for name, value in (
        ("test accuracy", f"{last['test_accuracy']:.2%}"),
        ("test loss", f"{last['test_loss']:.4f}"),
        ("train accuracy (with dropout)", f"{last['train_accuracy']:.2%}"),
        ("train loss (with dropout)", f"{last['train_loss']:.4f}"),
        ("epochs", f"{config.epochs}"),
        ("parameters", f"{sum(p.size for p in jax.tree.leaves(result.state.params)):,}"),
        ("training speed", f"{result.images_per_second:,.0f} images/s"),
        ("time, with compilation", f"{seconds:.1f} s"),
        ("files in", str(result.output)),
    ):
        table.add_row(name, value)
    return table


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


if __name__ == "__main__":
    sys.exit(command_line())
