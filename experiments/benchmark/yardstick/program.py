"""Training steps of networks on which no method was tuned, beside plain JAX and
PyTorch.

    python -m experiments.benchmark.yardstick
    python -m experiments.benchmark.yardstick --networks unet wavenet --dtypes float32
    python -m experiments.benchmark.yardstick --table

Each network and dtype is measured in a process of its own and adds a line to the
results. The tables have the last line of each on a machine, and what was asked for;
`--table` prints them and writes them into the page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import tyro
from rich.console import Console

from experiments import markdown
from experiments.benchmark.agreement import DisagreementError
from experiments.benchmark.config import DTYPES, MOST_REPETITIONS
from experiments.benchmark.networks import NETWORKS, YARDSTICK, require_networks
from experiments.benchmark.repetitions import LEAST_REPETITIONS
from experiments.benchmark.yardstick.measure import Row, measure
from experiments.benchmark.yardstick.tables import said, tables
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.environment import environment
from jaxcnn.programs.options import ConfigError, require_count
from jaxcnn.stored.files import append_line

PROGRAM = "python -m experiments.benchmark.yardstick"


@dataclass(frozen=True)
class Config:
    """Time training steps of networks of papers, beside plain JAX and PyTorch."""

    networks: tuple[str, ...] = (*NETWORKS, *YARDSTICK)
    """Which ones."""
    dtypes: tuple[str, ...] = DTYPES
    """In which they compute."""
    repetitions: int = 9
    """Timings of each column, in turns; 6 where a step takes more than half a second.
    """
    results: Path = Path("experiments/results/yardstick.jsonl")
    """The file to which each measurement adds a line."""
    table: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure nothing: print the tables of the results, and write them into the page.
    """
    page: Path = Path("experiments/results/yardstick.md")
    """The page, for --table: they stand between <!-- yardstick --> and its end."""


def main(config: Config) -> None:
    """Measure, or print the tables."""
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    if not config.table:
        check(config)
        for network in config.networks:
            for dtype in config.dtypes:
                row = in_a_process(network, dtype, config.repetitions)
                append_line(config.results, json.dumps(row, allow_nan=False))
                console.print(said(row), highlight=False, soft_wrap=True)
    found = tables(read(config.results))
    for table in found:
        console.print(table)
    if config.table:
        text = "\n\n".join(map(markdown.from_rich, found))
        markdown.write_between_marks("--page", config.page, "yardstick", text)


def check(config: Config) -> None:
    """Raises ConfigError where an option makes no sense."""
    try:
        require_networks(config.networks)
    except ValueError as error:
        raise ConfigError(f"--{error}") from error
    unknown = [dtype for dtype in config.dtypes if dtype not in DTYPES]
    if unknown:
        raise ConfigError(f"--dtypes has {', '.join(unknown)}; there are {', '.join(DTYPES)}")
    require_count("repetitions", config.repetitions, least=LEAST_REPETITIONS, most=MOST_REPETITIONS)


def in_a_process(network: str, dtype: str, repetitions: int) -> Row:
    """What `measure` finds, and where.

    Raises:
      OSError: if the process died.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            found = pool.submit(measure, network, dtype, repetitions).result()
        except BrokenProcessPool as error:
            raise OSError(f"the process that measured {network} in {dtype} died") from error
    return {**found, **environment("torch")}


def read(path: Path) -> list[Row]:
    """The lines of a file of results."""
    if not path.is_file():
        raise ConfigError(f"--results must be a file that was written before, got {path}")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""
    return run_program(
        "yardstick",
        lambda: main(parse(Config, PROGRAM, arguments)),
        failed=(DisagreementError,),
    )
