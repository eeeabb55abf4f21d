"""The options of `jaxcnn cost`, and which of them make sense together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxcnn.models import MODELS
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.cost.platforms import PLATFORMS
from jaxcnn.programs.options import (
    ConfigError,
    checked_image_shape,
    require,
    require_count,
    require_path,
    shown,
)


@dataclass(frozen=True)
class Config:
    """Compile gradients and training steps for a GPU or a TPU that need not be there,
    and compare what they cost with plain JAX's: kernels, library calls, scatters, bytes
    moved, temporary memory, collectives."""

    platform: Literal["h100", "v5e"]
    """The device to compile for. Its compiler is an extra: jaxcnn[cost-h100],
    jaxcnn[cost-v5e]."""
    operations: tuple[str, ...] = ()
    """Operations, by the names of jaxcnn.Ops; all of them if nothing else is asked
    for."""
    cases: str = "*"
    """Which cases of operations, by a pattern for their names, such as "3x3*"."""
    networks: tuple[str, ...] = ()
    """Whole training steps of networks, by the names of jaxcnn.MODELS."""
    pair: str | None = None
    """A pair of your own: module:function, which is called without arguments and
    returns (explicit, plain, args), two functions and their arguments."""

    input_shape: tuple[int, ...] = (28, 28, 1)
    """With --networks: the shape of an image, channels last."""
    batch_size: int = 64
    """With --networks: images in a step, on each chip."""
    chips: int = 1
    """With --networks: the chips that share a step's batch, 1, 4 or 64; on a v5e."""

    output: Path | None = None
    """A JSON file for the figures."""
    limits: bool = False
    """End with status 1 where explicit moves more than 1.02 times the bytes, takes more
    than 1.05 times the temporary memory, runs more kernels, scatters, or calls a
    library differently."""


def check(config: Config) -> None:
    """Raises ConfigError if an option makes no sense."""
    _check_names("operations", config.operations, EXPLICIT._fields)
    _check_names("networks", config.networks, tuple(MODELS))
    require_count("batch_size", config.batch_size, most=1_000_000)
    checked_image_shape(config.input_shape)
    if not config.networks:
        for name, default in (("input_shape", (28, 28, 1)), ("batch_size", 64), ("chips", 1)):
            require(name, "left out without --networks", getattr(config, name) == default, "one")
    there = PLATFORMS[config.platform].chips
    words = ", ".join(map(str, there))
    require("chips", f"one of {words} on {config.platform}", config.chips in there, config.chips)
    if config.output is not None:
        require_path("output", config.output)
        require("output", "a file", not os.path.isdir(config.output), config.output)


def _check_names(option: str, given: tuple[str, ...], there: tuple[str, ...]) -> None:
    unknown = [shown(name) for name in given if name not in there]
    if unknown:
        raise ConfigError(f"--{option} has {', '.join(unknown)}; there are {', '.join(there)}")
