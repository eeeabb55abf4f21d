r"""Train a network on images, with explicit gradients or with JAX's.

    jaxcnn train
    jaxcnn train --gradients autodiff --seed 1 --epochs 50 \
        --output runs/longer
    jaxcnn train --recipe jaxcnn/programs/train/recipes/mnist.toml --data-dir DIR

The accuracy reported is that of the last epoch. `experiments/README.md` has the results
over seeds, with hardware and time, and says how the options were chosen.

The files of a run are there from its first epoch on; until then an earlier run that it
replaces is untouched. Ctrl-C and SIGTERM end it with the weights of the last epoch that
was done.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.huge_pages import use_huge_pages
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("train")
    use_huge_pages()  # starts the program again

import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from jaxcnn import layers
from jaxcnn.programs.checkpoint import save_arrays
from jaxcnn.programs.data.dataset import Dataset, load
from jaxcnn.programs.data.idx import DataError
from jaxcnn.programs.devices import make_mesh, use_all_cores
from jaxcnn.programs.files import append_line, write_whole
from jaxcnn.programs.interruption import ignored
from jaxcnn.programs.messages import plural
from jaxcnn.programs.output import claimed, replacing
from jaxcnn.programs.program import leave, run_program
from jaxcnn.programs.progress import training_progress
from jaxcnn.programs.train.config import (
    Config,
    ConfigError,
    check,
    check_with_data,
    from_command_line,
)
from jaxcnn.programs.train.learning_curves import learning_curves
from jaxcnn.programs.train.pictures import (
    confusion_matrix,
    feature_maps,
    first_filters,
    worst_mistakes,
)
from jaxcnn.programs.train.run import DivergedError, Run
from jaxcnn.training import TrainState

PICTURES = (
    "learning_curves.png",
    "first_filters.png",
    "feature_maps.png",
    "confusion_matrix.png",
    "worst_mistakes.png",
)
RUN_FILES = ("config.json", "metrics.jsonl", "model.safetensors", *PICTURES)

Row = dict[str, float]  # a line of metrics.jsonl


class Result(NamedTuple):
    """What a run comes to: where it is, its rows of metrics, the trained state, and
    training speed without compilation."""

    output: Path
    rows: list[Row]
    state: TrainState
    images_per_second: float


class Done(NamedTuple):
    """What there is after an epoch.

    Attributes:
      rows: of metrics, one for each epoch so far.
      weights: a copy of the model's params and state in NumPy arrays: the next step
        takes the memory of its own.
      logits: of the test images.
      speed: training images in a second, of this epoch and of all so far.
    """

    rows: tuple[Row, ...]
    weights: dict[str, Any]
    logits: np.ndarray
    speed: tuple[float, float]


def main(config: Config, console: Console | None = None) -> Result:
    """Train as `config` says.

    Raises:
      ConfigError, DataError: before anything is written, if an option makes no sense,
        the output folder holds a run already or is being written by another program, or
        the images are not to be had.
      DivergedError: if a loss or a gradient becomes infinite or NaN; metrics.jsonl then
        has the epochs before.
      KeyboardInterrupt: with a message that says what was saved.
    """
    start = time.perf_counter()
    console = console or Console()
    check(config)
    with _claimed_output(config) as output:
        if any((output / name).exists() for name in RUN_FILES) and not config.overwrite:
            raise ConfigError(
                f"{output} holds a run already: pass --overwrite to replace it, or another --output"
            )
        dataset = load(
            config.dataset,
            config.data_dir,
            say=partial(console.print, highlight=False, soft_wrap=True),
        )
        check_with_data(config, len(dataset.x_train), dataset.x_train.shape[1:3])
        mesh = make_mesh(config.devices, config.batch_size, math.prod(dataset.x_train.shape[1:3]))
        run = Run(config, dataset, mesh)
        done = _train(run, output, console)
        try:
            for name, figure in _pictures(config, run, done):
                write_whole(output / name, partial(figure.savefig, format="png", dpi=150))
        except KeyboardInterrupt as interruption:
            interruption.args = (f"{output} has the whole run but for some of its pictures",)
            raise
        result = Result(output, list(done.rows), run.state, done.speed[1])
        console.print(_table(config, run, result, time.perf_counter() - start))
    return result


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        config = from_command_line(arguments, "jaxcnn train")
        use_all_cores()
        main(config)

    return run_program("train", body, refused=(DataError,), failed=(DivergedError,))


def _claimed_output(config: Config) -> AbstractContextManager[Path]:
    """The run's folder, which no other program can write into meanwhile."""
    if config.output is not None:
        return claimed(config.output)
    return claimed(
        Path("runs") / f"{config.dataset}-{config.model}-{config.gradients}-seed{config.seed}",
        new=True,
    )


