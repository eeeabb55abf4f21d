"""A TOML file of options, read as the words of a command line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from jaxcnn.programs.options import ConfigError, require_path, shown

LARGEST = 1_000_000  # bytes: whatever is larger is no recipe


def read_words(path: Path, types: Mapping[str, Any]) -> list[str]:
    """`--name=value` for each line of the file, a bare `--name` for what is true.

    Args:
      path: of the file, in UTF-8, with or without a byte order mark.
      types: of each option, by its name: bool, int, float, Path or a Literal of
        strings, or one of these or None. A bool is no number here, nor is a text.

    Raises:
      ConfigError: with the names of the file and the option, if the file cannot be
        read, has what is no option, or has a value of another type.
    """
    given = _read(path)
    unknown = sorted(set(given) - set(types))
    if unknown:
        names = ", ".join(map(shown, unknown))
        raise ConfigError(
            f"--recipe {path} has what is no option: {names}; there are {', '.join(sorted(types))}"
        )
    words = []
    for name, value in given.items():
        needed, fits = _expected(types[name])
        if type(value) not in fits:
            raise ConfigError(f"--recipe {path}: {name} must be {needed}, got {_described(value)}")
        if type(value) is int and abs(value) >= 2**63:
            raise ConfigError(f"--recipe {path}: {name} must be below 2^63, got {shown(value)}")
        flag = f"--{name.replace('_', '-')}"
        words += ([flag] if value else []) if isinstance(value, bool) else [f"{flag}={value}"]
    return words


def _read(path: Path) -> dict[str, Any]:
    require_path("recipe", path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"--recipe {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ConfigError(f"--recipe {path} is no recipe: it has more than {LARGEST:,} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"--recipe {path} cannot be read: {error}") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # not only TOMLDecodeError: a number of very many digits is another
        raise ConfigError(f"--recipe {path} is not TOML: {error}") from error


def _expected(hint: Any) -> tuple[str, tuple[type, ...]]:
    """What a value of that type is called, and the types that TOML may have it in."""
    (kind,) = {type(arg) if isinstance(arg, str) else arg for arg in get_args(hint) or (hint,)} - {
        NoneType
    }
    if kind is bool:
        return "true or false", (bool,)
    if kind is int:
        return "a whole number", (int,)
    if kind is float:
        return "a number", (int, float)
    return "a text in quotes", (str,)


def _described(value: Any) -> str:
    """As it stands in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{shown(value)}"'
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "a table"
    return shown(value)
