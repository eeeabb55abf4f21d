"""What gradients cost on a GPU and a TPU that are not there, by compilation.

    python -m experiments.cost --platform h100
    python -m experiments.cost --platform v5e --networks lenet resnet20
    python -m experiments.cost --platform v5e --networks lenet --chips 4
    python -m experiments.cost --table

Every operation, and a training step of every network of the benchmark and of the
yardstick, by plain JAX and by jaxcnn's rules. It runs in an environment that has the
platform's compiler, `pip install -e ".[cost-h100]"` or `".[cost-v5e]"`. Each pair adds
a line to the results; pairs that are there already are left out, so a run that was
ended can go on. `--table` writes the page from the lines, the last one of each pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console

from experiments import markdown
from experiments.benchmark.networks import CLASSES, NETWORKS, YARDSTICK, network_of
from jaxcnn.programs.certify.progress import say
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.cost.compiling import Row, compared
from jaxcnn.programs.cost.limits import exceeded
from jaxcnn.programs.cost.operations import cases
from jaxcnn.programs.cost.pairs import Pair, operation_pair, step_pair
from jaxcnn.programs.cost.platforms import PLATFORMS, MissingCompilerError, devices
from jaxcnn.programs.cost.program import COMPILERS
from jaxcnn.programs.cost.table import costs_table
from jaxcnn.programs.environment import environment
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import ConfigError
from jaxcnn.stored.files import append_line, write_whole

PROGRAM = "python -m experiments.cost"
EVERY = (*NETWORKS, *YARDSTICK)


@dataclass(frozen=True)
class Config:
    """Compile every operation and network for a platform, and write what they cost."""

    platform: Literal["h100", "v5e"] = "h100"
    """The device to compile for."""
    networks: tuple[str, ...] = EVERY
    """Whose training steps are compiled."""
    operations: Literal["all", "none"] = "all"
    """Whether operations are compiled; not with --chips."""
    chips: int = 1
    """The chips that share a step's batch, which grows with them."""
    again: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compile pairs that are in the results already."""
    results: Path = Path("experiments/results/cost.jsonl")
    """The file to which each pair adds a line."""
    table: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compile nothing: write the page of the results."""
    page: Path = Path("experiments/results/cost.md")
    """The page, for --table: it stands between <!-- cost --> and <!-- /cost -->."""


def main(config: Config) -> None:
    """Compile what is missing, or write the page."""
    if config.table:
        write_page(config.page, latest(read(config.results)))
        return
    check(config)
    devices(config.platform, config.chips)
    console = Console()
    done = set() if config.again else set(latest(read(config.results)))
    for pair in pairs(config):
        if (config.platform, config.chips, pair.name) in done:
            continue
        row = environment(*COMPILERS) | compared(pair, config.platform, config.chips)
        append_line(config.results, json.dumps(row, allow_nan=False))
        say(console, f"{pair.name}: {'; '.join(exceeded(row)) or 'all limits met'}")


def check(config: Config) -> None:
    """Raises ConfigError where an option makes no sense."""
    unknown = [name for name in config.networks if name not in EVERY]
    if unknown:
        raise ConfigError(f"--networks has {', '.join(unknown)}; there are {', '.join(EVERY)}")
    there = PLATFORMS[config.platform].chips
    if config.chips not in there:
        raise ConfigError(
            f"--chips must be one of {', '.join(map(str, there))} on {config.platform}, got"
            f" {config.chips}"
        )


def pairs(config: Config) -> Iterator[Pair]:
    """Everything that is asked for, each made when its turn comes."""
    if config.operations == "all" and config.chips == 1:
        yield from map(operation_pair, cases())
    for name in config.networks:
        title, model, batch, image, *_ = network_of(name)
        yield step_pair(title, model(CLASSES), image, batch * config.chips)


def read(path: Path) -> list[Row]:
    """The lines of a file of results; none if there is no file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def latest(rows: Sequence[Row]) -> dict[tuple[str, int, str], Row]:
    """The last row of each platform, number of chips and pair."""
    return {(row["platform"], row["chips"], row["pair"]): row for row in rows}


def write_page(path: Path, rows: dict[tuple[str, int, str], Row]) -> None:
    """Write the tables, and how many pairs meet every limit, into the page.

    Raises:
      ConfigError: if there are no results, or the page has no place for them.
    """
    if not rows:
        raise ConfigError("--results has no lines: compile something first")
    texts = []
    for platform, chips in dict.fromkeys((row["platform"], row["chips"]) for row in rows.values()):
        for kind in ("operation", "step"):
            some = [
                row
                for row in rows.values()
                if (row["platform"], row["chips"], row["kind"]) == (platform, chips, kind)
            ]
            if some:
                texts.append(f"{summary(some)}\n\n{markdown.from_rich(costs_table(some))}")
    text = markdown.between_marks(path.read_text(encoding="utf-8"), "cost", "\n\n".join(texts))
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """How many rows meet every limit, and with what they were compiled."""
    met = sum(not exceeded(row) for row in rows)
    first = rows[-1]
    compilers = ", ".join(f"{name} {first[name]}" for name in COMPILERS if first.get(name))
    return (
        f"{met} of {plural(len(rows), 'pair')} meet every limit"
        f" (jaxcnn {first['jaxcnn']}, jax {first['jax']}, {compilers}, {first['date']})."
    )


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""
    return run_program(
        "cost",
        lambda: main(parse(Config, PROGRAM, arguments)),
        failed=(MissingCompilerError,),
    )


if __name__ == "__main__":
    leave(command_line())
