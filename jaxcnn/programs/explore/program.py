"""See a backward pass move: a page in which each entry of a gradient shows its sum.

    jaxcnn explore
    jaxcnn explore --operation batch_norm --output norm.html

Convolution, both pools and batch norm, in sizes that fit a screen. Point at a number:
what it was computed from lights up. The address of the page holds everything that is
chosen, so that a link shows the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.explore.config import Config
from jaxcnn.programs.explore.page.render import MARK, render
from jaxcnn.programs.options import require_paths
from jaxcnn.programs.pages.replacing import check_replaceable
from jaxcnn.stored.files import write_whole

PROGRAM = "jaxcnn explore"


def main(config: Config, console: Console | None = None) -> Path:
    """Write the page, and print where it is; its path.

    Raises:
      ConfigError: if something else is there already.
    """
    require_paths(config)
    check_replaceable(config.output, MARK, PROGRAM)
    page = render(config.operation)
    write_whole(config.output, lambda partial: partial.write_text(page, encoding="utf-8"))
    console = console or Console()
    console.print(str(config.output), highlight=False, markup=False, soft_wrap=True)
    return config.output


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        main(parse(Config, PROGRAM, arguments))

    return run_program(PROGRAM, body)
