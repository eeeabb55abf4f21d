r"""Are the hand-written gradients right, and what do they cost, compared with JAX's
autodiff?

    jaxcnn certify
    jaxcnn certify --operations conv max_pool \
        --dtypes float32 --random 0
    jaxcnn certify --pair my_rules:conv my_rules:plain_conv \
        --shapes 2x8x8x3 3x3x3x4 --linear-in 0 1
    jaxcnn certify --model lenet
    jaxcnn certify --model my_networks:small

`jaxcnn.check.certify` judges every operation, in cases picked by hand and drawn at
random, against the same operation as JAX's users write it (`jaxcnn/programs/plain.py`),
on whatever device JAX finds. At the sizes of real networks accuracy, time and memory
are measured too. The program prints a table and writes one HTML page, to be read or
sent, and the same data as JSON. The exit status is 1 if a check fails, 2 if the options
make no sense.

A run that is ended by Ctrl-C (130) or SIGTERM (143) leaves page and JSON of what was
done until then, marked as incomplete.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxcnn.programs.certify.config import Config, check
from jaxcnn.programs.certify.page.render import render
from jaxcnn.programs.certify.progress import say
from jaxcnn.programs.certify.report import CutOffError, make_report
from jaxcnn.programs.certify.rows import name
from jaxcnn.programs.certify.tables import cases_table, network_table
from jaxcnn.programs.certify.workers import LostProcessError
from jaxcnn.programs.cli import command, parse, run_program
from jaxcnn.programs.interruption import ignored
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import shown
from jaxcnn.programs.output import claimed
from jaxcnn.stored.files import write_whole


def main(config: Config, command: str = "") -> int:
    """Judge, print, write; the exit status.

    Raises:
      ConfigError: if an option makes no sense, or another program writes into the
        output folder.
      KeyboardInterrupt, LostProcessError: with a message that says what was written.
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
        with ignored():  # the work is done: a signal could only lose it
            write(report, folder)
        return show(report, folder, console)


def _told(error: CutOffError, folder: Path) -> BaseException:
    """Write what there is; the cause, with a message that says where."""
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
    """Print the table, and what it does not say; the exit status."""
    rows, model = report["rows"], report["model"]
    if model:
        console.print(network_table(model))
        for sentence in model["sentences"]:
            say(console, sentence)
    else:
        console.print(cases_table(rows))
    for row in rows:
        for path in row["not_compared"]:
            say(console, f"not compared: {name(row)}, layer {path!r} keeps its own rules in both")
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


def write(report: dict[str, Any], folder: Path) -> None:
    """Write report.html and report.json, each whole or not at all."""
    texts = {
        "report.json": json.dumps(_without_infinity(report), allow_nan=False) + "\n",
        "report.html": render(report),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        # A command or an error may hold characters that UTF-8 does not have.
        write_whole(
            folder / file,
            lambda path, text=text: path.write_bytes(text.encode(errors="backslashreplace")),
        )


def _without_infinity(tree: Any) -> Any:
    """The tree with "inf" and "nan" for the numbers that JSON does not have."""
    if isinstance(tree, dict):
        return {key: _without_infinity(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_without_infinity(value) for value in tree]
    return str(tree) if isinstance(tree, float) and not math.isfinite(tree) else tree


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    program = "jaxcnn certify"

    def body() -> int:
        return main(parse(Config, program, arguments), command(program, arguments))

    return run_program(program, body, failed=(LostProcessError,))
