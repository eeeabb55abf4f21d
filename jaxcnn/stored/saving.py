"""A model written to a folder, such that whoever reads the folder finds a whole model
or none."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.stored.arrays import flat, save_arrays
from jaxcnn.stored.building import built, check_fit, named
from jaxcnn.stored.description import (
    Description,
    Fit,
    as_arguments,
    as_classes,
    as_json,
    channels_of,
    describe,
)
from jaxcnn.stored.files import keep, naming, write_whole
from jaxcnn.version import __version__

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
NEXT = ".model.safetensors.next"
"""The weights of the new model, while model.json is still that of the earlier one."""
CHANNELS = (1, 3, 4, 2)
"""Of images, in the order in which they are tried where nothing says it."""


def save(
    folder: str | os.PathLike[str],
    params: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    model: str | None,
    arguments: Mapping[str, Any] | None = None,
    classes: Sequence[str],
    image_size: int | Sequence[int],
    normalisation: Any = None,
    channels: int | None = None,
    fit: Fit = "crop",
    mirror: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a model to a folder, whole or not at all. `jaxcnn.load` reads it.

    A new folder is filled beside its place and then renamed. In a folder that holds a
    model already, the earlier one is there until the new one is.

    Args:
      folder: the folder to make. One that exists must be empty, or `overwrite` True.
      params, state: as the network's `init` gives them: nested dicts of arrays.
      model: the name of a network in `jaxcnn.models.MODELS`, or None for one of your
        own. `load` then needs the function that builds it, because a file names nothing
        to import.
      arguments: the keyword arguments that the network is built with, as far as JSON
        has such values. A tuple comes back as a list. For a network by name, `classes`
        is the number of classes unless it is given.
      classes: the names of the classes, in the order of the logits.
      image_size: of the images in pixels, an int or (h, w).
      normalisation: (mean, std), each a number for every channel or one for all, in
        units of [0, 1]. The network gets x = (image / 255 - mean) / std; by default
        image / 255.
      channels: of an image; by default as many as there are means, or else what fits
        the params.
      fit: how images of other sizes are brought to this one, for programs that read
        files: "crop", "pad" or "stretch".
      mirror: whether predictions are averaged over an image and its mirror image.
      overwrite: whether to replace the model that the folder holds. Other files in it
        stay.

    Raises:
      ValueError: if an argument makes no sense, the folder is not free, or params and
        state are not those of the network. Nothing is written then.
      OSError: with the name of the folder or file, if it cannot be written.

    >>> import tempfile
    >>> import jaxcnn
    >>> model = jaxcnn.models.lenet(2)
    >>> params, state = model.init(jax.random.key(0), (1, 8, 8, 1))
    >>> about = {"classes": ["cat", "dog"], "image_size": 8}
    >>> about["normalisation"] = ([0.4], [0.2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/pets", params, state, model="lenet", **about)
    ...     stored = jaxcnn.load(f"{folder}/pets")
    >>> stored.classes, stored.predict(np.zeros((5, 8, 8, 1), np.uint8)).shape
    (('cat', 'dog'), (5, 2))
    """
    folder = Path(folder)
    _check_free(folder, overwrite)
    arrays = as_arrays(params, state)
    given = {} if arguments is None else as_arguments(arguments)
    if model is not None:
        given = {"classes": len(as_classes(classes))} | given
    entries = {"model": model, "arguments": given, "classes": classes, "image_size": image_size}
    entries |= {"fit": fit, "mirror": mirror}
    about = _described(entries, normalisation, channels, arrays)
    check_model(about, arrays)
    if folder.exists():
        write_model(folder, arrays["params"], arrays["state"], about)
    else:
        _make_whole(folder, lambda new: write_model(new, arrays["params"], arrays["state"], about))


def write_model(folder: Path, params: Any, state: Any, about: Description) -> None:
    """Write model.safetensors and model.json into a folder that exists, for `load`.

    If the folder has no model yet, model.json comes last, and without it there is none.
    If it has one, the new weights wait under another name until the new model.json is
    there, so that every moment's model.json has its weights in the folder.

    Args:
      folder: the folder.
      params, state: nested dicts of arrays.
      about: what made the model; its versions are set to those of today.

    Raises:
      ValueError: if an array cannot be saved, or is not finite.
      OSError: with the name of the file, if it cannot be written.
    """
    about = replace(about, versions=versions())
    fresh = not os.path.lexists(folder / DESCRIPTION)
    weights = folder / (WEIGHTS if fresh else NEXT)
    save_arrays(weights, as_arrays(params, state))
    try:
        content = as_json(about, sha256_of(weights))
        write_whole(folder / DESCRIPTION, lambda path: path.write_bytes(content))
    except BaseException:
        weights.unlink(missing_ok=True)
        raise
    if not fresh:
        with naming(folder / WEIGHTS):
            weights.replace(folder / WEIGHTS)
        keep(folder)


def check_model(about: Description, arrays: Mapping[str, Any]) -> None:
    """Raises ValueError unless the arrays are those of the network that the description
    names. Nothing is known of a network of one's own."""
    if about.model is not None:
        _, params, state = built(named(about.model), about)
        size = "x".join(map(str, about.image_shape))
        what = f"the arrays are not those of {about.model} for images of {size}: they have"
        check_fit(arrays, {"params": params, "state": state}, what)


def as_arrays(params: Any, state: Any) -> dict[str, Any]:
    """The arrays of a model as its file has them, on the host.

    Raises:
      ValueError: if they are no nested dicts of arrays, or a number is not finite.
    """
    for name, tree in (("params", params), ("state", state)):
        if not isinstance(tree, Mapping):
            raise ValueError(
                f"{name} must be a dict of arrays, as a network's init gives it, got"
                f" {type(tree).__name__}"
            )
    arrays = jax.device_get({"params": params, "state": state})
    for name, leaf in flat(arrays).items():
        floats = jnp.issubdtype(leaf.dtype, jnp.inexact)
        if floats and (wrong := np.count_nonzero(~np.isfinite(leaf))):
            raise ValueError(
                f"{name} must be finite, got NaN or infinity in {wrong:,} of its {leaf.size:,}"
                " numbers"
            )
    return arrays


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """The versions of the packages that a model depends on."""
    found = {"jaxcnn": __version__}
    for package in ("jax", "jaxlib", "numpy", "safetensors"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _check_free(folder: Path, overwrite: bool) -> None:
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise ValueError(
            f"folder must be new, an empty folder, or one with a model: {folder} is no folder"
        )
    there = sorted(path.name for path in folder.iterdir())
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise ValueError(
            f"folder must be new or empty: {folder} holds {there[0]}{more}; pass overwrite=True to"
            " replace the model in it"
        )


def _described(
    entries: dict[str, Any], normalisation: Any, channels: int | None, arrays: Mapping[str, Any]
) -> Description:
    """The description, with the channels that are given, or that fit the arrays."""
    if channels is None:
        channels = channels_of(normalisation)
    tried = CHANNELS if channels is None else (channels,)
    about = [describe(channels=each, normalisation=normalisation, **entries) for each in tried]
    if len(about) == 1:
        return about[0]
    if about[0].model is None:
        raise ValueError("channels must be given for a network of your own: 1 for grey, 3 for RGB")
    for each in about:
        with suppress(ValueError):
            check_model(each, arrays)
            return each
    return about[0]  # whose check says what does not fit


def _make_whole(folder: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder beside `folder`, then rename it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f".{token_hex(8)}.partial")
    with naming(folder):
        new.mkdir()
    try:
        write(new)
        keep(new)
        with naming(folder):
            new.rename(folder)
        keep(folder.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
