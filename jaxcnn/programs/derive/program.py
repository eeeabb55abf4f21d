r"""An operation and its gradients, written out as sums.

    jaxcnn derive conv --input 4x4 --kernel 3x3 --stride 2 --padding 1
    jaxcnn derive max_pool --window 2x2 --values x=1,3,2,4,5,6,7,8,9,2,3,1,4,0,1,5
    jaxcnn derive batch_norm --batch 4 --format html

What is written was checked: gradients that were collected term by term are what the
derivations say that they are, and the code computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from jaxcnn.derive import Derivation, DisagreementError, derive, to_html, to_latex, to_text
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.derive.config import Config, options_of, values_of
from jaxcnn.programs.options import ConfigError, require_paths, require_seed
from jaxcnn.programs.pages.environment import page_environment
from jaxcnn.stored.files import write_whole


def main(config: Config, console: Console | None = None) -> Derivation:
    """Derive, and write it to the terminal or into a file.

    Raises:
      ConfigError: if an option makes no sense, before anything is written.
      DisagreementError: if the code computes something else.
    """
    require_paths(config)
    require_seed(config.seed)
    options, values = options_of(config), values_of(config.values)
    try:
        found = derive(config.operation, values=values, seed=config.seed, **options)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    text = {"text": to_text, "latex": to_latex, "html": page}[config.format](found)
    path = config.output
    if config.format == "html":
        path = path or Path("derivation.html")
    say = partial((console or Console()).print, highlight=False, markup=False, soft_wrap=True)
    if path is None:
        say(text)
    else:
        write_whole(path, lambda temporary: temporary.write_text(f"{text}\n", encoding="utf-8"))
        say(path)
    return found


def page(derivation: Derivation) -> str:
    """A whole page, which needs nothing beside it."""
    folder = Path(__file__).parent
    template = page_environment(folder).get_template("page.html")
    options = ", ".join(f"{name} {value}" for name, value in derivation.options.items())
    return template.render(derivation=derivation, options=options, sums=to_html(derivation))


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""

    def body() -> None:
        main(parse(Config, "jaxcnn derive", arguments))

    return run_program("jaxcnn derive", body, failed=(DisagreementError,))
