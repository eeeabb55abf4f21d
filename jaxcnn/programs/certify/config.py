"""The options of `jaxcnn certify`, and which of them make sense together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jaxcnn.models import MODELS
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.loading import quoted
from jaxcnn.programs.options import ConfigError, require_count, require_path, require_seed, shown

Dtype = Literal["float32", "bfloat16", "float16", "float64"]

COUNTS = {
    "random": (0, 100_000),
    "repetitions": (0, 10_000),
    "steps": (2, 1_000_000),
    "seeds": (1, 1_000),
    "processes": (1, 256),
}
"""The least and the most of each option that is a count. Beyond the most, the program
would not end or would not fit into memory."""


@dataclass(frozen=True)
class Config:
    """Judge the gradients of every operation, and compare them with JAX's autodiff in
    accuracy, time and memory."""

    operations: tuple[str, ...] = ()
    """Operations to judge, by the names of jaxcnn.Ops; all by default."""
    cases: str = "*"
    """Which cases to judge, by a pattern for their names, such as "2d-*"."""
    dtypes: tuple[Dtype, ...] = ("float32", "bfloat16", "float64")
    """Dtypes of the arguments. Checks that compute in float64 anyway are made with the
    first one alone."""
    random: int = 300
    """How many random cases to draw."""
    repetitions: int = 9
    """Timings of each case of a real network's size, explicit and autodiff in turns; 0
    for none."""
    seed: int = 0
    """Seed of the random cases and of the data."""
    processes: int | None = None
    """Processes that judge cases side by side; by default as many as there are cores on
    a CPU, one elsewhere."""

    pair: tuple[str, str] | None = None
    """Judge a function of your own instead: its module:function and that of the
    reference which JAX differentiates."""
    shapes: tuple[str, ...] = ()
    """With --pair: the shapes of the arguments, such as 2x8x8x3 3x3x3x4."""
    linear_in: tuple[int, ...] = ()
    """With --pair: the numbers of the arguments in each of which it is linear; 0 1 for
    a convolution."""
    label: Literal["exact", "biased"] = "exact"
    """With --pair: what its gradient claims to be."""

    model: str | None = None
    """Compare a whole network instead: every parameter's gradient, and training runs on
    digits. Its name in jaxcnn.MODELS, or the module:function of your own, which is
    called without arguments and returns a Layer of 8x8x1 images with 10 logits. Layers
    with pinned rules (layers.using) are named and not compared."""
    steps: int = 200
    """With --model: steps of each training run."""
    seeds: int = 3
    """With --model: how many times it is trained, from the seeds 0, 1, ..."""

    output: Path = Path("runs/certify")
    """Folder for report.html and report.json."""


def check(config: Config) -> None:
    """Raises ConfigError if an option makes no sense."""
    for name, (least, most) in COUNTS.items():
        value = getattr(config, name)
        if value is not None:
            require_count(name, value, least=least, most=most)
    if config.seed < 0:
        raise ConfigError(f"--seed must be at least 0, got {shown(config.seed)}")
    require_seed(config.seed)
    require_path("output", config.output)
    if not config.dtypes:
        raise ConfigError("--dtypes must have one dtype at least")
    unknown = [shown(name) for name in config.operations if name not in EXPLICIT._fields]
    if unknown:
        raise ConfigError(
            f"--operations has {', '.join(unknown)}; there are {', '.join(EXPLICIT._fields)}"
        )
    if config.model is not None and config.model not in MODELS and ":" not in config.model:
        raise ConfigError(
            f"--model must be one of {', '.join(MODELS)}, or module:function of your own, got"
            f" {quoted(config.model)}"
        )
    if config.model and config.pair:
        raise ConfigError("--model and --pair are two things to compare: give one of them")
    for name, default in (("shapes", ()), ("linear_in", ()), ("label", "exact")):
        if getattr(config, name) != default and not config.pair:
            raise ConfigError(
                f"--{name.replace('_', '-')} is about the function of --pair, which is missing"
            )
    for name in ("report.html", "report.json"):
        if os.path.isdir(config.output / name):
            raise ConfigError(
                f"--output must be a folder for files: {config.output / name} is a folder"
            )
