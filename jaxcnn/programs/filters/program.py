"""What do the filters of a trained network look for?

    jaxcnn filters runs/digits-lenet-explicit-seed0
    jaxcnn filters runs/pets --layers 7_residual/inner/0_conv --filters 0 3 9
    jaxcnn filters --known --output known.html

The images are those that `jaxcnn evaluate` judges by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from jaxcnn.programs.cli import command, parse, run_program
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.environment import environment
from jaxcnn.programs.evaluate.config import Config as Judged
from jaxcnn.programs.evaluate.program import chosen_images, images
from jaxcnn.programs.filters.chosen import choose, convolutions
from jaxcnn.programs.filters.config import Config
from jaxcnn.programs.filters.content import Content, Learned
from jaxcnn.programs.filters.known import known
from jaxcnn.programs.filters.learned import Task, learned
from jaxcnn.programs.filters.page.render import MARK, render
from jaxcnn.programs.options import ConfigError, require_count, require_paths, require_seed
from jaxcnn.programs.pages.replacing import check_replaceable
from jaxcnn.programs.readable import size
from jaxcnn.programs.runs import read_model_of_pictures
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.files import write_whole

PROGRAM = "jaxcnn filters"
MOST = 64  # filters of a layer, or images of a filter
MOST_STEPS = 100_000
ENVIRONMENT = ("date", "jaxcnn", "jax", "numpy", "python", "device", "cores")


def main(config: Config, arguments: Sequence[str] | None = None) -> Path:
    """Write the page, and print where it is; its path.

    Args:
      config: the options.
      arguments: the words of the command line, for the page.

    Raises:
      ConfigError, StoredError, DataError: if an option makes no sense, there is no
        model, or the images cannot be had; before anything is written.
    """
    check(config)
    found = None if config.run is None else _learned(config, config.run)
    facts = environment()
    content = Content(
        found,
        known() if config.known else None,
        command(PROGRAM, arguments),
        {name: facts[name] for name in ENVIRONMENT},
    )
    page = render(content)
    write_whole(config.output, lambda partial: partial.write_text(page, encoding="utf-8"))
    words = f"{config.output}, {size(len(page.encode()))}"
    Console().print(words, highlight=False, markup=False, soft_wrap=True)
    return config.output


def check(config: Config) -> None:
    """Raises ConfigError for an option that makes no sense."""
    require_paths(config)
    require_seed(config.seed)
    require_count("count", config.count, most=MOST)
    require_count("best", config.best, most=MOST)
    require_count("images", config.images)
    require_count("example", config.example, least=0)
    require_count("steps", config.steps, most=MOST_STEPS)
    if config.run is None and not config.known:
        raise ConfigError(
            "RUN must be the folder of a trained network; --known shows filters without one"
        )
    check_replaceable(config.output, MARK, PROGRAM)


def _learned(config: Config, run: Path) -> Learned:
    stored = read_model_of_pictures(run, config.model)
    chosen = choose(config, convolutions(run, stored))
    options, own = chosen_images(Judged(run, config.data_dir, config.dataset), stored)
    beside = Console(stderr=True)
    split = images(options, own, stored, beside)
    if len(split) == 0:
        raise DataError(f"{options.data_dir or options.dataset} has no images")
    name = str(options.data_dir) if options.dataset == "folder" else options.dataset
    with _progress(beside) as begin:
        return learned(config, stored, chosen, split, name, begin)


@contextmanager
def _progress(console: Console) -> Iterator[Task]:
    """A bar for each task in a terminal, nothing elsewhere."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bars:
        yield lambda words, total: partial(bars.advance, bars.add_task(words, total=total))


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        main(parse(Config, PROGRAM, arguments), arguments)

    return run_program(PROGRAM, body, refused=(StoredError, DataError))