# The run, and its files.


def _train(run: Run, output: Path, console: Console) -> Done:
    """All epochs, with the files of each; at an interruption, those of the epochs that
    are done, with weights."""
    config = run.config
    done = None
    try:
        with console.status(
            "compiling"
        ):  # beforehand, so that the first epoch's time is like the others'
            run.compile()
        description = json.dumps(_description(config, run.dataset, run.mesh), indent=2)
        with training_progress(console, config.epochs, run.batches) as progress:
            for done in _epochs(run, progress.batches_done):
                if len(done.rows) == 1:
                    _write_run(output, description, done, with_weights=False)
                else:
                    append_line(output / "metrics.jsonl", json.dumps(done.rows[-1]))
                progress.epoch_done(done.rows[-1], done.speed[0])
        assert done is not None, "there is an epoch at least"
        save_arrays(output / "model.safetensors", done.weights)
    except KeyboardInterrupt as interruption:
        interruption.args = ("nothing was written: no epoch was done",)
        if done is not None:
            with ignored():
                _write_run(output, description, done, with_weights=True)
            epochs = f"{len(done.rows)} of {plural(config.epochs, 'epoch')}"
            interruption.args = (f"{output} has the weights and the metrics of {epochs}",)
        raise
    return done


def _epochs(run: Run, batches_done: Callable[[int], object]) -> Iterator[Done]:
    """Train, and test after each epoch.

    Raises:
      DivergedError: as `Run.epoch`.
    """
    config, dataset = run.config, run.dataset
    random = np.random.default_rng(config.seed)
    rows: tuple[Row, ...] = ()
    training_seconds = 0.0
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        seen = []
        for metrics in run.epoch(random, epoch):
            seen.append(metrics)
            batches_done(len(metrics["loss"]))
        train = {
            name: float(np.concatenate([metrics[name] for metrics in seen]).mean())
            for name in ("loss", "accuracy")
        }
        epoch_seconds = time.perf_counter() - start
        training_seconds += epoch_seconds
        logits = run.predict(dataset.x_test)
        test = run.evaluate(logits, dataset.y_test)
        row = {
            "epoch": epoch,
            "train_loss": train["loss"],
            "train_accuracy": train["accuracy"],
            "test_loss": test["loss"],
            "test_accuracy": test["accuracy"],
            "learning_rate": float(run.schedule(epoch * run.batches // config.accumulate)),
            "seconds": time.perf_counter() - start,
        }
        rows = (*rows, row)
        params, model_state = jax.tree.map(np.array, run.state.eval_params())
        images = run.batches * config.batch_size
        yield Done(
            rows,
            {"params": params, "state": model_state},
            logits,
            (images / epoch_seconds, epoch * images / training_seconds),
        )


def _write_run(output: Path, description: str, done: Done, *, with_weights: bool) -> None:
    """All files of the run so far, in the place of what the folder has of a run, at one
    stroke."""
    with replacing(output, RUN_FILES) as new:
        write_whole(new / "config.json", lambda path: path.write_text(f"{description}\n"))
        lines = "".join(f"{json.dumps(row)}\n" for row in done.rows)
        write_whole(new / "metrics.jsonl", lambda path: path.write_text(lines))
        if with_weights:
            save_arrays(new / "model.safetensors", done.weights)


def _description(config: Config, dataset: Dataset, mesh: Mesh) -> dict[str, object]:
    """What config.json says: the options, and what else the result depends on."""
    options = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
    }
    device = mesh.devices.flat[0]
    return options | {
        "train_images": len(dataset.y_train),
        "test_images": len(dataset.y_test),
        "image_shape": dataset.x_train.shape[1:],
        "classes": dataset.classes,
        "device": f"{mesh.devices.size} x {device.platform}: {device.device_kind}",
        "versions": {
            name: version(name)
            for name in ("jaxcnn", "jax", "jaxlib", "optax", "numpy", "scikit-learn")
        },
        "python": platform.python_version(),
    }


# After the run.


def _pictures(config: Config, run: Run, done: Done) -> Iterator[tuple[str, Figure]]:
    """The name and the figure of each picture."""
    dataset, rows, predictions = run.dataset, done.rows, done.logits.argmax(axis=1)
    right = f"{rows[-1]['test_accuracy']:.2%} of {len(dataset.y_test):,} test images right"
    title = f"{_title(config)}: {right} after {plural(config.epochs, 'epoch')}"
    least = _label_entropy(config.label_smoothing, len(dataset.classes))
    yield "learning_curves.png", learning_curves(rows, title, least_loss=least)

    params, model_state = run.state.eval_params()
    x = jnp.asarray(dataset.x_test[:1])
    given = jax.jit(partial(layers.outputs, run.model))(params, model_state, x)
    maps = [
        (path, np.asarray(y[0]))
        for path, y in given.items()
        if y.ndim == 4 and not path.endswith("shortcut")
    ]
    kernel = next(params[entry]["w"] for entry, part in run.model.parts if part.name == "conv")
    yield (
        "first_filters.png",
        first_filters(kernel, f"{_title(config)}: kernels of the first layer"),
    )
    caption = (
        f"true: {dataset.classes[dataset.y_test[0]]}\npredicted: {dataset.classes[predictions[0]]}"
    )
    title = f"{_title(config)}: what the layers give for one image"
    yield "feature_maps.png", feature_maps(x[0], _chosen(maps, 12), title, caption=caption)
    yield (
        "confusion_matrix.png",
        confusion_matrix(dataset.y_test, predictions, dataset.classes, _title(config)),
    )
    probabilities = np.asarray(jax.nn.softmax(done.logits, axis=-1))
    yield (
        "worst_mistakes.png",
        worst_mistakes(
            dataset.x_test, dataset.y_test, probabilities, dataset.classes, _title(config)
        ),
    )


def _chosen(maps: list[tuple[str, np.ndarray]], most: int) -> list[tuple[str, np.ndarray]]:
    """At most `most` of them, evenly from the first to the last."""
    return [
        maps[round(position)] for position in np.linspace(0, len(maps) - 1, min(most, len(maps)))
    ]


def _label_entropy(smoothing: float, classes: int) -> float:
    """The cross-entropy of a perfect prediction: smoothed labels leave something to
    guess."""
    labels = np.full(classes, smoothing / classes)
    labels[0] += 1 - smoothing
    return float(-np.sum(labels * np.log(labels, where=labels > 0, out=np.zeros(classes))))


def _table(config: Config, run: Run, result: Result, seconds: float) -> Table:
    last = result.rows[-1]
    table = Table(title=_title(config), show_header=False)
    for name, value in (
        ("test accuracy", f"{last['test_accuracy']:.2%}"),
        ("test loss", f"{last['test_loss']:.4f}"),
        (
            "least possible test loss, labels smoothed",
            f"{_label_entropy(config.label_smoothing, len(run.dataset.classes)):.4f}",
        ),
        ("train accuracy (as trained)", f"{last['train_accuracy']:.2%}"),
        ("train loss (as trained)", f"{last['train_loss']:.4f}"),
        ("epochs", f"{config.epochs}"),
        ("parameters", f"{sum(p.size for p in jax.tree.leaves(result.state.params)):,}"),
        ("devices", f"{run.mesh.devices.size}"),
        ("training speed", f"{result.images_per_second:,.0f} images/s"),
        ("time, with compilation", f"{seconds:.1f} s"),
        ("files in", str(result.output)),
    ):
        if config.label_smoothing or "smoothed" not in name:
            table.add_row(name, value)
    return table


def _title(config: Config) -> str:
    return f"{config.model} on {config.dataset}, {config.gradients} gradients, seed {config.seed}"


if __name__ == "__main__":
    leave(command_line())
