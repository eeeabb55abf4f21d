r"""How fast is every operation, beside plain JAX, jaxcnn's forward with JAX's autodiff,
and PyTorch?

    python -m experiments.benchmark
    python -m experiments.benchmark --parts operations --families depthwise grouped \
        --dtypes float32 --methods nhwc depthwise
    python -m experiments.benchmark --parts operations --cases 3x3/2 \
        --passes "kernel gradient" --places "top level"
    python -m experiments.benchmark --summarise runs/benchmark

It measures operations at sizes from networks that people train, at the top level of a
program and in the body of a scan; how accurate convolutions are; how time grows with
batch, image and channels; and whole training steps with their memory. The columns take
turns, as `jaxcnn/programs/timing.py` says, and their values are compared first.

It writes the numbers as JSON, a file for each part, and from them charts and a page of
tables, README.md. The JSON is written anew with each row, so that an interrupted run
leaves what it has. The exit status is 2 when the options make no sense.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments import markdown
from experiments.benchmark.accuracy import measure_accuracy
from experiments.benchmark.agreement import DisagreementError
from experiments.benchmark.config import DTYPES, Config, check
from experiments.benchmark.growth import measure_growth
from experiments.benchmark.memory_processes import measure_memories
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.operations import measure_passes
from experiments.benchmark.repetitions import LEAST_REPETITIONS, matrix_product_rate
from experiments.benchmark.reports import Report, Row, load_reports, write_report
from experiments.benchmark.short_table import short_table
from experiments.benchmark.show import show
from experiments.benchmark.steps import measure_steps
from jaxcnn.programs.cli import command, parse, run_program
from jaxcnn.programs.devices import use_all_cores
from jaxcnn.programs.environment import environment
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.output import claimed

PROGRAM = "python -m experiments.benchmark"


def main(config: Config, typed: str = "") -> int:
    """Measure, or summarise.

    Args:
      config: the options.
      typed: the command, for the reports.
    """
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    require_paths(config)
    if config.summarise is not None:
        summarise(config.summarise, config.readme, console)
        return 0
    check(config)
    with claimed(config.output) as folder:
        measure(config, folder, typed, console)
    return 0


def summarise(folder: Path, readme: Path | None, console: Console) -> None:
    """Print the tables of a folder, and write its page, its charts, and the short table
    of `readme`."""
    reports = load_reports(folder)
    with claimed(folder):
        try:
            show(reports, folder, console)
            short = short_table(reports)
        except (KeyError, TypeError, ValueError) as error:
            slip = f"{type(error).__name__}: {error}"
            raise ConfigError(
                f"--summarise {folder} has rows that are not as this program writes them: {slip}"
            ) from error
    if readme is not None:
        if short is None:
            raise ConfigError(f"--readme needs operations or steps, and {folder} has neither")
        markdown.write_between_marks("--readme", readme, "speed", short)


def measure(config: Config, folder: Path, typed: str, console: Console) -> None:
    """All that `config` asks for, into the folder.

    Raises:
      KeyboardInterrupt: with a message that says where what was measured is.
    """
    if "steps" in config.parts:
        use_all_cores()
    rates = (
        {dtype: matrix_product_rate(dtype) for dtype in DTYPES}
        if {"operations", "growth"} & set(config.parts)
        else {}
    )
    described = describe(typed, config, rates)
    reports: dict[str, Report] = {}

    def collect(rows: Iterable[Row], part: str, name: str = "rows") -> None:
        report = reports.setdefault(part, {"environment": described})
        report[name] = []
        for row in rows:
            report[name].append(row)
            write_report(report, folder / f"{part}.json")

    try:
        if "operations" in config.parts:
            collect(measure_passes(config, console, rates), "operations")
        if "accuracy" in config.parts:
            collect(measure_accuracy(config, console), "accuracy")
        if "growth" in config.parts:
            collect(measure_growth(config.repetitions, console), "growth")
        if "steps" in config.parts:
            collect(
                measure_steps(
                    tuple(NETWORKS),
                    max(LEAST_REPETITIONS, config.repetitions),
                    console,
                    devices=(1, 2),
                ),
                "steps",
            )
        if "memory" in config.parts:
            collect(measure_memories(tuple(NETWORKS), console), "steps", "memory")
        show(reports, folder, console)
    except KeyboardInterrupt as interruption:
        if any(report["rows"] for report in reports.values()):
            interruption.args = (f"what was measured so far is in {folder}",)
        raise
    console.print(f"written to {folder}", markup=False, highlight=False, soft_wrap=True)


def describe(typed: str, config: Config, rates: Mapping[str, float]) -> dict[str, Any]:
    """With what, and where, all this was measured."""
    return {
        "command": typed,
        **environment("torch"),
        "repetitions": config.repetitions,
        "malloc": os.environ.get("GLIBC_TUNABLES"),
        "matrix_product_gflops": {dtype: rate / 1e9 for dtype, rate in rates.items()},
    }


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""

    def body() -> int:
        return main(parse(Config, PROGRAM, arguments), command(PROGRAM, arguments))

    return run_program("benchmark", body, failed=(DisagreementError,))
