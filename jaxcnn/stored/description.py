"""What made a model, as model.json says it.

The file has these entries, and no others:

    format         1; a later version of the package may write a larger number
    model          a name of `jaxcnn.models.MODELS`, or null for a network of one's own
    arguments      the keyword arguments that it is built with
    classes        the names of the classes, in the order of the logits
    image_size     height and width, in pixels
    channels       of an image: 1 for grey, 3 for red, green and blue
    normalisation  mean and std of each channel, in units of [0, 1]
    fit            how an image of another size is brought to this one: "crop", "pad"
                   or "stretch"
    mirror         whether predictions are averaged over an image and its mirror image
    weights        sha256 of model.safetensors
    versions       of the packages that wrote it, for a person to read

There are no times in it: the same model gives the same bytes.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from jaxcnn.arguments import as_flag, as_int, described, is_several

FORMAT = 1
Fit = Literal["crop", "pad", "stretch"]
MOST_SIDE = 2**16
"""Pixels of an image's side."""
LARGEST = 3
"""Of a mean or a deviation in units of [0, 1]."""


class Normalisation(NamedTuple):
    """What is subtracted from each channel, and what it is then divided by, in units of
    [0, 1]: x = (image / 255 - mean) / std. No std is 0.

    >>> Normalisation((0.5,), (0.25,))(np.array([[[255]]], np.uint8))
    array([[[2.]]], dtype=float32)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images (..., c), uint8, to float32, by NumPy."""
        mean, std = (np.array(values, np.float32) for values in self)
        return (np.divide(images, 255, dtype=np.float32) - mean) / std


