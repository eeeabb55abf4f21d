"""See a backward pass move: a page in which each entry of a gradient shows its sum.

    jaxcnn explore
    jaxcnn explore --operation batch_norm --output norm.html
    jaxcnn explore receptive-field

Convolution, both pools and batch norm, in sizes that fit a screen. Point at a number:
what it was computed from lights up. The other page calculates and draws what the units
of a stack of layers see. The address of a page holds everything that is chosen, so that
a link shows the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.explore.config import Config
from jaxcnn.programs.explore.fields.render import render_fields
from jaxcnn.programs.explore.page.render import render
from jaxcnn.programs.explore.rendering import MARK
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.pages.replacing import check_replaceable
from jaxcnn.stored.files import write_whole

PROGRAM = "jaxcnn explore"
DEFAULTS = {"gradients": "explore.html", "receptive-field": "receptive-field.html"}
"""The file of each page."""


def main(config: Config, console: Console | None = None) -> Path:
    """Write the page, and print where it is; its path.

    Raises:
      ConfigError: if something else is there already, or the page has no --operation.
    """
    require_paths(config)
    if config.page == "receptive-field" and config.operation is not None:
        raise ConfigError("--operation is for the page of gradients, not for receptive-field")
    output = config.output or Path(DEFAULTS[config.page])
    check_replaceable(output, MARK, PROGRAM)
    gradients = config.page == "gradients"
    page = render(config.operation or "conv") if gradients else render_fields()
    write_whole(output, lambda partial: partial.write_text(page, encoding="utf-8"))
    console = console or Console()
    console.print(str(output), highlight=False, markup=False, soft_wrap=True)
    return output


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        main(parse(Config, PROGRAM, arguments))

    return run_program(PROGRAM, body)
