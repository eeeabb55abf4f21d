"""What a run writes when its last epoch is done: the model, pictures and the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxcnn.programs.train.epochs import Done
from jaxcnn.programs.train.report import pictures, table
from jaxcnn.programs.train.run import Run
from jaxcnn.programs.train.run_files import REPORT
from jaxcnn.stored.files import write_whole
from jaxcnn.stored.saving import write_model


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
        write_whole(output / REPORT, lambda path: path.write_text("report"))
    except KeyboardInterrupt as interruption:
        interruption.args = (
            f"{output} has the model, but not yet all pictures: --resume makes them",
        )
        raise
    console.print(table(run.config, run, done, str(output), seconds))
