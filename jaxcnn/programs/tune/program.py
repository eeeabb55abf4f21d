"""Which method is fastest for each convolution of a network, on this machine?

    jaxcnn tune lenet --output tuned.json
    jaxcnn tune resnet20 --input-shape 32 32 3 --batch-size 64 --output tuned.json
    jaxcnn train --model lenet --tuned tuned.json

Every distinct convolution of a training step is timed by itself, forward and both
gradients, by every method that takes it. The file has the fastest of each, unless the
default is as fast to 5 %. `jaxcnn train --tuned FILE` and `method=` of `jaxcnn.conv`
(`jaxcnn.methods.tuned(FILE)`) obey it. In a network a method may be slower or faster
than by itself, because XLA joins some with their neighbours: time the training too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from jaxcnn.ops.convolution.methods.tuning import described
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.environment import environment
from jaxcnn.programs.messages import plural
from jaxcnn.programs.messages import times as sizes
from jaxcnn.programs.options import ConfigError, require_count, require_paths
from jaxcnn.programs.summary.program import Config as NetworkConfig
from jaxcnn.programs.summary.program import chosen
from jaxcnn.programs.tune.recording import Map, of_training
from jaxcnn.programs.tune.timing import fastest, times
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.files import write_whole


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Time the convolutions of a network by every method, and write which is
    fastest."""

    batch_size: int = 32
    """Images in a step on one device."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In which a step computes: train's --compute-dtype."""
    output: Path = Path("tuned.json")
    """The file to write."""


def main(config: Config, console: Console | None = None) -> list[dict[str, Any]]:
    """Print the table, and write the file; its choices.

    Raises:
      ConfigError, StoredError: if an option makes no sense, there is no such network,
        or it does not take such images; before anything is timed.
      OSError: if the file cannot be written.
    """
    console = console or Console()
    require_paths(config)
    require_count("batch_size", config.batch_size)
    if config.output.is_dir() or not config.output.parent.is_dir():
        raise ConfigError(f"--output must be a file in a folder that exists, got {config.output}")
    model, shape, title = chosen(config)
    try:
        maps = of_training(model, (config.batch_size, *shape), config.dtype)
    except ValueError as error:
        raise ConfigError(f"{title} does not take images of {sizes(shape)}: {error}") from error
    if not maps:
        raise ConfigError(f"{title} has no convolutions")
    timed = {
        found: times(found)
        for found in track(maps, "timing", console=console, disable=not console.is_terminal)
    }
    console.print(_table(f"{title} on {sizes(shape)}, {config.dtype}", timed))
    choices = [
        {
            "map": found.name,
            "dtype": found.dtype,
            "method": fastest(seconds).lower(),
            "problem": described(found.problem),
            "ms": {name.lower(): 1e3 * value for name, value in seconds.items()},
        }
        for found, seconds in timed.items()
    ]
    # A line for each convolution.
    lines = ",\n".join(map(json.dumps, choices))
    text = f'{json.dumps(environment())[:-1]}, "choices": [\n{lines}\n]}}\n'
    write_whole(config.output, lambda partial: partial.write_text(text, encoding="utf-8"))
    changed = sum(choice["method"] != "auto" for choice in choices)
    console.print(
        f"{config.output}: {plural(len(choices), 'convolution')}, of which {changed} have a method"
        " that is faster than the default",
        highlight=False,
        soft_wrap=True,
    )
    return choices


def _table(title: str, timed: dict[Map, dict[str, float]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("map", "x", "kernel"):
        table.add_column(name)
    table.add_column("ms by default", justify="right")
    table.add_column("fastest, ms")
    for found, seconds in timed.items():
        problem, best = found.problem, fastest(seconds)
        details = "".join(
            f", {name} {sizes(getattr(problem.window, name))}"
            for name, values in (
                ("stride", problem.window.stride),
                ("dilation", problem.window.dilation),
            )
            if set(getattr(problem.window, name)) != {1}
        )
        groups = f", groups {problem.groups}" if problem.groups > 1 else ""
        table.add_row(
            found.name,
            sizes(problem.x_shape),
            f"{sizes(problem.w_shape)}{details}{groups}",
            f"{1e3 * seconds['AUTO']:.2f}" if "AUTO" in seconds else "",
            "" if best == "AUTO" else f"{best.lower()} {1e3 * seconds[best]:.2f}",
        )
    return table


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""
    program = "jaxcnn tune"

    def body() -> None:
        main(parse(Config, program, arguments))

    return run_program(program, body, refused=(StoredError,))
