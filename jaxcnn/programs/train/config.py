"""A training run's options: read from the command line and a recipe, and checked."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_type_hints

from jaxcnn.programs.cli import parse
from jaxcnn.programs.data.options import DataOptions, check_data_options
from jaxcnn.programs.options import (
    FLOAT32,
    MOST,
    MOST_EPOCHS,
    require,
    require_count,
    require_paths,
    require_positive,
    require_seed,
)
from jaxcnn.programs.options import ConfigError as ConfigError
from jaxcnn.programs.train.recipe import read_words

Model = Literal["cnn_basics", "lenet", "vgg", "resnet20", "mobilenet"]


@dataclass(frozen=True)
class Config(DataOptions):
    """Train a network on images of ten classes, by default LeNet on the 8x8 digits of
    scikit-learn.

    Writes to the output folder: config.json, metrics.jsonl (a line per epoch),
    model.safetensors, and pictures: learning curves, the first layer's filters, the
    feature maps of an image, the confusion matrix, the worst mistakes.
    """

    recipe: str | None = None
    """Options from a recipe: digits or mnist, which come with jaxcnn, or the path of a
    TOML file. Command-line options override the recipe."""

    model: Model = "lenet"
    """The network; `jaxcnn summary` shows each of them."""
    gradients: Literal["explicit", "autodiff"] = "explicit"
    """Whose derivatives: this library's rules, or JAX's autodiff."""

    seed: int = 0
    """Seed of the parameters, dropout, augmentation and the order of the images; the
    test images do not depend on it."""
    epochs: int = 30
    """How often to go through the training images."""
    batch_size: int = 32
    """Images in a step; images at the end of an epoch that do not fill a batch are
    left out."""

    optimizer: Literal["adamw", "sgd", "lion"] = "adamw"
    """The optimizer, from optax; sgd has Nesterov momentum."""
    learning_rate: float = 3e-3
    """The largest learning rate of the schedule."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """The learning rate after the warm-up: cosine and linear fall to 0 at the end."""
    warmup_epochs: float = 0.0
    """Number of epochs, whole or not, in which the learning rate rises linearly; in a
    shorter run it rises all the time."""
    momentum: float = 0.9
    """Momentum of sgd; the other optimizers ignore it."""
    weight_decay: float = 1e-2
    """Weight decay of kernels, not of biases and norms. adamw and lion multiply it by
    the learning rate; sgd adds it to the gradient."""
    clip_norm: float | None = None
    """Largest global norm of the gradient; a larger gradient is scaled down to it."""
    accumulate: int = 1
    """Number of batches whose gradients are averaged for one update."""
    average_decay: float | None = None
    """Predict with a moving average of the weights that decays by this factor a step,
    for instance 0.999."""
    label_smoothing: float = 0.1
    """Share of each label that is spread evenly over all classes."""

    shift: int = 0
    """Augmentation: move each image by up to this many pixels."""
    flip: bool = False
    """Augmentation: mirror half of the images, at random, left to right."""
    cutout: int = 0
    """Augmentation: blank a square in each image, its sides of this many pixels."""

    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """The dtype in which training steps compute; parameters and predictions are float32
    in any case."""
    steps_per_dispatch: int = 1
    """Steps in one compiled loop, which does not go back to Python in between."""
    devices: int | None = None
    """Number of devices to split each batch over; by default as many as make a step
    faster."""

    output: Path | None = None
    """Folder of the run; by default a new one, named
    runs/<dataset>-<model>-<gradients>-seed<seed>, with -2, -3, ... if that exists."""
    overwrite: bool = False
    """Replace a run that is in the output folder, once the first epoch of the new one
    is done. Without this option such a folder is refused."""


def from_command_line(arguments: Sequence[str] | None, prog: str) -> Config:
    """The options of the command line, which override those of its recipe. An option
    that does not parse ends the process, as `cli.parse` says.

    Raises:
      ConfigError: if the recipe cannot be read, sets something that is no option, or
        gives an option a value that it cannot have.
    """
    config = parse(Config, prog, arguments)
    if config.recipe is None:
        return config
    return parse(Config, prog, arguments, default=read_recipe(config.recipe))


def read_recipe(recipe: str) -> Config:
    """The options of a recipe, which is a shipped one's name or a file's path; those
    that it does not set have their defaults. An unknown choice ends the process, as
    `cli.parse` says.

    Raises:
      ConfigError: if it cannot be read, sets something that is no option, or gives an
        option a value that it cannot have.
    """
    hints = get_type_hints(Config)
    words = read_words(recipe, {name: hint for name, hint in hints.items() if name != "recipe"})
    # Through the command line's parser, which knows the choices.
    prog = f"jaxcnn train --recipe {shlex.quote(recipe)}"
    return replace(parse(Config, prog, words), recipe=recipe)


def check(config: Config) -> None:
    """Raises ConfigError for an option that makes no sense, whatever the images."""
    require_paths(config)
    check_data_options(config)
    require_seed(config.seed)
    require_count("epochs", config.epochs, most=MOST_EPOCHS)
    for name in ("batch_size", "accumulate", "steps_per_dispatch"):
        require_count(name, getattr(config, name))
    for name in ("shift", "cutout"):
        require_count(name, getattr(config, name), least=0)
    for name in ("warmup_epochs", "weight_decay"):
        value = getattr(config, name)
        require(name, "at least 0", 0 <= value < math.inf, value)
    require(
        "warmup_epochs",
        f"at most {MOST_EPOCHS:,}",
        config.warmup_epochs <= MOST_EPOCHS,
        config.warmup_epochs,
    )
    require(
        "weight_decay",
        f"at most {FLOAT32[1]:.2g}",
        config.weight_decay <= FLOAT32[1],
        config.weight_decay,
    )
    require_positive("learning_rate", config.learning_rate)
    for name in ("label_smoothing", "momentum", "average_decay"):
        value = getattr(config, name)
        require(name, "at least 0 and below 1", value is None or 0 <= value < 1, value)
    if config.clip_norm is not None:
        require_positive("clip_norm", config.clip_norm)


def check_with_data(config: Config, images: int, image_size: Sequence[int]) -> None:
    """Raises ConfigError for an option that makes no sense with this number of training
    images of this height and width."""
    size = min(image_size)
    require(
        "batch_size",
        f"at most the {images:,} training images",
        config.batch_size <= images,
        f"{config.batch_size:,}",
    )
    batches = images // config.batch_size
    needed = (
        f"at most {MOST // batches:,}, since JAX counts up to 2^31 - 1 and an epoch has {batches:,}"
        " steps"
    )
    require("epochs", needed, config.epochs * batches <= MOST, config.epochs)
    needed = (
        f"at most the {config.epochs * batches:,} batches of the run, or else there is no update"
    )
    require("accumulate", needed, config.accumulate <= config.epochs * batches, config.accumulate)
    needed = f"less than the {size} pixels of an image, of which nothing would be left"
    require("shift", needed, config.shift < size, config.shift)
    needed = f"at most the {size} pixels of an image"
    require("cutout", needed, config.cutout <= size, config.cutout)
