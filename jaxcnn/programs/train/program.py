"""Train a network on images, with explicit gradients or with JAX's autodiff.

    jaxcnn train
    jaxcnn train --gradients autodiff --seed 1 --epochs 50 --output runs/longer
    jaxcnn train --recipe mnist --data-dir DIR
    jaxcnn train --dataset folder --data-dir DIR --image-size 64 --output RUN
    jaxcnn train --dataset folder --data-dir DIR --image-size 64 --output RUN --resume

The reported accuracy is that of the last epoch.

Ctrl-C and SIGTERM save a checkpoint and end the run. Whatever ended it, `--resume` goes
on from the last checkpoint, and gives bit for bit what the whole run would have given.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from jaxcnn.programs.cli import command, run_program
from jaxcnn.programs.data.dataset import load
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.devices import make_mesh, use_all_cores
from jaxcnn.programs.interruption import noticed
from jaxcnn.programs.machines.meeting import LostError
from jaxcnn.programs.machines.together import Machines, abandon, together
from jaxcnn.programs.progress import training_progress
from jaxcnn.programs.train.checkpoints import Checkpoints
from jaxcnn.programs.train.config import Config, check, check_with_data, from_command_line
from jaxcnn.programs.train.epochs import Done, Place, Row, epochs, tested
from jaxcnn.programs.train.event_log import event_log
from jaxcnn.programs.train.finishing import finish
from jaxcnn.programs.train.network import check_model
from jaxcnn.programs.train.resuming import (
    check_data,
    check_options,
    earlier_run,
    is_finished,
    tell_changes,
)
from jaxcnn.programs.train.run import DivergedError, Run
from jaxcnn.programs.train.run_files import (
    append_metrics,
    check_free,
    claimed_output,
    common_options,
    description,
    keep_best,
    tidy,
    write_description,
    write_metrics,
)
from jaxcnn.programs.train.saving import Saver, go_on
from jaxcnn.training import TrainState
from jaxcnn.training.placement import own_copy

NAME = "jaxcnn train"
ADVICE = "; --resume goes on from the last checkpoint"


class Result(NamedTuple):
    """A run's folder, its metrics of each epoch, the trained state, and training images
    per second without compilation. The folder is None in a process that does not write,
    one of several but the first."""

    output: Path | None
    rows: list[Row]
    state: TrainState
    images_per_second: float


def main(config: Config, console: Console | None = None, words: str = NAME) -> Result | None:
    """Train as `config` says; None if the run that should go on is finished.

    Args:
      config: the options.
      console: where progress and results are shown.
      words: the command, for the report.

    Raises:
      ConfigError, DataError: before anything is written, if an option makes no sense,
        the output folder holds something or another program writes to it, or the images
        cannot be had.
      DivergedError: if a loss or a gradient becomes infinite or NaN; metrics.jsonl and
        the checkpoints then have what came before.
      LostError: if another process of the run does not come, or is gone.
      OSError: if a file cannot be written; earlier checkpoints are whole.
      KeyboardInterrupt: with a message that says what was saved.
    """
    start = time.perf_counter()
    console = console or Console()
    check(config)
    check_model(config.model)
    with (
        together(config, NAME, advice=ADVICE, refused=(DataError,)) as machines,
        _claimed(config, machines) as output,
    ):
        if output is None:
            console = Console(quiet=True)
        say = partial(console.print, highlight=False, soft_wrap=True)
        options = common_options(config)
        machines.same_everywhere(options)
        earlier, finished = None, False
        if config.resume and output is not None:
            earlier = earlier_run(output)
            if earlier is not None:
                check_options(earlier, options)
                finished = is_finished(output, earlier, config.epochs)
        if machines.any(finished):
            say(f"{output} is finished: it has {config.epochs} of {config.epochs} epochs")
            return None
        run = _prepared(config, machines, console)
        about = description(config, run.dataset, run.mesh, machines)
        about["commands"] = [*(earlier or {}).get("commands", []), words]
        if earlier is not None:
            check_data(earlier, about)
        try:
            # Compiled beforehand, so that the first epoch's time is like the others'.
            with console.status("compiling"):
                run.compile()
            place = go_on(run, output, say) if config.resume else Place()
        except KeyboardInterrupt as interruption:
            interruption.args = ("nothing was trained",)
            raise
        if earlier is not None:
            tell_changes(earlier, about, say)
        if config.resume:
            say(_beginning(place, run))
        done = _train(run, place, about, output, console)
        run.state = own_copy(run.state)
        if output is not None:
            finish(run, done, about, output, console, time.perf_counter() - start)
    return Result(output, list(done.rows), run.state, done.speed[1])


@contextmanager
def _claimed(config: Config, machines: Machines) -> Iterator[Path | None]:
    """The run's folder, in the process that writes; None in the others."""
    if not machines.is_writer:
        yield None
        return
    with claimed_output(config) as output:
        if not config.resume:
            check_free(output)
        yield output


def _prepared(config: Config, machines: Machines, console: Console) -> Run:
    """The run, not compiled yet."""
    say = partial(console.print, highlight=False, soft_wrap=True)
    dataset = load(config, say=say)
    for note in dataset.notes:
        say(note)
    check_with_data(config, len(dataset.train), dataset.image_shape)
    pixels = int(np.prod(dataset.image_shape[:2]))
    mesh = make_mesh(config.devices, config.batch_size, pixels, machines)
    return Run(config, dataset, mesh, machines)


def _beginning(place: Place, run: Run) -> str:
    if not place.rows and not place.batches:
        return "there is no checkpoint: the run begins"
    return (
        f"going on after {len(place.rows)} of {run.config.epochs} epochs and {place.batches} of"
        f" {run.batches} batches"
    )


def _train(
    run: Run, place: Place, about: dict[str, Any], output: Path | None, console: Console
) -> Done:
    """Train for the epochs that are left, writing the files after each, if there is a
    folder."""
    config, done = run.config, None
    if output is not None:
        tidy(output)
        write_description(output, about)
        write_metrics(output, place.rows)
    with (
        nullcontext() if output is None else Checkpoints(output) as checkpoints,
        noticed() as signals,
        event_log(
            output if config.tensorboard else None, first_epoch=len(place.rows) + 1
        ) as add_to_events,
        training_progress(console, config.epochs, run.batches) as progress,
    ):
        saver = Saver(run, checkpoints, signals, output, place)
        progress.batches_done(len(place.rows) * run.batches + place.batches)
        for done in epochs(run, place, batches_done=progress.batches_done, pause=saver.pause):
            if output is not None:
                append_metrics(output, done.rows[-1])
                keep_best(output, done, run.about)
            add_to_events(done.rows[-1])
            progress.epoch_done(done.rows[-1], done.speed[0])
            saver.pause(done.place)
        done = done or tested(run, place)
        saver.save(done.place)
        saver.pause(done.place)  # a signal may have come meanwhile
    return done


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        config = from_command_line(arguments, NAME)
        use_all_cores()
        main(config, words=command(NAME, arguments))

    status = run_program(NAME, body, refused=(DataError,), failed=(DivergedError, LostError))
    abandon(status)
    return status
