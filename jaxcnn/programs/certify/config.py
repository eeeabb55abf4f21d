"""The options of `jaxcnn certify`, and what makes sense among
them."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from jaxcnn.models import MODELS
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.options import (
    LONGEST,
    ConfigError,
    require_count,
    require_path,
    require_seed,
    shown,
)

Dtype = Literal["float32", "bfloat16", "float16", "float64"]

COUNTS = {
    "random": (0, 100_000),
    "repetitions": (0, 10_000),
    "steps": (2, 1_000_000),
    "seeds": (1, 1_000),
    "processes": (1, 256),
}
"""The least and the most of each option that is a count: beyond, it would not end, or
not fit into memory."""
MOST_ENTRIES = 2**26
"""Of all arguments of --pair together: in float64, with gradients and steps, some ten
gigabytes."""
MOST_AXES = 32


class OptionError(ConfigError):
    """The options make no sense."""


@dataclass(frozen=True)
class Config:
    """Judge the gradients of every operation, and compare them with JAX's autodiff in
    accuracy, time and memory."""

    operations: tuple[str, ...] = ()
    """Operations to judge, by the names of jaxcnn.Ops; all by default."""
    cases: str = "*"
    """Which cases, by a pattern for their names, such as "2d-*"."""
    dtypes: tuple[Dtype, ...] = ("float32", "bfloat16", "float64")
    """Dtypes of the arguments. What is computed in float64 anyway is checked with the
    first one alone."""
    random: int = 300
    """How many random cases to draw."""
    repetitions: int = 9
    """Timings of each case of a real network's size, explicit and autodiff in turns; 0
    for none."""
    seed: int = 0
    """Of the random cases and the data."""
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
    """Compare a whole network instead, by its name in jaxcnn.MODELS: every parameter's
    gradient, and training runs on digits."""
    steps: int = 200
    """With --model: of each training run."""
    seeds: int = 3
    """With --model: how many times it is trained, from 0 on."""

    output: Path = Path("runs/compare_gradients")
    """Folder for report.html and report.json."""


def check(config: Config) -> None:
    """Raises ConfigError where an option makes no sense."""
    for name, (least, most) in COUNTS.items():
        value = getattr(config, name)
        if value is not None:
            require_count(name, value, least=least, most=most)
    if config.seed < 0:
        raise OptionError(f"--seed must be at least 0, got {shown(config.seed)}")
    require_seed(config.seed)
    require_path("output", config.output)
    if not config.dtypes:
        raise OptionError("--dtypes must have one dtype at least")
    unknown = [shown(name) for name in config.operations if name not in EXPLICIT._fields]
    if unknown:
        raise OptionError(
            f"--operations has {', '.join(unknown)}; there are {', '.join(EXPLICIT._fields)}"
        )
    if config.model is not None and config.model not in MODELS:
        raise OptionError(
            f"--model must be one of {', '.join(MODELS)}, got {_quoted(config.model)}"
        )
    if config.model and config.pair:
        raise OptionError("--model and --pair are two things to compare: give one of them")
    for name, default in (("shapes", ()), ("linear_in", ()), ("label", "exact")):
        if getattr(config, name) != default and not config.pair:
            raise OptionError(
                f"--{name.replace('_', '-')} is about the function of --pair, which is missing"
            )
    for name in ("report.html", "report.json"):
        if os.path.isdir(config.output / name):
            raise OptionError(
                f"--output must be a folder for files: {config.output / name} is a folder"
            )


def load(path: str) -> Callable[..., Any]:
    """The function of module:function; modules are looked for in the current folder
    too."""
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise OptionError(f"--pair must be two of module:function, got {_quoted(path)}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever stands in the user's module
        words = " ".join(str(error).split())
        raise OptionError(
            f"--pair: module {_quoted(module_name)} does not import: {type(error).__name__}:"
            f" {words}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        there = sorted(
            n for n, value in vars(module).items() if callable(value) and not n.startswith("_")
        )
        raise OptionError(
            f"--pair: module {_quoted(module_name)} has no function {_quoted(name)}; it has"
            f" {', '.join(there) or 'none'}"
        )
    return function


def parse_shapes(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The shapes of --shapes, of arrays that hold something and fit into memory
    together."""
    shapes = [parse_shape(text) for text in texts]
    entries = sum(math.prod(shape) for shape in shapes)
    if entries > MOST_ENTRIES:
        raise OptionError(
            f"--shapes must have at most {MOST_ENTRIES:,} entries in all, got"
            f" {shown(f'{entries:,}')}"
        )
    return shapes


def parse_shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]+(x[0-9]+)*|", text):
        raise OptionError(
            f"--shapes must be sizes with x between them, such as 2x8x8x3, got {_quoted(text)}"
        )
    sizes = text.split("x") if text else []
    if len(sizes) > MOST_AXES:
        raise OptionError(
            f"--shapes must have at most {MOST_AXES} axes each, got {len(sizes)}: {_quoted(text)}"
        )
    if any(len(size.lstrip("0")) > len(str(MOST_ENTRIES)) for size in sizes):
        raise OptionError(
            f"--shapes must have at most {MOST_ENTRIES:,} entries in all, got {_quoted(text)}"
        )
    shape = tuple(int(size.lstrip("0") or "0") for size in sizes)
    if 0 in shape:
        raise OptionError(
            f"--shapes must be of arrays with entries, got {_quoted(text)}: of none there is no"
            " gradient"
        )
    return shape


def _quoted(text: str) -> str:
    """In quotation marks, short, and in one line."""
    return repr(text) if text.isprintable() and len(text) <= LONGEST else shown(text)
