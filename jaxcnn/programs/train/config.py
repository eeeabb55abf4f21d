"""A training run's options: read from the command line and a recipe, and checked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_type_hints

from jaxcnn.programs.cli import parse
from jaxcnn.programs.data.options import DataOptions, check_data_options
from jaxcnn.programs.machines.place import MachineOptions
from jaxcnn.programs.options import (
    MOST,
    MOST_EPOCHS,
    require,
    require_count,
    require_paths,
    require_positive,
    require_seed,
)
from jaxcnn.programs.options import ConfigError as ConfigError
from jaxcnn.programs.train.augment.options import (
    AugmentOptions,
    check_augment,
    check_augment_with_data,
)
from jaxcnn.programs.train.optimizer import OptimizerOptions, check_optimizer
from jaxcnn.programs.train.recipe import read_words


@dataclass(frozen=True)
class NetworkOptions:
    """What is trained, how long, and where the result goes."""

    recipe: str | None = None
    """Options from a recipe: digits, mnist or cifar10, which come with jaxcnn, or the
    path of a TOML file. Command-line options override the recipe."""

    model: str = "lenet"
    """The network: a name that `jaxcnn summary` knows, or module:function of your own,
    which is called with classes=, their number."""
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

    output: Path | None = None
    """Folder of the run; by default a new one, named
    runs/<dataset>-<model>-<gradients>-seed<seed>, with -2, -3, ... if that exists. One
    that holds anything is refused without --resume."""
    resume: bool = False
    """Go on with the run in the output folder, from its last checkpoint, and give bit
    for bit what it would have given. With more --epochs a finished one goes on too; the
    schedule then has the new length. Where there is no checkpoint the run begins."""
    checkpoint_minutes: float = 5.0
    """Minutes of training after which a checkpoint is written; so it is at Ctrl-C,
    SIGTERM and the end of the run. The last three and the best are kept."""
    checkpoint_epochs: int | None = None
    """Epochs after which a checkpoint is written, whatever the minutes."""
    tensorboard: bool = False
    """Write event files for TensorBoard into the run's folder."""


@dataclass(frozen=True)
class Config(MachineOptions, OptimizerOptions, AugmentOptions, DataOptions, NetworkOptions):
    """Train a network on images, by default LeNet on the 8x8 digits of scikit-learn.

    Writes to the output folder: model.safetensors and model.json, which `jaxcnn
    predict` reads, config.json, metrics.jsonl (a line per epoch), checkpoints, the best
    model so far, pictures, and report.html, which shows all of it.
    """

    average_decay: float | None = None
    """Predict with a moving average of the weights that decays by this factor a step,
    for instance 0.999."""
    label_smoothing: float = 0.1
    """Share of each label that is spread evenly over all classes."""
    mirror: bool = False
    """Average predictions over an image and its mirror image, always: in the tests of
    the run, and wherever the model is used."""

    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """The dtype in which training steps compute; parameters and predictions are float32
    in any case."""
    tuned: Path | None = None
    """A file of `jaxcnn tune`: the methods of the convolutions on this machine."""
    steps_per_dispatch: int = 1
    """Steps in one compiled loop, which does not go back to Python in between."""
    devices: int | None = None
    """Number of devices to split each batch over, in each process; by default as many
    as make a step faster."""


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
    check_augment(config)
    check_optimizer(config)
    require_seed(config.seed)
    require_count("epochs", config.epochs, most=MOST_EPOCHS)
    for name in ("batch_size", "steps_per_dispatch"):
        require_count(name, getattr(config, name))
    for name in ("label_smoothing", "average_decay"):
        value = getattr(config, name)
        require(name, "at least 0 and below 1", value is None or 0 <= value < 1, value)
    require_positive("checkpoint_minutes", config.checkpoint_minutes)
    if config.checkpoint_epochs is not None:
        require_count("checkpoint_epochs", config.checkpoint_epochs)
    needed = "given with --resume: the folder of the run that goes on"
    require("output", needed, not config.resume or config.output is not None, "nothing")


def check_with_data(config: Config, images: int, image_shape: Sequence[int]) -> None:
    """Raises ConfigError for an option that makes no sense with this number of training
    images of this shape, (h, w, c)."""
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
    check_augment_with_data(config, image_shape)
