"""A model read from a folder. Whatever is wrong with the folder is found before
anything of it is used, and nothing is imported because a file names it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn.stored.arrays import load_arrays
from jaxcnn.stored.building import Build, built, check_fit, filled, logits_of, named
from jaxcnn.stored.description import FORMAT, Description, describe
from jaxcnn.stored.errors import OwnNetworkError, StoredError
from jaxcnn.stored.model import StoredModel
from jaxcnn.stored.saving import DESCRIPTION, NEXT, WEIGHTS, sha256_of

MOST = 2**26  # bytes of model.json
TRIES = 3
ENTRIES = {
    *("format", "model", "arguments", "classes", "image_size", "channels"),
    *("normalisation", "fit", "mirror", "weights", "versions"),
}


class Read(NamedTuple):
    """What model.json says: the model, and the SHA-256 of its weights."""

    about: Description
    sha256: str


def load(folder: str | os.PathLike[str], model: Build | None = None) -> StoredModel:
    """The model that `jaxcnn.save` or `jaxcnn train` wrote to a folder.

    Args:
      folder: with model.safetensors and model.json.
      model: for a network of your own, the function that builds it: model(**arguments)
        is a `Layer`, with the arguments that were saved. By default the network is the
        one of `jaxcnn.models.MODELS` whose name was saved.

    Raises:
      ValueError: if the folder is missing, a file in it is missing, damaged or written
        by a later version, or params and state are not those of the network. (It is a
        `jaxcnn.stored.errors.StoredError`.)
      OSError: if a file cannot be read.

    >>> import tempfile
    >>> import jax, jaxcnn
    >>> import numpy as np
    >>> from jaxcnn import layers
    >>> def build(features):
    ...     return layers.serial(
    ...         layers.conv(features, 3), layers.global_avg_pool(), layers.dense(2)
    ...     )
    >>> params, state = build(features=4).init(jax.random.key(0), (1, 8, 8, 1))
    >>> about = {"classes": ["cat", "dog"], "image_size": 8, "channels": 1}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     about |= {"model": None, "arguments": {"features": 4}}
    ...     jaxcnn.save(f"{folder}/pets", params, state, **about)
    ...     pets = load(f"{folder}/pets", model=build)
    >>> pets.predict(np.zeros((8, 8, 1), np.uint8)).shape
    (2,)
    """
    folder = Path(folder)
    if model is not None and not callable(model):
        hint = ": pass lambda: layer" if hasattr(model, "apply") else ""
        raise ValueError(f"model must be a function that gives a Layer, got {model!r:.80}{hint}")
    about, weights = _matching(folder)
    return _assembled(folder, about, weights, _builder(folder, about, model))


def read_description(folder: Path) -> Read:
    """What model.json of a folder says.

    Raises:
      StoredError: if it is missing, damaged, or of a later version.
      OSError: if it cannot be read.
    """
    path = folder / DESCRIPTION
    try:
        kind = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(folder) from error
    _check_regular(path, kind)
    if kind.st_size > MOST:
        raise StoredError(f"{path} has {kind.st_size:,} bytes, and {MOST:,} are read at most")
    try:
        content = json.loads(path.read_bytes().decode(), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise StoredError(
            f"{path} is no whole JSON file ({' '.join(str(error).split())[:200]}): it was cut off,"
            " or is something else"
        ) from error
    return _checked(path, content)


def _matching(folder: Path) -> tuple[Description, Path]:
    """The description, and the file that has its weights. While another process
    replaces the model, one may be of the earlier model, so both are looked at again."""
    for _ in range(TRIES):
        about, wanted = read_description(folder)
        found = None
        for path in (folder / WEIGHTS, folder / NEXT):
            try:
                _check_regular(path, os.stat(path))
                sha256 = sha256_of(path)
            except FileNotFoundError:
                continue
            if sha256 == wanted:
                return about, path
            found = found or sha256
    if found is None:
        raise StoredError(f"{folder / WEIGHTS} is missing, and {DESCRIPTION} beside it is there")
    raise StoredError(
        f"{folder / WEIGHTS} is not the file that {DESCRIPTION} tells of (SHA-256 {found[:12]}...,"
        f" needed {wanted[:12]}...): it was changed, cut off, or is of another model"
    )


def _builder(folder: Path, about: Description, model: Build | None) -> Build:
    if model is not None:
        return model
    if about.model is None:
        raise OwnNetworkError(
            f"{folder} has a network of its maker's own: pass model=, the function that builds it"
        )
    try:
        return named(about.model)
    except ValueError as error:
        raise StoredError(f"{folder / DESCRIPTION}: {error}") from error


def _assembled(folder: Path, about: Description, weights: Path, build: Build) -> StoredModel:
    try:
        model, params, state = built(build, about)
    except ValueError as error:
        raise StoredError(f"{folder}: {error}") from error
    shapes = {"params": params, "state": state}
    arrays = load_arrays(weights)
    arrays = {"params": {}, "state": {}} | arrays  # {} is not in a file
    check_fit(arrays, shapes, f"{folder / WEIGHTS} has other arrays than its network:")
    arrays = filled(shapes, arrays)
    return StoredModel(model, arrays["params"], arrays["state"], about, logits_of(model, about))


def _checked(path: Path, content: Any) -> Read:
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise StoredError(f"{path} is not of a model of jaxcnn: it has no format number")
    number = content["format"]
    if number > FORMAT:
        by = content.get("versions")
        writer = by.get("jaxcnn") if isinstance(by, dict) else None
        writer = f", by jaxcnn {writer}" if isinstance(writer, str) and len(writer) < 40 else ""
        raise StoredError(
            f"{path} has format {number}{writer}, and this jaxcnn reads {FORMAT}: a newer jaxcnn is"
            " needed"
        )
    missing = sorted(ENTRIES - set(content))
    more = sorted(set(content) - ENTRIES)
    if missing or more or number < FORMAT:
        wrong = (
            f"no {missing[0]}" if missing else f"{more[0]!r:.60}" if more else f"format {number}"
        )
        raise StoredError(f"{path} is not of a model of jaxcnn: it has {wrong}")
    entries = {name: content[name] for name in ENTRIES - {"format", "weights"}}
    try:
        about = describe(**entries)
        sha256 = content["weights"]["sha256"]
        if not isinstance(sha256, str) or len(sha256) != 64:
            raise ValueError("weights must have a SHA-256 of 64 digits")
    except (ValueError, KeyError, TypeError) as error:
        raise StoredError(f"{path} is damaged: {error}") from error
    return Read(about, sha256)


def _missing(folder: Path) -> StoredError:
    if not folder.exists():
        return StoredError(f"{folder} is not there: a folder with {DESCRIPTION} is needed")
    if not folder.is_dir():
        return StoredError(f"{folder} is a file: a folder with {DESCRIPTION} is needed")
    lost = f"has {WEIGHTS} alone" if (folder / WEIGHTS).exists() else f"has no {DESCRIPTION}"
    inside = sorted(folder.glob(f"*/{DESCRIPTION}"))  # as best/ of a run that was interrupted
    slip = f"is {inside[0].parent} meant?" if inside else "jaxcnn.save and jaxcnn train write one"
    return StoredError(f"{folder} holds no model: it {lost}; {slip}")


def _check_regular(path: Path, kind: os.stat_result) -> None:
    """A pipe would keep a reader waiting for ever."""
    if not stat.S_ISREG(kind.st_mode):
        raise StoredError(f"{path} is no file: a folder, a pipe or a device has its name")


def _refused(constant: str) -> Callable[..., Any]:
    raise ValueError(f"{constant} is no number of JSON")
