"""Checks of options. A wrong one is refused in one line with its name, what it must be,
and what came."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from jaxcnn.programs.messages import times

MOST = 2**31 - 1  # what JAX counts with by default
MOST_EPOCHS = 1_000_000
FLOAT32 = (
    2.0**-126,
    (2 - 2.0**-23) * 2.0**127,
)  # the smallest and the largest float32 of full precision
MOST_POSITIONS = 1_000_000
"""Along an axis of an image: the method of a convolution depends on each of them."""
LONGEST = 60  # characters of a value that are shown


class ConfigError(ValueError):
    """The options of a run make no sense."""


def require(option: str, needed: str, holds: bool, value: object) -> None:
    """Raises ConfigError unless it holds.

    >>> require("classes", "at least 1", False, 0)
    Traceback (most recent call last):
    jaxcnn.programs.options.ConfigError: --classes must be at least 1, got 0
    """
    if not holds:
        raise ConfigError(f"--{option.replace('_', '-')} must be {needed}, got {shown(value)}")


def require_count(option: str, value: int, *, least: int = 1, most: int = MOST) -> None:
    """Raises ConfigError unless least <= value <= most."""
    require(option, f"at least {least:,}", value >= least, value)
    require(option, f"at most {most:,}", value <= most, value)


def require_seed(value: int) -> None:
    """Raises ConfigError unless JAX can make a key from it."""
    require("seed", "between 0 and 2^31 - 1", 0 <= value <= MOST, value)


def require_positive(option: str, value: float) -> None:
    """Raises ConfigError unless it is positive and a float32 of full precision."""
    require(option, "a positive number", 0 < value < math.inf, value)
    smallest, largest = FLOAT32
    require(
        option,
        f"between {smallest:.2g} and {largest:.2g}, to be a float32",
        smallest <= value <= largest,
        value,
    )


def checked_image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """What --input-shape says, the shape of an image.

    Raises:
      ConfigError: if no image has it.

    >>> checked_image_shape((28, 28, 1))
    (28, 28, 1)
    """
    option, image = "input_shape", times(shape)
    if len(shape) < 2 or min(shape) < 1:
        raise ConfigError(
            "--input-shape must be positive sizes of space, then the channels, such as 28 28 1;"
            f" got {shown(image) or 'none'}"
        )
    there = max(shape) <= MOST_POSITIONS
    require(option, f"sizes of at most {MOST_POSITIONS:,} each", there, image)
    require(option, f"of at most {MOST:,} values in all", math.prod(shape) <= MOST, image)
    return shape


def require_paths(config: Any) -> None:
    """Call `require_path` for every path in a dataclass of options."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Path):
            require_path(field.name, value)


def require_path(option: str, value: Path) -> None:
    """Raises ConfigError if no file can have this path, or if it cannot be shown."""
    require(option, "a path without a NUL byte", "\0" not in str(value), value)
    require(option, "a path in UTF-8", _is_utf8(str(value)), value)


def shown(value: object) -> str:
    """The value in one short line; characters that cannot be printed are escaped.

    >>> shown(3), shown("a\\nb"), shown("x" * 100)
    ('3', "'a\\\\nb'", 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (100 characters)')
    """
    try:
        text = str(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of more than 4,300 digits"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= LONGEST else f"{text[:40]}... ({len(text):,} characters)"


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
