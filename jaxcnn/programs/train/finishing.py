"""What a run writes when its last epoch is done: the model, pictures and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.epochs import Done
from jaxcnn.programs.train.page.content import Data, Picture, ReportContent
from jaxcnn.programs.train.page.render import write_report
from jaxcnn.programs.train.report import pictures, table
from jaxcnn.programs.train.run import Run
from jaxcnn.programs.train.run_files import PICTURES, REPORT
from jaxcnn.stored.files import write_whole
from jaxcnn.stored.saving import write_model

CURVES, *OTHERS = PICTURES


def finish(
    run: Run, done: Done, about: dict[str, Any], output: Path, console: Console, seconds: float
) -> None:
    """Write the model, then the pictures, and last the report, and show the result.

    Args:
      run: whose state is on one device.
      done: what it has after its last epoch.
      about: the content of config.json.
      output: its folder.
      console: where the result is shown.
      seconds: that all of it took.
    """
    write_model(output, *done.weights, run.about)
    try:
        for name, figure in pictures(run.config, run, done):
            write_whole(output / name, partial(figure.savefig, format="png", dpi=150))
        write_report(output / REPORT, report_of(run, done, about, output))
    except KeyboardInterrupt as interruption:
        interruption.args = (
            f"{output} has the model, but not yet all pictures: --resume makes them",
        )
        raise
    console.print(table(run.config, run, done, str(output), seconds))


def report_of(run: Run, done: Done, about: Mapping[str, Any], output: Path) -> ReportContent:
    """What the report of a run says; its pictures are read from `output`."""
    config, dataset = run.config, run.dataset
    classes = len(dataset.classes)
    shown = {name: sentence for name, sentence in PICTURES.items() if (output / name).exists()}
    found = {
        name: Picture(*sentence, (output / name).read_bytes()) for name, sentence in shown.items()
    }
    options = {field.name for field in fields(Config)}
    return ReportContent(
        title=f"{config.model} on {dataset.name}",
        commands=about["commands"],
        options={name: value for name, value in about.items() if name in options},
        data=Data(
            name=dataset.name if config.data_dir is None else f"{dataset.name} ({config.data_dir})",
            classes=dataset.classes,
            train_counts=dataset.class_counts,
            test_counts=np.bincount(dataset.test.labels, minlength=classes).tolist(),
            image_shape=dataset.image_shape,
            notes=dataset.notes,
        ),
        rows=done.rows,
        planned_epochs=config.epochs,
        images=dataset.test.images,
        labels=dataset.test.labels,
        probabilities=done.probabilities,
        files=dataset.test.files,
        curves=found[CURVES],
        pictures=[found[name] for name in OTHERS if name in found],
        environment={
            "device": about["device"],
            "processes": about["processes"],
            "Python": about["python"],
            **about["versions"],
        },
        seconds=sum(row["seconds"] for row in done.rows),
    )
