"""What a person names by module:function on the command line, such as a rule of their
own for --pair."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jaxcnn.programs.options import LONGEST, ConfigError, shown


def load(option: str, path: str) -> Callable[..., Any]:
    """The function of `path`, which is module:function. Modules in the current folder
    are found too.

    Args:
      option: the option that named it, for messages: "--pair".
      path: as on the command line.

    Raises:
      ConfigError: if it is not module:function, the module does not import, or has no
        such function.

    >>> load("--pair", "math:sin")(0.0)
    0.0
    >>> load("--pair", "math")
    Traceback (most recent call last):
    jaxcnn.programs.options.ConfigError: --pair must name module:function, got 'math'
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ConfigError(f"{option} must name module:function, got {quoted(path)}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the person's module raises
        raise ConfigError(
            f"{option}: module {quoted(module_name)} does not import: {in_one_line(error)}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        there = sorted(
            n for n, value in vars(module).items() if callable(value) and not n.startswith("_")
        )
        raise ConfigError(
            f"{option}: module {quoted(module_name)} has no function {quoted(name)}; it has"
            f" {', '.join(there) or 'none'}"
        )
    return function


def in_one_line(error: BaseException) -> str:
    """The type and the message of an exception."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def quoted(text: str) -> str:
    """In quotation marks, short, and in one line."""
    return repr(text) if text.isprintable() and len(text) <= LONGEST else shown(text)
