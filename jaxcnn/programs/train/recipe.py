"""Recipes: options in a TOML file, read as the words of a command line.

Some come with jaxcnn, as files of this package in `recipes`, and go by their names.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from jaxcnn.programs.options import ConfigError, require_path, shown

LARGEST = 1_000_000  # bytes: whatever is larger is no recipe
SHIPPED = files(__package__) / "recipes"


def shipped_names() -> list[str]:
    """The names of the recipes that come with jaxcnn.

    >>> shipped_names()
    ['cifar10', 'digits', 'mnist']
    """
    names = [file.name.partition(".") for file in SHIPPED.iterdir()]
    return sorted(name for name, _, kind in names if kind == "toml")


def find(recipe: str) -> Traversable:
    """The file of a recipe.

    Args:
      recipe: a file's path if there is such a file, or if it has a slash or ends in
        .toml; else the name of a shipped recipe.

    Raises:
      ConfigError: if no path can look like this, or no recipe has this name.
    """
    path = Path(recipe)
    require_path("recipe", path)
    if path.suffix == ".toml" or {"/", os.sep} & set(recipe) or path.is_file():
        return path
    names = shipped_names()
    if recipe not in names:
        likely = get_close_matches(recipe, names, n=1)
        slip = f": did you mean {likely[0]}?" if likely else ""
        raise ConfigError(
            f"--recipe must be {', '.join(names)}, or the path of a TOML file, got"
            f" {shown(repr(recipe))}{slip}"
        )
    return SHIPPED / f"{recipe}.toml"


def read_words(recipe: str, types: Mapping[str, Any]) -> list[str]:
    """`--name=value` for each line of the recipe, `--name` alone for what is true, and
    `--name`, `value`, ... for an array.

    Args:
      recipe: its name or its path, as in `find`; in UTF-8, with or without a byte order
        mark.
      types: of each option, by its name: bool, int, float, str, Path, a Literal, or a
        tuple of texts, or one of these or None. A bool is no number here, and neither
        is a text.

    Raises:
      ConfigError: with the names of the recipe and the option, if the recipe is not
        found, cannot be read, sets something that is no option, or has a value of
        another type.
    """
    given = _read(recipe)
    unknown = sorted(set(given) - set(types))
    if unknown:
        names = ", ".join(map(shown, unknown))
        raise ConfigError(
            f"--recipe {recipe} has what is no option: {names};"
            f" there are {', '.join(sorted(types))}"
        )
    words = []
    for name, value in given.items():
        needed, fits = _expected(types[name])
        if type(value) not in fits or (
            isinstance(value, list) and not all(isinstance(each, str) for each in value)
        ):
            raise ConfigError(
                f"--recipe {recipe}: {name} must be {needed}, got {_described(value)}"
            )
        if type(value) is int and abs(value) >= 2**63:
            raise ConfigError(f"--recipe {recipe}: {name} must be below 2^63, got {shown(value)}")
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, list):
            words += [flag, *value]
        elif isinstance(value, bool):
            words += [flag] if value else []
        else:
            words.append(f"{flag}={value}")
    return words


def _read(recipe: str) -> dict[str, Any]:
    source = find(recipe)
    try:
        with source.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"--recipe {recipe} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ConfigError(f"--recipe {recipe} is no recipe: it has more than {LARGEST:,} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"--recipe {recipe} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        # Not only TOMLDecodeError: a number with too many digits is a plain ValueError.
        raise ConfigError(f"--recipe {recipe} is not TOML: {error}") from error


def _expected(hint: Any) -> tuple[str, tuple[type, ...]]:
    """What a value of this type is called, and the types that TOML may give it."""
    (kind,) = _kinds(hint) - {NoneType}
    if kind is tuple:
        return "an array of texts in quotes", (list,)
    if kind is bool:
        return "true or false", (bool,)
    if kind is int:
        return "a whole number", (int,)
    if kind is float:
        return "a number", (int, float)
    return "a text in quotes", (str,)


def _kinds(hint: Any) -> set[Any]:
    """The types of which a value of this type can be."""
    if get_origin(hint) is Literal:
        return {type(choice) for choice in get_args(hint)}
    if get_origin(hint) is tuple:
        return {tuple}
    return {kind for part in get_args(hint) for kind in _kinds(part)} or {hint}


def _described(value: Any) -> str:
    """The value as the file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{shown(value)}"'
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "a table"
    return shown(value)
