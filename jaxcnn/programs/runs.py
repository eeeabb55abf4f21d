"""The folder of a trained model, RUN on the command lines: what programs read of it."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.loading import load as load_function
from jaxcnn.programs.options import ConfigError, require_path, shown
from jaxcnn.stored.errors import OwnNetworkError
from jaxcnn.stored.loading import load
from jaxcnn.stored.model import StoredModel

CONFIG = "config.json"
MOST = 2**26  # bytes of config.json


def read_model(run: Path, model: str | None) -> StoredModel:
    """The model in the folder `run`, which `jaxcnn train` or `jaxcnn.save` wrote.

    Args:
      run: the folder.
      model: module:function of a network of one's own, the option --model.

    Raises:
      ConfigError: if --model is needed, or names no function.
      StoredError: if there is no model, or a damaged one.
    """
    require_path("run", run)
    build = None if model is None else load_function("--model", model)
    try:
        return load(run, build)
    except OwnNetworkError as error:
        raise ConfigError(
            f"{run} has a network of its maker's own: pass --model module:function, the function"
            " that builds it"
        ) from error
    except OSError as error:
        raise ConfigError(f"{error.filename or run} cannot be read: {error.strerror}") from error


def read_model_of_pictures(run: Path, model: str | None) -> StoredModel:
    """`read_model` for programs that read files of images.

    Raises:
      ConfigError, StoredError: as `read_model`; and if no file has such images.
    """
    stored = read_model(run, model)
    if stored.channels not in (1, 3):
        raise ConfigError(
            f"{run} takes images of {stored.channels} channels, and files are read as 1 (grey) or 3"
            " (colour): load it with jaxcnn.load"
        )
    return stored


def data_options(run: Path) -> DataOptions | None:
    """The options of the images that a run was trained on, by its config.json; None if
    it has none, as a folder of `jaxcnn.save`.

    Raises:
      ConfigError: if config.json is damaged, or tells of no run.
    """
    path = run / CONFIG
    try:
        kind = os.stat(path)
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > MOST:
            raise ConfigError(f"{path} is no file of a run")
        recorded = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged: it is no whole JSON file") from error
    if not isinstance(recorded, dict):
        raise ConfigError(f"{path} is damaged: it tells of no options")
    hints = {name: hint for name, hint in get_type_hints(DataOptions).items() if name in recorded}
    given: dict[str, Any] = {}
    for name, hint in hints.items():
        try:
            given[name] = typed(recorded[name], hint)
        except ValueError as error:
            raise ConfigError(f"{path} is damaged: its {name} is {error}") from error
    return DataOptions(**given)


def typed(value: Any, hint: Any) -> Any:
    """A value of JSON as an option of this type has it: a path from a text, a tuple
    from a list.

    Raises:
      ValueError: if the type has no such value.

    >>> typed(["cat", "dog"], tuple[str, ...] | None)
    ('cat', 'dog')
    >>> typed(3, Literal["crop", "pad"])
    Traceback (most recent call last):
    ValueError: 3
    """
    if get_origin(hint) in (Union, UnionType):
        for each in get_args(hint):
            with suppress(ValueError):
                return typed(value, each)
    elif get_origin(hint) is tuple and isinstance(value, list):
        return tuple(typed(entry, get_args(hint)[0]) for entry in value)
    elif get_origin(hint) is Literal and isinstance(value, str | int) and value in get_args(hint):
        return value
    elif hint is Path and isinstance(value, str):
        return Path(value)
    elif hint is float and type(value) in (int, float):
        return float(value)
    elif type(value) is hint:
        return value
    raise ValueError(shown(value))
