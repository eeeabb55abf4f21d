"""What a trained network's filters learned: everything of the page that needs the
network and its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import layers
from jaxcnn.fields import ReceptiveField
from jaxcnn.programs.data.splits import Split
from jaxcnn.programs.filters.ascent import ascend, jitter
from jaxcnn.programs.filters.chosen import Chosen, Convolution, spread
from jaxcnn.programs.filters.config import Config
from jaxcnn.programs.filters.content import (
    Box,
    Explained,
    Filter,
    FilterLayer,
    Kernels,
    Learned,
    Maps,
    Place,
    Shown,
)
from jaxcnn.programs.filters.exciting import Exciting, Found, Position, search
from jaxcnn.programs.messages import image_name, plural
from jaxcnn.programs.options import require
from jaxcnn.programs.predict.explaining import Explainer
from jaxcnn.stored.inference import in_float32, normalised
from jaxcnn.stored.model import StoredModel

MOST_MAPS = 12  # layers whose feature maps are shown
MOST_RIGHT, MOST_WRONG = 6, 4  # images with class activation maps

Task = Callable[[str, int], Callable[[int], object]]
"""(what is begun, how many units it has) -> what is told of units that are done."""


def learned(
    config: Config, stored: StoredModel, chosen: Chosen, split: Split, data: str, begin: Task
) -> Learned:
    """Look at a network.

    Args:
      config: how many images, and how they are made.
      stored: the network.
      chosen: its layers and filters that are shown.
      split: images; those that a network is judged by.
      data: their name, for the page.
      begin: is told of the progress.

    Raises:
      ConfigError: if there is no such example.
    """
    needed = f"below {len(split)}, the number of images"
    require("example", needed, config.example < len(split), config.example)
    indices = np.asarray(spread(len(split), config.images))
    wanted = {each.answers: numbers for each, numbers in chosen.filters}
    found = search(
        stored, wanted, split, indices, config.best,
        begin(f"searching {plural(len(indices), 'image')}", len(indices)),
    )  # fmt: skip
    shown = [
        _layer(config, stored, split, convolution, numbers, found, begin)
        for convolution, numbers in chosen.filters
    ]
    method, features, explained = _explained(stored, split, indices, found.probabilities, begin)
    (example,), (label,) = split.take([config.example])
    labels = split.labels[indices]
    return Learned(
        title=f"Filters of {stored.name or config.model or 'a network'}",
        classes=stored.classes,
        data=data,
        searched=len(indices),
        images=len(split),
        right=int(np.sum(found.probabilities.argmax(1) == labels)),
        first=Kernels(chosen.first.path, chosen.first.w, chosen.first.in_colour),
        layers=shown,
        example=example,
        example_name=image_name(split.files, config.example),
        example_label=int(label),
        example_answer=int(stored.predict(example).argmax()),
        maps=feature_maps(stored, example),
        method=method,
        features=features,
        explained=explained,
        jitter=jitter(stored.image_size),
        steps=config.steps,
    )


def _layer(
    config: Config,
    stored: StoredModel,
    split: Split,
    convolution: Convolution,
    numbers: Sequence[int],
    found: Found,
    begin: Task,
) -> FilterLayer:
    height, width = convolution.size
    middle = (height // 2, width // 2)
    made = ascend(
        stored, convolution.answers, numbers, middle, steps=config.steps, seed=config.seed,
        done=begin(f"climbing, {convolution.path}", config.steps),
    )  # fmt: skip
    filters = [
        Filter(
            number,
            convolution.w[..., number],
            convolution.in_colour,
            convolution.inputs(number),
            [_shown(split, each, convolution.field) for each in best],
            image,
            float(start),
            float(reached),
            box_of(convolution.field, middle),
        )
        for number, best, image, start, reached in zip(
            numbers, found.exciting[convolution.answers], *made, strict=True
        )
    ]
    field = convolution.field
    return FilterLayer(
        convolution.path,
        convolution.answers,
        convolution.w.shape,
        convolution.groups,
        None if field is None else (field.size[0], field.size[1]),
        filters,
    )


def _shown(split: Split, found: Exciting, field: ReceptiveField | None) -> Shown:
    (image,), (label,) = split.take([found.image])
    box = box_of(field, found.position)
    return Shown(image, image_name(split.files, found.image), int(label), found.answer, box)


def box_of(field: ReceptiveField | None, position: Position) -> Box | None:
    """The part of the image that an answer sees, without padding."""
    seen = None if field is None else field.clipped(position)
    if seen is None:
        return None
    (top, bottom), (left, right) = seen
    return Box(top, left, bottom - top + 1, right - left + 1)


def feature_maps(stored: StoredModel, image: np.ndarray) -> list[Maps]:
    """The outputs of some layers from the first to the last for an image (h, w, c),
    uint8, without those of shortcuts."""
    outputs: Any = jax.jit(partial(layers.outputs, stored.model))
    x = normalised(jnp.asarray(image)[None], stored.normalisation)
    found = outputs(in_float32(stored.params), in_float32(stored.state), x)
    maps = [
        Maps(path, np.asarray(y[0]))
        for path, y in found.items()
        if y.ndim == 4 and "shortcut" not in path.split("/")
    ]
    return [maps[place] for place in spread(len(maps), MOST_MAPS)]


def _explained(
    stored: StoredModel,
    split: Split,
    indices: np.ndarray,
    probabilities: np.ndarray,
    begin: Task,
) -> tuple[str, str, list[Explained]]:
    """The method, the path of the features, and the images with their maps."""
    explainer = Explainer(stored)
    chosen = examples(split.labels[indices], probabilities)
    done = begin("class activation maps", len(chosen))
    method = features = ""
    found = []
    for place in chosen:
        index = int(indices[place])
        (image,), (label,) = split.take([index])
        maps = []
        for number in dict.fromkeys((int(probabilities[place].argmax()), int(label))):
            explanation = explainer(image, number)
            method, features = explanation.method, explanation.layer
            if explanation.places is not None:
                probability = float(probabilities[place, number])
                maps.append(Place(number, probability, explanation.places))
        if maps:
            found.append(Explained(image, image_name(split.files, index), int(label), maps))
        done(1)
    return method, features, found


def examples(labels: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """The first image of some classes that is recognised, and the mistakes of which the
    network is surest.

    >>> sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    >>> examples(np.array([0, 0, 1, 0]), sure)
    [0, 2, 3]
    """
    answers = probabilities.argmax(axis=1)
    right = answers == labels
    first = [int(np.flatnonzero(right & (labels == k))[0]) for k in np.unique(labels[right])]
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    return [first[k] for k in spread(len(first), MOST_RIGHT)] + surest[:MOST_WRONG].tolist()
