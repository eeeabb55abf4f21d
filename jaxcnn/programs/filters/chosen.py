"""The convolutions of a network, and which of their filters are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn import layers
from jaxcnn.fields import ReceptiveField
from jaxcnn.layers import Layer
from jaxcnn.programs.filters.config import Config
from jaxcnn.programs.options import ConfigError, shown
from jaxcnn.receptive import receptive_fields
from jaxcnn.stored.model import StoredModel

MOST_LAYERS = 3
"""Of which filters are shown, unless the options name others."""


class Convolution(NamedTuple):
    """A convolution of images inside a network.

    Attributes:
      path: of the layer, as in `layers.outputs`.
      answers: the path of the layer whose output is what the filters answer: of the
        batch normalisation right behind the convolution, or its own. It is before the
        activation.
      w: the kernel, (kh, kw, c / groups, o).
      size: (h', w'), the positions of an answer.
      channels: c, of the convolution's input.
      of_images: whether that is the images themselves.
      field: what an answer sees; None if that is no rectangle.
    """

    path: str
    answers: str
    w: np.ndarray
    size: tuple[int, int]
    channels: int
    of_images: bool
    field: ReceptiveField | None

    @property
    def filters(self) -> int:
        """How many there are."""
        return self.w.shape[-1]

    @property
    def in_colour(self) -> bool:
        """Whether a kernel is a picture with three colours."""
        return self.of_images and self.w.shape[2] == 3

    @property
    def groups(self) -> int:
        return self.channels // self.w.shape[2]

    def inputs(self, number: int) -> range:
        """The input channels that a filter has a kernel for."""
        each = self.w.shape[2]
        first = number // (self.filters // self.groups) * each
        return range(first, first + each)


def convolutions(run: Path, stored: StoredModel) -> list[Convolution]:
    """The convolutions of a network, from the input on.

    Raises:
      ConfigError: if there is none.
    """
    shape = stored.description.image_shape
    x = jax.ShapeDtypeStruct((1, *shape), np.float32)
    outputs = jax.eval_shape(partial(layers.outputs, stored.model), stored.params, stored.state, x)
    fields = _fields(stored)
    found = []
    for path, params, given, behind in _inside(stored.model, stored.params, ""):
        w = np.asarray(params.get("w", 0) if isinstance(params, dict) else 0, np.float32)
        y = outputs[path].shape
        if w.ndim == len(y) == 4 and y[-1] == w.shape[-1]:
            channels = outputs[given].shape[-1] if given else shape[-1]
            field = fields.get(path)
            answers, of_images = behind or path, not given
            found.append(Convolution(path, answers, w, y[1:3], channels, of_images, field))
    if not found:
        raise ConfigError(
            f"{run} has a network without a convolution that can be seen from outside: its layers"
            f" are {shown(', '.join(outputs) or 'none')}"
        )
    return found


def _fields(stored: StoredModel) -> dict[str, ReceptiveField]:
    """The receptive fields of the layers, up to the first part of the network that has
    none, such as branches of different strides."""
    parts = stored.model.parts
    for count in range(len(parts), 0, -1):
        try:
            return receptive_fields(stored.model._replace(parts=parts[:count]), stored.image_size)
        except ValueError:
            continue
    return {}


def _inside(
    layer: Layer, params: Any, path: str, given: str = ""
) -> Iterator[tuple[str, Any, str, str]]:
    """Of each layer without parts: its path, its params, the path whose output it gets
    ("" for the images), and the path of a batch normalisation right behind it, or
    ""."""
    before = given
    for place, (entry, part) in enumerate(layer.parts):
        here = f"{path}/{entry}" if path else entry
        own = params.get(entry, {})
        if part.parts:
            yield from _inside(part, own, here, before)
        else:
            after = () if layer.parallel else layer.parts[place + 1 : place + 2]
            norm = [name for name, next_part in after if next_part.name == "batch_norm"]
            behind = f"{path}/{norm[0]}" if norm and path else "".join(norm)
            yield here, own, before, behind
        if not layer.parallel:
            before = _last(part, here)


def _last(layer: Layer, path: str) -> str:
    """The path of a layer's output in `layers.outputs`: of the last layer in a
    chain."""
    while layer.parts and not layer.parallel:
        entry, layer = layer.parts[-1]
        path = f"{path}/{entry}"
    return path


class Chosen(NamedTuple):
    """What a page shows: the first convolution, and others with filters of theirs."""

    first: Convolution
    filters: list[tuple[Convolution, list[int]]]


def choose(config: Config, found: Sequence[Convolution]) -> Chosen:
    """The convolutions that the options name, or the first, one in the middle, and the
    last; with the filters that the options name, or some from the first to the last.

    Args:
      config: the options.
      found: all convolutions of the network, at least one.

    Raises:
      ConfigError: if a layer is none of them, or has no such filter.
    """
    by_path = {each.path: each for each in found}
    for path in config.layers:
        if path not in by_path:
            raise ConfigError(
                f"--layers must be convolutions of {config.run}, got {shown(path)}: there are"
                f" {', '.join(by_path)}"
            )
    chosen = [by_path[path] for path in dict.fromkeys(config.layers)]
    if not chosen:
        main = [each for each in found if "shortcut" not in each.path.split("/")] or list(found)
        chosen = [main[place] for place in spread(len(main), MOST_LAYERS)]
    return Chosen(found[0], [(each, _filters(config, each)) for each in chosen])


def _filters(config: Config, convolution: Convolution) -> list[int]:
    for number in config.filters:
        if not 0 <= number < convolution.filters:
            raise ConfigError(
                f"--filters must be from 0 to {convolution.filters - 1}, the filters of"
                f" {convolution.path}, got {shown(number)}"
            )
    return list(dict.fromkeys(config.filters)) or spread(convolution.filters, config.count)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly from the first to the last.

    >>> spread(9, 3), spread(2, 3)
    ([0, 4, 8], [0, 1])
    """
    return [round(float(place)) for place in np.linspace(0, count - 1, min(count, most))]
