"""Train a network on images, with explicit gradients or with JAX's autodiff.

    jaxcnn train
    jaxcnn train --gradients autodiff --seed 1 --epochs 50 --output runs/longer
    jaxcnn train --recipe mnist --data-dir DIR

The reported accuracy is that of the last epoch.

The run's files are there from its first epoch on; until then an earlier run that it
replaces is untouched. Ctrl-C and SIGTERM end it with the weights of the last whole
epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from jaxcnn.programs.cli import run_program
from jaxcnn.programs.data.dataset import load
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.devices import make_mesh, use_all_cores
from jaxcnn.programs.interruption import ignored
from jaxcnn.programs.messages import plural
from jaxcnn.programs.progress import training_progress
from jaxcnn.programs.train.config import Config, check, check_with_data, from_command_line
from jaxcnn.programs.train.epochs import Done, Row, epochs
from jaxcnn.programs.train.report import pictures, table
from jaxcnn.programs.train.run import DivergedError, Run
from jaxcnn.programs.train.run_files import (
    append_metrics,
    check_free,
    claimed_output,
    description,
    write_run,
    write_weights,
)
from jaxcnn.stored.files import write_whole
from jaxcnn.training import TrainState


class Result(NamedTuple):
    """A run's folder, its metrics of each epoch, the trained state, and training images
    per second without compilation."""

    output: Path
    rows: list[Row]
    state: TrainState
    images_per_second: float


def main(config: Config, console: Console | None = None) -> Result:
    """Train as `config` says.

    Raises:
      ConfigError, DataError: before anything is written, if an option makes no sense,
        the output folder holds a run already or another program writes to it, or the
        images cannot be had.
      DivergedError: if a loss or a gradient becomes infinite or NaN; metrics.jsonl then
        has the epochs before.
      KeyboardInterrupt: with a message that says what was saved.
    """
    start = time.perf_counter()
    console = console or Console()
    check(config)
    with claimed_output(config) as output:
        check_free(output, config)
        say = partial(console.print, highlight=False, soft_wrap=True)
        dataset = load(config, say=say)
        for note in dataset.notes:
            say(note)
        check_with_data(config, len(dataset.train), dataset.image_shape[:2])
        mesh = make_mesh(config.devices, config.batch_size, math.prod(dataset.image_shape[:2]))
        run = Run(config, dataset, mesh)
        done = _train(run, output, console)
        try:
            for name, figure in pictures(config, run, done):
                write_whole(output / name, partial(figure.savefig, format="png", dpi=150))
        except KeyboardInterrupt as interruption:
            interruption.args = (f"{output} has the whole run but for some of its pictures",)
            raise
        console.print(table(config, run, done, str(output), time.perf_counter() - start))
    return Result(output, list(done.rows), run.state, done.speed[1])


def _train(run: Run, output: Path, console: Console) -> Done:
    """Train for all epochs, writing the files after each. An interruption leaves the
    files of the whole epochs, with their weights."""
    config = run.config
    done = None
    try:
        # Compiled beforehand, so that the first epoch's time is like the others'.
        with console.status("compiling"):
            run.compile()
        about = description(config, run.dataset, run.mesh)
        with training_progress(console, config.epochs, run.batches) as progress:
            for done in epochs(run, progress.batches_done):
                if len(done.rows) == 1:
                    write_run(output, about, done, with_weights=False)
                else:
                    append_metrics(output, done)
                progress.epoch_done(done.rows[-1], done.speed[0])
        assert done is not None, "there is an epoch at least"
        write_weights(output, done)
    except KeyboardInterrupt as interruption:
        interruption.args = ("nothing was written: no epoch was done",)
        if done is not None:
            with ignored():
                write_run(output, about, done, with_weights=True)
            whole = f"{len(done.rows)} of {plural(config.epochs, 'epoch')}"
            interruption.args = (f"{output} has the weights and the metrics of {whole}",)
        raise
    return done


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    name = "jaxcnn train"

    def body() -> None:
        config = from_command_line(arguments, name)
        use_all_cores()
        main(config)

    return run_program(name, body, refused=(DataError,), failed=(DivergedError,))
