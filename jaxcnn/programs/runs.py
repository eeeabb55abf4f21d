"""The folder of a trained model, RUN on the command lines: what programs read of it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from jaxcnn.programs.data.options import DataOptions, recorded_options
from jaxcnn.programs.loading import load as load_function
from jaxcnn.programs.options import ConfigError, require_path
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


def recorded(run: Path) -> dict[str, Any] | None:
    """What config.json of a run says; None if it has none, as a folder of
    `jaxcnn.save`.

    Raises:
      ConfigError: if config.json is damaged.
    """
    path = run / CONFIG
    try:
        kind = os.stat(path)
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > MOST:
            raise ConfigError(f"{path} is no file of a run")
        found = json.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged: it is no whole JSON file") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is damaged: it tells of no options")
    return found


def data_options(run: Path) -> DataOptions | None:
    """The options of the images that a run was trained on, by its config.json; None if
    it has none.

    Raises:
      ConfigError: if config.json is damaged, or tells of no run.
    """
    found = recorded(run)
    if found is None:
        return None
    try:
        return recorded_options(found)
    except ConfigError as error:
        raise ConfigError(f"{run / CONFIG} is damaged: {error}") from error
