"""What a command's --help says, as Markdown."""

from __future__ import annotations

import contextlib
import io
import os
import re
from unittest import mock

from docs.site.markdown import escaped
from jaxcnn.programs.command import PROGRAMS, run

TITLE = re.compile(r"^ *(positional arguments|options) *$", re.MULTILINE)
WIDE = "10000"
"""Columns of the terminal, so that no line is broken."""


def command(name: str) -> str:
    """What the command does, an example, and its options as a list.

    Raises:
      ValueError: if there is no such command.
    """
    if name not in PROGRAMS:
        raise ValueError(f"there is no command {name!r}")
    usage_and_words, *lists = TITLE.split(help_of(name))
    words = usage_and_words.partition("\n\n")[2].strip()
    paragraphs = [" ".join(text.split()) for text in words.split("\n\n")]
    parts = [*map(escaped, paragraphs), f"```\n{PROGRAMS[name].example}\n```"]
    parts += [
        f"`{option}`\n: {escaped(said)}"
        for text in lists[1::2]
        for option, said in options(text)
        if option != "-h, --help"
    ]
    return "\n\n".join(parts)


def help_of(name: str) -> str:
    """The text of `jaxcnn NAME --help`, as it comes without a terminal."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=WIDE),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        run([name, "--help"])
    return printed.getvalue()


def options(text: str) -> list[tuple[str, str]]:
    """Each option of a list with what is said of it. That there is no default is not.

    >>> options("  --a {None}|INT  A number; by default\\n      any. (default: None)")
    [('--a INT', 'A number; by default any.')]
    """
    found: list[list[str]] = []
    for line in text.splitlines():
        if re.match(r"  \S", line):
            found.append(re.split(r" {2,}", line.strip(), maxsplit=1))
        elif line.strip() and found:
            found[-1].append(line.strip())
    return [
        (
            re.sub(r"\{None\}\|", "", option).replace("{None,", "{"),
            re.sub(r" \(default: (None)?\)$", "", " ".join(said)),
        )
        for option, *said in found
    ]