@dataclass(frozen=True)
class Description:
    """The entries of model.json, all but format and weights; see the top of this
    file."""

    model: str | None
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    image_size: tuple[int, int]
    channels: int
    normalisation: Normalisation
    fit: Fit = "crop"
    mirror: bool = False
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of an image, (h, w, c)."""
        return (*self.image_size, self.channels)


def describe(
    *,
    model: Any,
    arguments: Any,
    classes: Any,
    image_size: Any,
    channels: Any,
    normalisation: Any,
    fit: Any = "crop",
    mirror: Any = False,
    versions: Any = None,
) -> Description:
    """The description with these entries, each checked and brought to its type.

    Raises:
      ValueError: that names the entry, what came and what was needed.

    >>> about = describe(
    ...     model="lenet",
    ...     arguments={"features": (6, 16)},
    ...     classes=["cat", "dog"],
    ...     image_size=32,
    ...     channels=3,
    ...     normalisation=([0.5, 0.5, 0.5], [0.2, 0.2, 0.2]),
    ... )
    >>> about.image_shape, about.arguments
    ((32, 32, 3), {'features': [6, 16]})
    """
    if not isinstance(model, str | None):
        raise ValueError(f"model must be the name of a network, or None, got {described(model)}")
    channels = as_int("channels", channels, least=1)
    return Description(
        model,
        as_arguments(arguments),
        as_classes(classes),
        as_image_size(image_size),
        channels,
        as_normalisation(normalisation, channels),
        as_fit(fit),
        as_flag("mirror", mirror),
        _as_versions({} if versions is None else versions),
    )


def as_json(about: Description, sha256: str) -> bytes:
    """The content of model.json, for weights with this hash."""
    content = {"format": FORMAT, **asdict(about)}
    content["normalisation"] = about.normalisation._asdict()
    versions = content.pop("versions")
    content |= {"weights": {"sha256": sha256}, "versions": versions}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # half of a surrogate pair in a name
        return f"{json.dumps(content, indent=2, allow_nan=False)}\n".encode()


def as_classes(value: Any) -> tuple[str, ...]:
    """The names of classes: different texts, one at least."""
    needed = "the names of the classes, in the order of the logits"
    if not is_several(value):
        raise ValueError(f"classes must be {needed}, got {described(value)}")
    names = [str(name) if isinstance(name, str) else name for name in value]
    wrong = next((name for name in names if not isinstance(name, str) or not name), None)
    if wrong is not None or not names:
        got = described(wrong) if names else "none"
        raise ValueError(f"classes must be {needed}, each a text of its own, got {got}")
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"classes must differ from one another, got {twice!r} twice")
    return tuple(names)


def as_image_size(value: Any) -> tuple[int, int]:
    """Height and width, from one int or two.

    >>> as_image_size(32), as_image_size([24, 32])
    ((32, 32), (24, 32))
    """
    sides = list(value) if is_several(value) else [value, value]
    if len(sides) != 2:
        hint = ": channels are not part of it" if len(sides) == 3 else ""
        raise ValueError(
            f"image_size must be one int, or height and width, got {described(value)}{hint}"
        )
    height, width = (as_int("image_size", side, least=1) for side in sides)
    if max(height, width) > MOST_SIDE:
        raise ValueError(f"image_size must be at most {MOST_SIDE:,}, got {max(height, width):,}")
    return height, width


def as_normalisation(value: Any, channels: int) -> Normalisation:
    """A pair (mean, std), or a dict with these keys, as numbers for each channel. One
    number holds for all channels; None is mean 0 and std 1.

    >>> as_normalisation((0.5, [0.2, 0.3]), 2)
    Normalisation(mean=(0.5, 0.5), std=(0.2, 0.3))
    """
    pair = _pair((0, 1) if value is None else value)
    mean, std = (
        _numbers(f"normalisation's {name}", numbers, channels)
        for name, numbers in zip(("mean", "std"), pair, strict=True)
    )
    if min(std) <= 0:
        raise ValueError(f"normalisation's std must be above 0, got {min(std):g}")
    if max(map(abs, (*mean, *std))) > LARGEST:
        raise ValueError(
            "normalisation must be in units of [0, 1], where black is 0 and white is 1, got"
            f" {max(map(abs, (*mean, *std))):g}: divide by 255"
        )
    return Normalisation(mean, std)


def channels_of(normalisation: Any) -> int | None:
    """As many channels as means or deviations are given; None where one number holds
    for all."""
    several = [] if normalisation is None else filter(is_several, _pair(normalisation))
    return next(map(len, several), None)


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Mapping) and set(value) == {"mean", "std"}:
        return value["mean"], value["std"]
    if isinstance(value, Mapping) or not is_several(value) or len(value) != 2:
        raise ValueError(
            "normalisation must be (mean, std), each with a number per channel, got"
            f" {described(value)}"
        )
    return value[0], value[1]


def as_fit(value: Any) -> Fit:
    if value not in get_args(Fit):
        raise ValueError(f"fit must be one of {', '.join(get_args(Fit))}, got {described(value)}")
    return value


def as_arguments(value: Any) -> dict[str, Any]:
    """Keyword arguments as JSON has them: tuples and arrays are lists, numbers of NumPy
    are Python's."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(
            f"arguments must be a dict of the network's keyword arguments, got {described(value)}"
        )
    return {str(key): _plain(f"arguments[{key!r}]", entry) for key, entry in value.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(f"{name}[{key!r}]", entry) for key, entry in value.items()}
    if isinstance(value, tuple | list | range):
        return [_plain(f"{name}[{place}]", entry) for place, entry in enumerate(value)]
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if not number and not isinstance(value, str | None):
        raise ValueError(
            f"{name} must be a number, a text, True, False, None, or a list or dict of these, which"
            f" a file can hold, got {described(value)}"
        )
    return value


def _numbers(name: str, value: Any, channels: int) -> tuple[float, ...]:
    entries: Sequence[Any] = list(value) if is_several(value) else [value] * channels
    try:
        numbers = tuple(float(entry) for entry in entries if not isinstance(entry, str | bool))
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if not numbers or len(numbers) != len(entries) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} must be finite numbers, one per channel, got {described(value)}")
    if len(numbers) != channels:
        raise ValueError(
            f"{name} must have a number for each of {channels} channels, got {len(numbers)}"
        )
    return numbers


def _as_versions(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(text, str) for pair in value.items() for text in pair
    ):
        raise ValueError(f"versions must be texts, got {described(value)}")
    return dict(value)
