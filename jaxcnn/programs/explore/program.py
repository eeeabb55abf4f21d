"""See a backward pass move: a page in which each entry of a gradient shows its sum.

    jaxcnn explore
    jaxcnn explore --operation batch_norm --output norm.html

Convolution, both pools and batch norm, in sizes that fit a screen. Point at a number:
what it was computed from lights up. The address of the page holds everything that is
chosen, so that a link shows the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.explore.config import Config
from jaxcnn.programs.explore.page.render import MARK, render
from jaxcnn.programs.options import ConfigError, require, require_paths
from jaxcnn.stored.files import write_whole


def main(config: Config, console: Console | None = None) -> Path:
    """Write the page, and print where it is; its path.

    Raises:
      ConfigError: if something else is there already.
    """
    require_paths(config)
    check_replaceable(config.output)
    page = render(config.operation)
    write_whole(config.output, lambda partial: partial.write_text(page, encoding="utf-8"))
    console = console or Console()
    console.print(str(config.output), highlight=False, markup=False, soft_wrap=True)
    return config.output


def check_replaceable(path: Path) -> None:
    """Raises ConfigError unless a page can be written there, in place of none or of an
    earlier page.

    >>> check_replaceable(Path(os.curdir))
    Traceback (most recent call last):
    jaxcnn.programs.options.ConfigError: --output must be a file, got .
    """
    require("output", "a file", not path.is_dir(), path)
    require("output", "in a folder that exists", path.parent.is_dir(), path)
    if os.path.lexists(path) and not is_page(path):
        raise ConfigError(
            f"{path} exists already and is no page of jaxcnn explore: pass another --output"
        )


def is_page(path: Path) -> bool:
    """Whether the file is a page of this command, of whatever version."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK.encode() in file.read(1000)


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    program = "jaxcnn explore"

    def body() -> None:
        main(parse(Config, program, arguments))

    return run_program(program, body)
