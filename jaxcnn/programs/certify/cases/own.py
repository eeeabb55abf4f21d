"""A person's own function as a case: the options --pair, --shapes, --linear-in."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify.cases.case import Case
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.loading import load, quoted
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import ConfigError, shown

MOST_ENTRIES = 2**26
"""Of all arguments together. With gradients and steps, in float64, they take some ten
gigabytes."""
MOST_AXES = 32


def own_case(config: Config) -> Case:
    """The case that judges the first function of --pair by the second.

    Raises:
      ConfigError: if a module does not import, a function is missing, or the shapes or
        the numbers of linear arguments make no sense.
    """
    assert config.pair is not None
    explicit, reference = (load("--pair", path) for path in config.pair)
    shapes = {f"argument {i}": shape for i, shape in enumerate(parse_shapes(config.shapes))}
    if not shapes:
        raise ConfigError(
            "--pair needs --shapes, the shapes of its arguments: --shapes 2x8x8x3 3x3x3x4"
        )
    strange = [i for i in config.linear_in if not 0 <= i < len(shapes)]
    if strange:
        raise ConfigError(
            f"--linear-in must be numbers of the {plural(len(shapes), 'argument')}, from 0, got"
            f" {strange[0]}"
        )
    linear = tuple(f"argument {i}" for i in config.linear_in)

    def call(ops, *args):
        return (explicit if ops is EXPLICIT else reference)(*args)

    return Case(config.pair[0], config.pair[1], shapes, call, "", linear, "sums" if linear else "")


def parse_shapes(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The shapes of --shapes; ConfigError unless each has entries and all of them fit
    into memory together.

    >>> parse_shapes(["2x8x8x3", "4", ""])
    [(2, 8, 8, 3), (4,), ()]
    """
    shapes = [_parse_shape(text) for text in texts]
    entries = sum(math.prod(shape) for shape in shapes)
    if entries > MOST_ENTRIES:
        raise ConfigError(
            f"--shapes must have at most {MOST_ENTRIES:,} entries in all, got"
            f" {shown(f'{entries:,}')}"
        )
    return shapes


def _parse_shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]+(x[0-9]+)*|", text):
        raise ConfigError(
            f"--shapes must be sizes with x between them, such as 2x8x8x3, got {quoted(text)}"
        )
    sizes = text.split("x") if text else []
    if len(sizes) > MOST_AXES:
        raise ConfigError(
            f"--shapes must have at most {MOST_AXES} axes each, got {len(sizes)}: {quoted(text)}"
        )
    if any(len(size.lstrip("0")) > len(str(MOST_ENTRIES)) for size in sizes):
        raise ConfigError(
            f"--shapes must have at most {MOST_ENTRIES:,} entries in all, got {quoted(text)}"
        )
    shape = tuple(int(size.lstrip("0") or "0") for size in sizes)
    if 0 in shape:
        raise ConfigError(
            f"--shapes must be of arrays with entries, got {quoted(text)}: an empty array has no"
            " gradient"
        )
    return shape
