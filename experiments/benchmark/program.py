r"""How fast is every operation, beside plain JAX, jaxcnn's forward with JAX's autodiff,
and PyTorch?

    python -m experiments.benchmark
    python -m experiments.benchmark --parts operations --families depthwise grouped \
        --dtypes float32 --methods canonical shifted
    python -m experiments.benchmark --parts operations --cases 3x3/2 \
        --maps "kernel gradient" --places "top level"
    python -m experiments.benchmark --summarise runs/benchmark

Operations at sizes from networks that people train, at the top level of a program and
in the body of a scan; how accurate convolutions are; how time grows with batch, image
and channels; and whole training steps with their memory. The columns take turns, as
`jaxcnn/programs/timing.py` says, and their values are compared first. Into a folder go
the numbers as JSON, a file for each part, written anew with each row, so that an
interrupted run leaves what it has, and charts. The exit status is 2 when the options
make no sense.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jaxlib
import tyro
from rich.console import Console

from experiments.benchmark import charts
from experiments.benchmark.accuracy import accuracy_table, measure_accuracy
from experiments.benchmark.config import DTYPES, PARTS, Config, OptionError, check
from experiments.benchmark.growth import measure_growth
from experiments.benchmark.operations import LEAST_REPETITIONS, matrix_product_rate, measure_maps
from experiments.benchmark.step_charts import draw_steps, step_summary
from experiments.benchmark.steps import NETWORKS, DisagreementError, measure_memories, measure_steps
from experiments.benchmark.summary import growth_table, print_maps
from jaxcnn.programs.cli import run_program
from jaxcnn.programs.devices import use_all_cores
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.options import require_paths
from jaxcnn.programs.output import claimed

Row = dict[str, Any]
Report = dict[str, Any]


def main(config: Config, command: str = "") -> int:
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    require_paths(config)
    if config.summarise is not None:
        reports = load(config.summarise)
        with claimed(config.summarise) as folder:
            try:
                show(reports, folder, console)
            except (KeyError, TypeError, ValueError) as error:
                slip = f"{type(error).__name__}: {error}"
                raise OptionError(
                    f"--summarise {folder} has rows that are not as this program writes them:"
                    f" {slip}"
                ) from error
        return 0
    check(config)
    with claimed(config.output) as folder:
        measure(config, folder, command, console)
    return 0


def measure(config: Config, folder: Path, command: str, console: Console) -> None:
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
    environment = describe(command, config, rates)
    reports: dict[str, Report] = {}

    def collect(rows: Iterable[Row], part: str, name: str = "rows") -> None:
        report = reports.setdefault(part, {"environment": environment})
        report[name] = []
        for row in rows:
            report[name].append(row)
            write(report, folder / f"{part}.json")

    try:
        if "operations" in config.parts:
            collect(measure_maps(config, console, rates), "operations")
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


def describe(command: str, config: Config, rates: Mapping[str, float]) -> dict[str, Any]:
    """With what, and where, all this was measured."""
    return {
        "command": command,
        "date": date.today().isoformat(),
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "torch": _version("torch"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": jax.devices()[0].device_kind,
        "cores": (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ),
        "repetitions": config.repetitions,
        "malloc": os.environ.get("GLIBC_TUNABLES"),
        "matrix_product_gflops": {dtype: rate / 1e9 for dtype, rate in rates.items()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# Files.


def write(report: Report, path: Path) -> None:
    """As JSON, a line for each row; whole or not at all."""
    entries = [f'"environment": {json.dumps(report["environment"])}']
    for name, rows in report.items():
        if name != "environment":
            lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
            entries.append(f'"{name}": [\n{lines}\n]')
    text = "{" + ",\n".join(entries) + "}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def load(folder: Path) -> dict[str, Report]:
    """The reports of a folder, by part."""
    paths = {part: folder / f"{part}.json" for part in PARTS if part != "memory"}
    found = {}
    for part, path in paths.items():
        if path.is_file():
            try:
                found[part] = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, RecursionError) as error:
                raise OptionError(
                    f"--summarise {folder} has a {path.name} that is not JSON: {error}"
                ) from error
            if not isinstance(found[part], dict) or {"rows", "environment"} - found[part].keys():
                raise OptionError(
                    f"--summarise {folder} has a {path.name} without rows and environment"
                )
    if not found:
        raise OptionError(
            f"--summarise must be a folder with {', '.join(p.name for p in paths.values())}, got"
            f" {folder}"
        )
    return found


def show(reports: Mapping[str, Report], folder: Path, console: Console) -> None:
    """The tables, printed, and the charts, drawn into the folder."""
    for part, report in reports.items():
        rows, environment = report["rows"], report["environment"]
        if not rows:
            continue
        where = (
            f"{environment['device']} with {environment['cores']} cores, jax {environment['jax']}"
        )
        if part == "operations":
            print_maps(rows, console)
            charts.draw_maps(rows, f"Operations by jaxcnn, {where}", folder / "operations.png")
            charts.draw_peak(rows, f"Convolutions by jaxcnn, {where}", folder / "peak.png")
        if part == "accuracy":
            console.print(accuracy_table(rows))
        if part == "growth":
            console.print(growth_table(rows))
            charts.draw_growth(
                rows, f"Forward and both gradients, float32, {where}", folder / "growth.png"
            )
        if part == "steps":
            result = {"steps": rows, "memory": report.get("memory", [])}
            for table in step_summary(result):
                console.print(table)
            draw_steps(result, folder / "steps.png")


def command_line(arguments: Sequence[str] | None = None) -> int:
    program = "python -m experiments.benchmark"
    words = list(sys.argv[1:] if arguments is None else arguments)

    def body() -> int:
        config = tyro.cli(Config, prog=program, args=words, config=(tyro.conf.FlagCreatePairsOff,))
        return main(config, f"{program} {shlex.join(words)}".rstrip())

    return run_program("benchmark", body, failed=(DisagreementError,))
