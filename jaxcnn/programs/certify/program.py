r"""Are the hand-written gradients right, and what do they cost, compared with JAX's
autodiff?

    jaxcnn certify
    jaxcnn certify --operations conv max_pool \
        --dtypes float32 --random 0
    jaxcnn certify --pair my_rules:conv my_rules:plain_conv \
        --shapes 2x8x8x3 3x3x3x4 --linear-in 0 1
    jaxcnn certify --model lenet

Every operation is judged by `jaxcnn.check.certify` in cases picked by hand and drawn at
random, against the same operation as JAX's users write it (`jaxcnn/programs/plain.py`),
on whatever device JAX finds; at sizes of real networks its accuracy, time and memory
are measured too. What comes out is a table, one HTML page to be read or sent, and the
same data as JSON. The exit status is 1 when a check fails, 2 when the options make no
sense.
Cut off by Ctrl-C (130) or SIGTERM (143), it leaves page and JSON of what was done until
then, which say that they are incomplete.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from jaxcnn.programs.certify.config import Config, check
from jaxcnn.programs.certify.page import render
from jaxcnn.programs.certify.report import CutOffError, Row, make_report, name, say
from jaxcnn.programs.certify.workers import LostProcessError
from jaxcnn.programs.cli import run_program
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.interruption import ignored
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.options import shown
from jaxcnn.programs.output import claimed
from jaxcnn.programs.readable import NONE


def main(config: Config, command: str = "") -> int:
    """Judge, print, write; the exit status.

    Raises:
      ConfigError: if an option makes no sense, or another program writes into the
        output folder.
      KeyboardInterrupt, LostProcessError: with a message that tells what was written.
    """
    check(config)
    console = Console()
    console = console if console.is_terminal else Console(width=140)
    with claimed(config.output) as folder:
        try:
            report = make_report(config, command, console)
        except CutOffError as error:
            with ignored():
                raise _told(error, folder) from None
        with ignored():  # all is done: a signal would only lose it
            write(report, folder)
        return show(report, folder, console)


def _told(error: CutOffError, folder: Path) -> BaseException:
    """Write what there is; the cause, with a message that tells where."""
    cause, report = error.__cause__, error.report
    assert cause is not None
    written = "nothing was written"
    if report is not None:
        write(report, folder)
        missing = report["incomplete"]
        done = f"{missing['done']:,} of {missing['of']:,} {missing['what']}"
        written = (
            f"{done}: {_shown(folder / 'report.html')} and report.json have them, marked as"
            " incomplete"
        )
    cause.args = ("; ".join([*map(str, cause.args), written]),)
    return cause


def show(report: dict[str, Any], folder: Path, console: Console) -> int:
    """The table, and what it does not say; the exit status."""
    rows, model = report["rows"], report["model"]
    if model:
        console.print(model_table(model))
        for sentence in model["sentences"]:
            say(console, sentence)
    else:
        console.print(table(report))
    for row in rows:
        if row["autodiff_wrong"]:
            wrong = row["autodiff_wrong"][0]
            say(console, f"autodiff is wrong: {name(row)}, {wrong['of']} {wrong['detail']}")
    bad = [row for row in rows if not row["passed"]]
    if rows:
        checks = sum(len(row["checks"]) for row in rows)
        verdict = f"{plural(len(bad), 'case')} failed" if bad else "all passed"
        say(
            console,
            f"{checks:,} checks on {plural(len(rows), 'case')} in {report['seconds']:.0f} s:"
            f" {verdict}",
        )
    say(console, f"written to {_shown(folder / 'report.html')} and report.json")
    return 1 if bad or (model and not model["passed"]) else 0


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else shown(path)


def table(report: dict[str, Any]) -> Table:
    """One line per operation and dtype."""
    found = Table(title="Gradients, explicit against autodiff", title_justify="left")
    for heading in (
        "operation",
        "dtype",
        "cases",
        "checks",
        "failed",
        "worst error",
        "autodiff's",
        "time ratio",
    ):
        found.add_column(heading, justify="left" if heading in ("operation", "dtype") else "right")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in report["rows"]:
        groups.setdefault((row["operation"], row["dtype"]), []).append(row)
    for (operation, dtype), rows in groups.items():
        checks = [check for row in rows for check in row["checks"]]
        failed = sum(not check["passed"] for check in checks) + sum(
            row["error"] is not None for row in rows
        )
        # What "accuracy" compares; of gradients that mean to differ, "bias" tells how
        # far. In float64 autodiff has no error.
        errors = [check["error"] for check in checks if check["name"] in ("accuracy", "bias")]
        others = [check["autodiff_error"] for check in checks if check["name"] == "accuracy"]
        ratios = [row["time"]["ratio"]["median"] for row in rows if row["time"]]
        ratios = [ratio for ratio in ratios if 0 < ratio < math.inf]
        found.add_row(
            operation,
            dtype,
            str(len(rows)),
            str(len(checks)),
            f"[red]{failed}[/]" if failed else "0",
            _worst(errors),
            _worst([error for error in others if error is not None]),
            f"{np.exp(np.mean(np.log(ratios))):.2f}" if ratios else "",
        )
    return found


def _worst(errors: Sequence[float]) -> str:
    """The largest, of which NaN is worse than infinity; a dash if there is none,
    because a function raised, for instance."""
    worst = max(errors, key=lambda error: (math.isnan(error), error), default=None)
    return NONE if worst is None else f"{worst:.1e}"


def model_table(model: dict[str, Any]) -> Table:
    found = Table(
        title=f"Gradients of {model['name']} against float64, {model['data']}", title_justify="left"
    )
    for heading in ("parameter", "shape", "explicit error", "autodiff's", "explicit in float64"):
        found.add_column(heading, justify="left" if heading in ("parameter", "shape") else "right")
    for g in model["gradients"]:
        errors = (
            f"{g[name]:.1e}" for name in ("explicit_error", "autodiff_error", "explicit64_error")
        )
        found.add_row(g["path"], times(g["shape"]), *errors)
    return found


def write(report: dict[str, Any], folder: Path) -> None:
    """report.html and report.json, each whole or not at all."""
    texts = {
        "report.json": json.dumps(_without_infinity(report), allow_nan=False) + "\n",
        "report.html": render(report),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        # The words of a command or of an error may be such as UTF-8 has not.
        write_whole(
            folder / file,
            lambda path, text=text: path.write_bytes(text.encode(errors="backslashreplace")),
        )


def _without_infinity(tree: Any) -> Any:
    """Infinity and NaN, which JSON has not, as "inf" and "nan"."""
    if isinstance(tree, dict):
        return {key: _without_infinity(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_without_infinity(value) for value in tree]
    return str(tree) if isinstance(tree, float) and not math.isfinite(tree) else tree


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    program = "jaxcnn certify"
    words = list(sys.argv[1:] if arguments is None else arguments)

    def body() -> int:
        config = tyro.cli(Config, prog=program, args=words, config=(tyro.conf.FlagCreatePairsOff,))
        return main(config, f"{program} {shlex.join(words)}".rstrip())

    return run_program("compare_gradients", body, failed=(LostProcessError,))
