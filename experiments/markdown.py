"""Tables of numbers as Markdown, and where they go in files that a person wrote.

A table that a program measured stands between two marks, <!-- name --> and
<!-- /name -->, so that a program can write it anew and nobody has to copy numbers.

    python -m experiments.benchmark --summarise FOLDER --readme README.md
    python -m experiments.trust README.md
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.readable import SPACE
from jaxcnn.stored.files import write_whole


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, without a newline at its end.

    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace(SPACE, " ")


def from_rich(printed: Table) -> str:
    """A table that is printed in a terminal, with its title in bold above it."""

    def plain(cell: object) -> str:
        return Text.from_markup(str(cell)).plain

    columns = [[plain(cell) for cell in column.cells] for column in printed.columns]
    headings = [plain(column.header) for column in printed.columns]
    return f"**{printed.title}**\n\n{table(headings, zip(*columns, strict=True))}"


def between_marks(text: str, name: str, new: str) -> str:
    """The text with what stands between the marks of this name replaced.

    Raises:
      ValueError: unless each mark is there once, in order.

    >>> between_marks("a <!-- n -->old<!-- /n --> b", "n", "new")
    'a <!-- n -->\\nnew\\n<!-- /n --> b'
    """
    first, last = marks(name)
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise ValueError(f"{first} and {last} must be there once each, in this order")
    before, rest = text.split(first)
    return f"{before}{marked(name, new)}{rest.split(last)[1]}"


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def marked(name: str, text: str) -> str:
    """The text between its marks, each on a line of its own."""
    first, last = marks(name)
    return f"{first}\n{text}\n{last}"


def write_between_marks(option: str, path: Path, name: str, new: str) -> None:
    """`between_marks` of a file.

    Raises:
      ConfigError: that names the option, if there is no such file or no such mark.
    """
    try:
        text = between_marks(path.read_text(encoding="utf-8"), name, new)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{option} {path} cannot take the table: {why}") from error
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
