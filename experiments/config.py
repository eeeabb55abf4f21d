"""The options of a training run: on the command line, in a recipe's file, and what makes sense among them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import tyro

Model = Literal["example", "lenet", "vgg", "resnet20", "mobilenet"]


class ConfigError(ValueError):
    """The options of a run make no sense."""


@dataclass(frozen=True)
class Config:
    """Train a network on images of ten classes, by default LeNet on the 8x8 digits of scikit-learn.

    Writes to the output folder: config.json, metrics.jsonl (a line per epoch), model.safetensors, and pictures: learning curves,
    the first layer's filters, the feature maps of an image, the confusion matrix, the worst mistakes.
    """

    recipe: Path | None = None
    """A TOML file of options, such as experiments/recipes/mnist.toml; options beside it on the command line go before it."""

    model: Model = "lenet"
    """The network, see jaxcnn/models.py; `python -m experiments.summary` shows each."""
    gradients: Literal["explicit", "autodiff"] = "explicit"
    """Whose derivatives: the rules written in this library, or JAX's."""
    dataset: Literal["digits", "mnist", "fashion_mnist"] = "digits"
    """The images. The digits come with scikit-learn; the others are downloaded once, unless data-dir has them."""
    data_dir: Path | None = None
    """Folder with the four IDX files of mnist or fashion_mnist, gzipped or not."""

    seed: int = 0
    """Seed of the parameters, of dropout, of augmentation and of the order of the images; the test images do not depend on it."""
    epochs: int = 30
    """How often to go through the training images."""
    batch_size: int = 32
    """Images in a step; the last images of an epoch's order, fewer than a batch, are left out."""

    optimizer: Literal["adamw", "sgd", "lion"] = "adamw"
    """Of optax; sgd has Nesterov momentum."""
    learning_rate: float = 3e-3
    """The largest learning rate of the schedule."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate goes on after the warm-up: cosine and linear fall to 0 at the end."""
    warmup_epochs: float = 0.0
    """Epochs, or a part of one, in which the learning rate rises linearly."""
    momentum: float = 0.9
    """Of sgd."""
    weight_decay: float = 1e-2
    """Of kernels; biases and norms are spared. Times the learning rate in adamw and lion, added to the gradient in sgd."""
    clip_norm: float | None = None
    """The largest global norm of the gradient."""
    accumulate: int = 1
    """Batches whose gradients are averaged for one update."""
    average_decay: float | None = None
    """Predict with a moving average of the weights; its decay per step, 0.999 for instance."""
    label_smoothing: float = 0.1
    """The part of each label that is spread over all classes."""

    shift: int = 0
    """Augmentation: move each image by up to so many pixels."""
    flip: bool = False
    """Augmentation: mirror images left to right."""
    cutout: int = 0
    """Augmentation: blank a square of so many pixels."""

    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in while it trains; its parameters, and its predictions, are float32 in any case."""
    steps_per_dispatch: int = 1
    """Steps that run in one compiled loop, without going back to Python."""
    devices: int | None = None
    """Devices to split each batch over; by default all that pay."""

    output: Path | None = None
    """Folder of the run, by default a new one: runs/<dataset>-<model>-<gradients>-seed<seed>, or that with -2, -3, ... behind."""
    overwrite: bool = False
    """Replace the run that is in the output folder, instead of refusing to start."""


def from_command_line(arguments: Sequence[str] | None, prog: str) -> Config:
    """The options of the command line, on top of those of its recipe; a bad option ends the program, as tyro does.

    Raises:
      ConfigError: if the recipe cannot be read or has what is no option.
    """
    options = (tyro.conf.FlagCreatePairsOff,)
    config = tyro.cli(Config, prog=prog, args=arguments, config=options)
    if config.recipe is None:
        return config
    return tyro.cli(Config, prog=prog, args=arguments, config=options, default=read_recipe(config.recipe))


def read_recipe(path: Path) -> Config:
    """The options of a TOML file, the others as they are by default.

    Raises:
      ConfigError: if it cannot be read or has what is no option.
    """
    try:
        given = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--recipe {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--recipe {path} is not TOML: {error}") from error
    names = {field.name for field in fields(Config)} - {"recipe"}
    unknown = sorted(set(given) - names)
    if unknown:
        raise ConfigError(f"--recipe {path} has what is no option: {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    # Through the command line's parser, so that types and choices are checked in one place.
    words = []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        words += ([flag] if value else []) if isinstance(value, bool) else [flag, str(value)]
    return replace(tyro.cli(Config, prog=f"recipe {path}", args=words, config=(tyro.conf.FlagCreatePairsOff,)), recipe=path)


def check(config: Config) -> None:
    """Raises ConfigError where an option makes no sense whatever the data."""
    for name in ("epochs", "batch_size", "accumulate", "steps_per_dispatch"):
        _require(config, name, "at least 1", getattr(config, name) >= 1)
    for name in ("shift", "cutout", "warmup_epochs", "weight_decay"):
        _require(config, name, "at least 0", 0 <= getattr(config, name) < math.inf)
    _require(config, "learning_rate", "a positive number", 0 < config.learning_rate < math.inf)
    _require(config, "label_smoothing", "at least 0 and below 1", 0 <= config.label_smoothing < 1)
    _require(config, "momentum", "at least 0 and below 1", 0 <= config.momentum < 1)
    _require(config, "clip_norm", "a positive number", config.clip_norm is None or 0 < config.clip_norm < math.inf)
    _require(config, "average_decay", "at least 0 and below 1", config.average_decay is None or 0 <= config.average_decay < 1)
    _require(config, "seed", "between 0 and 2^31 - 1", 0 <= config.seed < 2**31)


def _require(config: Config, name: str, needed: str, holds: bool) -> None:
    if not holds:
        raise ConfigError(f"--{name.replace('_', '-')} must be {needed}, got {getattr(config, name)}")
