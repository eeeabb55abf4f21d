"""The trained network: read from a run of `jaxcnn train`, or trained by it now."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from rich.console import Console
from safetensors import SafetensorError

from jaxcnn.layers import Layer
from jaxcnn.programs.data.splits import Dataset
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.receptive_field.config import Config
from jaxcnn.programs.train import program as train
from jaxcnn.stored.arrays import CheckpointError, check_arrays, load_arrays

TRAINED = "training"
"""The folder, in the output, of a network that is trained by this program."""


class Trained(NamedTuple):
    """A trained network, and a line about its training."""

    params: dict[str, Any]
    state: dict[str, Any]
    title: str


def read_run_config(folder: Path, config: Config) -> dict[str, Any]:
    """What config.json of a run says.

    Raises:
      ConfigError: if the folder is no run, or a run of another model or data set than
        was asked for.
    """
    try:
        recorded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model, dataset, data_dir = recorded["model"], recorded["dataset"], recorded.get("data_dir")
        if not (
            isinstance(model, str) and isinstance(dataset, str) and isinstance(data_dir, str | None)
        ):
            raise TypeError("texts were needed")
    except OSError as error:
        raise ConfigError(
            f"--run {folder} is no run of jaxcnn train: its config.json: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"--run {folder} is no run of jaxcnn train: config.json does not tell of one"
        ) from error
    if model != config.model:
        raise ConfigError(f"--run {folder} trained {model}, not {config.model}")
    if config.dataset not in (None, dataset):
        raise ConfigError(
            f"--run {folder} was trained on {dataset}, not on {config.dataset}: leave --dataset out"
        )
    return recorded


def read_run(folder: Path, recorded: dict[str, Any], model: Layer, dataset: Dataset) -> Trained:
    """The network that a run saved.

    Raises:
      ConfigError: if it is missing, or does not fit the model.
    """
    file = folder / "model.safetensors"
    try:
        saved = load_arrays(file)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"--run {folder} has no trained network: {file.name}: {error}") from error
    arrays = {
        "params": saved.get("params", {}),
        "state": saved.get("state", {}),
    }  # {} is not in a file
    params, state = jax.eval_shape(
        lambda key: model.init(key, (1, *dataset.image_shape)), jax.random.key(0)
    )
    try:
        check_arrays(arrays, {"params": params, "state": state})
    except CheckpointError as error:
        other = f"--run {folder} has another network than {recorded['model']} of today"
        raise ConfigError(f"{other}: {file.name} has other arrays: {error}") from error
    arrays = jax.tree.map(jnp.asarray, arrays)
    return Trained(
        arrays["params"],
        arrays["state"],
        f"{recorded['model']} trained on {dataset.name} ({folder})",
    )


def train_network(config: Config, dataset: str, output: Path, console: Console) -> Trained:
    """The network `config.model`, trained by `jaxcnn train` into `training` in
    `output`, or training-2, -3, ... if that exists.

    Raises:
      DivergedError: as `train.main`.
    """
    options: dict[str, Any] = {
        "model": config.model,
        "dataset": dataset,
        "data_dir": config.data_dir,
        "epochs": config.epochs,
    }
    epochs = plural(config.epochs, "epoch")
    names = (f"{TRAINED}-{number}" for number in itertools.count(2))
    folder = next(
        output / name for name in itertools.chain([TRAINED], names) if not (output / name).exists()
    )
    console.print(
        f"no --run: training {config.model} on {dataset} for {epochs}, into {folder}",
        highlight=False,
        soft_wrap=True,
    )
    result = train.main(train.Config(**options, output=folder), console)
    assert result is not None, "a run that begins is not finished"
    params, state = result.state.eval_params()
    right = f"{result.rows[-1]['test_accuracy']:.1%} of the test images right"
    return Trained(params, state, f"{config.model} trained on {dataset} for {epochs}, {right}")
