"""Where a program may write its page: over an earlier page of its own, and over nothing
else."""

from __future__ import annotations

import os
from pathlib import Path

from jaxcnn.programs.options import ConfigError, require


def check_replaceable(path: Path, mark: str, program: str) -> None:
    """Raises ConfigError unless a page can be written there, in place of none or of an
    earlier page.

    Args:
      path: the option --output.
      mark: what every page of the program has near its beginning, of whatever version.
      program: its name, "jaxcnn explore".

    >>> check_replaceable(Path(os.curdir), "<meta", "jaxcnn explore")
    Traceback (most recent call last):
    jaxcnn.programs.options.ConfigError: --output must be a file, got .
    """
    require("output", "a file", not path.is_dir(), path)
    require("output", "in a folder that exists", path.parent.is_dir(), path)
    if os.path.lexists(path) and not _is_page(path, mark):
        raise ConfigError(
            f"{path} exists already and is no page of {program}: pass another --output"
        )


def _is_page(path: Path, mark: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.encode() in file.read(1000)
