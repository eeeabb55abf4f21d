"""The options of `jaxcnn derive`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import tyro

from jaxcnn.derive import OPERATIONS
from jaxcnn.programs.options import ConfigError, shown

Name = Literal[
    "conv",
    "convolve",
    "dense",
    "max_pool",
    "avg_pool",
    "global_max_pool",
    "global_avg_pool",
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "silu",
    "gelu",
    "batch_norm",
    "layer_norm",
    "dropout",
    "softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "mean_squared_error",
]


@dataclass(frozen=True)
class Config:
    """Write out an operation and its gradients: every output, tap and input as a sum,
    with symbols and numbers, beside the line of code that computes it.

    Sizes are written 4x4, one number for each axis of space.
    """

    operation: tyro.conf.Positional[Name]
    """What to derive."""

    input: str | None = None
    """Size of the image; by default 4x4."""
    kernel: str | None = None
    """Size of the kernel of a convolution; by default 3x3."""
    window: str | None = None
    """Size of the window of a pool; by default 2x2."""
    stride: str | None = None
    """Stride, such as 2 or 2x1."""
    padding: str | None = None
    """same, valid, full, causal, a number, or pairs for each axis such as 1,0x-1,2."""
    dilation: str | None = None
    """Distance of a window's taps."""
    batch: int | None = None
    """Images."""
    channels: int | None = None
    """Channels of an image."""
    outputs: int | None = None
    """Channels of the result."""
    groups: int | None = None
    """Groups of channels."""
    features: int | None = None
    """Inputs of a dense layer; by default 3."""
    classes: int | None = None
    """Classes of softmax_cross_entropy; by default 3."""
    size: int | None = None
    """Entries of what is elementwise; by default 2."""
    rate: float | None = None
    """Probability that dropout drops an entry."""
    bias: Literal["yes", "no"] | None = None
    """Whether a convolution or dense layer has a bias; by default yes."""

    values: tuple[str, ...] = ()
    """Numbers of the inputs, such as x=1,2,3,4 or dy=1,-1; the others are drawn."""
    seed: int = 0
    """Of the numbers that are drawn."""
    format: Literal["text", "latex", "html"] = "text"
    """What is written."""
    output: Path | None = None
    """The file to write; by default the terminal, and for html derivation.html."""


_PARAMETERS = {"input": "input_shape", "window": "size"}
"""Of a derivation, for the options with other names."""
_DEFAULTS: dict[str, dict[str, str | int]] = {
    "conv": {"input": "4x4", "kernel": "3x3"},
    "convolve": {"input": "4x4", "kernel": "3x3"},
    "dense": {"features": 3, "outputs": 2},
    "max_pool": {"input": "4x4", "window": "2x2"},
    "avg_pool": {"input": "4x4", "window": "2x2"},
    "global_max_pool": {"input": "2x2"},
    "global_avg_pool": {"input": "2x2"},
    "batch_norm": {"batch": 3},
    "layer_norm": {"channels": 3},
    "softmax_cross_entropy": {"classes": 3},
}
_SIZES = ("input", "kernel", "window", "stride", "dilation")
_OF_THE_PROGRAM = ("operation", "values", "seed", "format", "output")


def options_of(config: Config) -> dict[str, Any]:
    """The options of `jaxcnn.derive.derive`.

    Raises:
      ConfigError: on an option that the operation does not have, or that cannot be
        read.
    """
    defaults = _DEFAULTS.get(config.operation, {"size": 2})
    given = {
        field.name: value
        for field in fields(config)
        if field.name not in _OF_THE_PROGRAM and (value := getattr(config, field.name)) is not None
    }
    taken = _taken(config.operation)
    for name in given:
        if name not in taken:
            raise ConfigError(
                f"--{name} is no option of {config.operation}, which has"
                f" {', '.join(f'--{option}' for option in taken)}"
            )
    found = {**defaults, **given}
    return {_PARAMETERS.get(name, name): _read(name, value) for name, value in found.items()}


def _taken(operation: str) -> list[str]:
    """The options that an operation has."""
    parameters = list(inspect.signature(OPERATIONS[operation]).parameters)
    if operation in ("conv", "convolve"):
        parameters += ["stride", "padding", "dilation"]
    names = [field.name for field in fields(Config) if field.name not in _OF_THE_PROGRAM]
    names.remove("size" if operation in ("max_pool", "avg_pool") else "window")
    return [name for name in names if _PARAMETERS.get(name, name) in parameters]


def _read(name: str, value: Any) -> Any:
    if name == "bias":
        return value == "yes"
    if name == "padding":
        return _padding(value)
    if name in _SIZES:
        sizes = _numbers(name, value)
        return sizes[0] if name in ("stride", "dilation") and len(sizes) == 1 else sizes
    return value


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(
            f"--{name} must be a number for each axis, such as 4x4, got {shown(text)}"
        ) from None


def _padding(text: str) -> Any:
    """A word, a number, a number for each axis, or a pair for each axis."""
    if text.isalpha():
        return text
    try:
        axes = [tuple(int(part) for part in axis.split(",")) for axis in text.split("x")]
    except ValueError:
        axes = [()]
    if {len(axis) for axis in axes} == {2}:
        return tuple(axes)
    if {len(axis) for axis in axes} == {1}:
        return axes[0][0] if len(axes) == 1 else tuple((axis[0], axis[0]) for axis in axes)
    raise ConfigError(
        "--padding must be same, valid, full, causal, a number, or a pair for each axis such as"
        f" 1,0x-1,2, got {shown(text)}"
    )


def values_of(texts: Sequence[str]) -> dict[str, list[float]]:
    """The numbers in words such as x=1,2.

    Raises:
      ConfigError: on a word that is none.
    """
    found = {}
    for text in texts:
        name, equals, numbers = text.partition("=")
        try:
            found[name] = [float(number) for number in numbers.split(",")]
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"--values must be such as x=1,2,3, got {shown(text)}")
    return found
