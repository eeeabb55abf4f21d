"""Which layers and which of their outputs to draw, before the network is trained or
read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxcnn import layers
from jaxcnn.fields import ReceptiveField
from jaxcnn.layers import Layer
from jaxcnn.parts import walk
from jaxcnn.programs.data.splits import Dataset
from jaxcnn.programs.messages import times
from jaxcnn.programs.options import ConfigError, shown
from jaxcnn.programs.receptive_field.config import Config
from jaxcnn.programs.receptive_field.spread import Position, centre_output
from jaxcnn.receptive import receptive_fields

MOST_LAYERS = 4


def fields_with_space(config: Config, model: Layer, dataset: Dataset) -> dict[str, ReceptiveField]:
    """The receptive fields of the layers whose outputs are images, by path.

    Raises:
      ConfigError: if the model does not take images of this size.
    """
    shape = (1, *dataset.image_shape)
    try:
        fields = receptive_fields(model, shape[1:3])
    except ValueError as error:
        notes = "; ".join(getattr(error, "__notes__", []))
        raise ConfigError(
            f"{config.model} does not take {times(shape[1:3])} images: {error} ({notes})"
        ) from error
    params, state = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))
    given = jax.eval_shape(
        partial(layers.outputs, model), params, state, jax.ShapeDtypeStruct(shape, np.float32)
    )
    return {path: fields[path] for path, y in given.items() if y.ndim == 4}


def chosen_layers(config: Config, model: Layer, fields: dict[str, ReceptiveField]) -> list[str]:
    """The layer that was asked for, or up to four layers with windows, from small
    fields to large ones.

    Fields smaller than a sixth of the image or larger than twice the image are left
    out: there would be little to see.

    Raises:
      ConfigError: if --layer is none of `fields`.
    """
    if config.layer is not None:
        if config.layer not in fields:
            raise ConfigError(
                f"--layer must be a layer whose output has space, got {shown(config.layer)}: there"
                f" are {', '.join(fields)}"
            )
        return [config.layer]
    image = next(iter(fields.values())).input_size
    seen = [path for path in _window_paths(model) if path in fields and max(fields[path].size) > 1]
    visible = [
        path
        for path in seen
        if all(n <= 6 * r <= 12 * n for r, n in zip(fields[path].size, image, strict=True))
    ]
    candidates = list({fields[path].size: path for path in reversed(visible or seen[:1])}.values())[
        ::-1
    ]  # the first of a size
    return [
        candidates[round(index)]
        for index in np.linspace(0, len(candidates) - 1, min(MOST_LAYERS, len(candidates)))
    ]


def _window_paths(model: Layer) -> list[str]:
    """The paths of the layers that see through a window of their own."""

    def has_window(layer: Layer, x: bool, steps: Any, ends: Sequence[bool]) -> bool:
        return not layer.parts and layer.window is not None

    return [path for path, found in walk(model, False, has_window).items() if found]


def chosen_positions(config: Config, path: str, field: ReceptiveField) -> tuple[Position, ...]:
    """The outputs of a layer that were asked for, or its centre and a corner.

    Raises:
      ConfigError: if a position is none of its outputs.
    """
    for position in config.positions:
        if not all(0 <= j < m for j, m in zip(position, field.output_size, strict=True)):
            raise ConfigError(
                f"--positions must be in the {times(field.output_size)} outputs of {path}, got"
                f" {position}"
            )
    return config.positions or tuple(dict.fromkeys((centre_output(field), (0, 0))))
