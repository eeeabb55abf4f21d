"""The options of a training run: on the command line, on top of a recipe's file, and
what makes sense among them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_type_hints

import tyro

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
from jaxcnn.programs.options import (
    ConfigError as ConfigError,
)
from jaxcnn.programs.train.recipe import read_words

Model = Literal["cnn_basics", "lenet", "vgg", "resnet20", "mobilenet"]


@dataclass(frozen=True)
class Config:
    """Train a network on images of ten classes, by default LeNet on the 8x8 digits of
    scikit-learn.

    Writes to the output folder: config.json, metrics.jsonl (a line per epoch),
    model.safetensors, and pictures: learning curves, the first layer's filters, the
    feature maps of an image, the confusion matrix, the worst mistakes.
    """

    recipe: Path | None = None
    """A TOML file of options, such as jaxcnn/programs/train/recipes/mnist.toml; options
    beside it on the command line go before it."""

    model: Model = "lenet"
    """The network, see jaxcnn/models.py; `jaxcnn summary` shows each."""
    gradients: Literal["explicit", "autodiff"] = "explicit"
    """Whose derivatives: the rules written in this library, or JAX's."""
    dataset: Literal["digits", "mnist", "fashion_mnist"] = "digits"
    """The images. The digits come with scikit-learn; the others are downloaded once,
    unless data-dir has them."""
    data_dir: Path | None = None
    """Folder with the four IDX files of mnist or fashion_mnist, gzipped or not."""

    seed: int = 0
    """Seed of the parameters, of dropout, of augmentation and of the order of the
    images; the test images do not depend on it."""
    epochs: int = 30
    """How often to go through the training images."""
    batch_size: int = 32
    """Images in a step; the last images of an epoch's order, fewer than a batch, are
    left out."""

    optimizer: Literal["adamw", "sgd", "lion"] = "adamw"
    """Of optax; sgd has Nesterov momentum."""
    learning_rate: float = 3e-3
    """The largest learning rate of the schedule."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate goes on after the warm-up: cosine and linear fall to 0 at
    the end."""
    warmup_epochs: float = 0.0
    """Epochs, or a part of one, in which the learning rate rises linearly; if there are
    fewer epochs, it rises in all of them."""
    momentum: float = 0.9
    """Of sgd."""
    weight_decay: float = 1e-2
    """Of kernels; biases and norms are spared. Times the learning rate in adamw and
    lion, added to the gradient in sgd."""
    clip_norm: float | None = None
    """The largest global norm of the gradient."""
    accumulate: int = 1
    """Batches whose gradients are averaged for one update."""
    average_decay: float | None = None
    """Predict with a moving average of the weights; its decay per step, 0.999 for
    instance."""
    label_smoothing: float = 0.1
    """The part of each label that is spread over all classes."""

    shift: int = 0
    """Augmentation: move each image by up to so many pixels."""
    flip: bool = False
    """Augmentation: mirror images left to right."""
    cutout: int = 0
    """Augmentation: blank a square of so many pixels."""

    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in while it trains; its parameters, and its
    predictions, are float32 in any case."""
    steps_per_dispatch: int = 1
    """Steps that run in one compiled loop, without going back to Python."""
    devices: int | None = None
    """Devices to split each batch over; by default all that pay."""

    output: Path | None = None
    """Folder of the run, by default a new one:
    runs/<dataset>-<model>-<gradients>-seed<seed>, or that with -2, -3, ... behind."""
    overwrite: bool = False
    """Replace the run that is in the output folder, as soon as an epoch of the new one
    is done, instead of refusing to start."""


def from_command_line(arguments: Sequence[str] | None, prog: str) -> Config:
    """The options of the command line, on top of those of its recipe; a bad option ends
    the program, as tyro does.

    Raises:
      ConfigError: if the recipe cannot be read, has what is no option, or a value that
        an option cannot have.
    """
    options = (tyro.conf.FlagCreatePairsOff,)
    config = tyro.cli(Config, prog=prog, args=arguments, config=options)
    if config.recipe is None:
        return config
    return tyro.cli(
        Config, prog=prog, args=arguments, config=options, default=read_recipe(config.recipe)
    )


def read_recipe(path: Path) -> Config:
    """The options of a TOML file, the others as they are by default; a bad choice ends
    the program, as tyro does.

    Raises:
      ConfigError: if it cannot be read, has what is no option, or a value that an
        option cannot have.
    """
    hints = get_type_hints(Config)
    words = read_words(path, {name: hint for name, hint in hints.items() if name != "recipe"})
    # Through the command line's parser, which knows the choices.
    prog = f"jaxcnn train --recipe {shlex.quote(str(path))}"
    return replace(
        tyro.cli(Config, prog=prog, args=words, config=(tyro.conf.FlagCreatePairsOff,)), recipe=path
    )


def check(config: Config) -> None:
    """Raises ConfigError where an option makes no sense whatever the data."""
    require_paths(config)
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
    """Raises ConfigError where an option makes no sense with so many training images of
    that height and width."""
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
