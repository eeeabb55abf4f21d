r"""What do gradients and training steps cost on a GPU or a TPU, by plain JAX and by
jaxcnn's rules?

    jaxcnn cost --platform h100 --operations conv max_pool
    jaxcnn cost --platform v5e --networks lenet --batch-size 128
    jaxcnn cost --platform v5e --networks lenet --chips 64
    jaxcnn cost --platform h100 --pair my_rules:pair

Both sides of each pair are compiled for the device, which need not be there, and their
compiled texts are counted. Nothing is computed or timed. Fewer bytes and kernels are
likely to be faster, but only a measurement on the device can say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from jaxcnn.models import MODELS, of_any_space
from jaxcnn.programs.certify.progress import Stage, progress_bars, say
from jaxcnn.programs.cli import command, parse, run_program
from jaxcnn.programs.cost.compiling import Row, compared
from jaxcnn.programs.cost.config import Config, check
from jaxcnn.programs.cost.limits import exceeded
from jaxcnn.programs.cost.operations import cases
from jaxcnn.programs.cost.pairs import Pair, operation_pair, own_pair, step_pair
from jaxcnn.programs.cost.platforms import MissingCompilerError, devices
from jaxcnn.programs.cost.table import costs_table
from jaxcnn.programs.environment import environment
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.options import ConfigError, shown
from jaxcnn.stored.files import write_whole

COMPILERS = ("jax-cuda13-plugin", "libtpu")
"""Distributions whose versions a result depends on."""


def main(config: Config, command: str = "") -> int:
    """Compile, print, write; the exit status.

    Raises:
      ConfigError: if an option makes no sense.
      MissingCompilerError: if the platform's compiler is not installed.
    """
    check(config)
    devices(config.platform, config.chips)  # raises its error before any work is begun
    todo = list(pairs(config))
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    rows: list[Row] = []
    with progress_bars(console) as progress:
        stage = Stage(progress, f"compiling for {config.platform}", len(todo))
        for pair in todo:
            rows.append(compared(pair, config.platform, config.chips))
            stage.one_done(pair.name)
    console.print(costs_table(rows))
    if config.output is not None:
        write(config, rows, command)
        say(console, f"written to {config.output}")
    bad = [row for row in rows if exceeded(row)]
    say(console, f"{plural(len(rows), 'pair')}, limits met by {len(rows) - len(bad)}")
    broken = any("error" in row[side] for row in rows for side in ("explicit", "plain"))
    return 1 if broken or (config.limits and bad) else 0


def pairs(config: Config) -> Iterator[Pair]:
    """What `config` asks for: all operations, if nothing else.

    Raises:
      ConfigError: if a network does not take the images, or the person's own pair makes
        no sense.
    """
    if config.operations or not (config.networks or config.pair):
        chosen = cases(config.operations, config.cases)
        if not chosen:
            some = ", ".join(config.operations) or "any operation"
            raise ConfigError(f"no case of {some} has a name like {shown(config.cases)!r}")
        yield from map(operation_pair, chosen)
    for name in config.networks:
        model = of_any_space(MODELS[name]())
        try:
            yield step_pair(name, model, config.input_shape, config.batch_size * config.chips)
        except ValueError as error:
            message = f"{name} does not take images of {times(config.input_shape)}: {error}"
            raise ConfigError(message) from error
    if config.pair:
        yield own_pair(config.pair)


def write(config: Config, rows: Sequence[Row], command: str) -> None:
    """Write the figures as JSON, whole or not at all."""
    assert config.output is not None
    report: dict[str, Any] = {
        "environment": {"command": command, **environment(*COMPILERS)},
        "rows": rows,
    }
    config.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, allow_nan=False) + "\n"
    write_whole(config.output, lambda path: path.write_text(text, encoding="utf-8"))


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    program = "jaxcnn cost"

    def body() -> int:
        return main(parse(Config, program, arguments), command(program, arguments))

    return run_program(program, body, failed=(MissingCompilerError,))
