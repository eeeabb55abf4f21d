"""What the page is made of: arrays and words, without the network that gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.programs.filters.known import Known


class Box(NamedTuple):
    """A part of an image, in its pixels: first row and column, height and width."""

    top: int
    left: int
    height: int
    width: int


class Shown(NamedTuple):
    """An image of the data (h, w, c), uint8, its name, its class by number, a filter's
    answer to it, and the part that gave the answer; None if it is not known."""

    image: np.ndarray
    name: str
    label: int
    answer: float
    box: Box | None


class Kernels(NamedTuple):
    """Path and kernel (kh, kw, c, o) of a convolution, and whether its inputs are three
    colours."""

    path: str
    w: np.ndarray
    in_colour: bool


class Filter(NamedTuple):
    """One filter.

    Attributes:
      number: in its layer.
      w: its kernel, (kh, kw, c).
      in_colour: whether its inputs are three colours.
      inputs: the channels of the layer's input that `w` is for, c of them.
      best: the images that excite it most, the most exciting one first.
      made: the image made to excite it, (h, w, c), uint8.
      start, reached: its answers to the first image of the ascent and to `made`.
      box: what the answer in the middle sees.
    """

    number: int
    w: np.ndarray
    in_colour: bool
    inputs: Sequence[int]
    best: Sequence[Shown]
    made: np.ndarray
    start: float
    reached: float
    box: Box | None


class FilterLayer(NamedTuple):
    """A convolution: its path and that of its answers, the shape of the kernel (kh, kw,
    c / groups, o), its groups, the size of an answer's field, and the filters shown."""

    path: str
    answers: str
    shape: tuple[int, int, int, int]
    groups: int
    field: tuple[int, int] | None
    filters: Sequence[Filter]


class Maps(NamedTuple):
    """The output (h, w, c) of a layer for the example."""

    path: str
    values: np.ndarray


class Place(NamedTuple):
    """A class by number, its probability, and its map (h', w'), at least 0."""

    label: int
    probability: float
    places: np.ndarray


class Explained(NamedTuple):
    """An image of the data (h, w, c), its name and class, and the class activation maps
    of the answer, and of the true class if the answer is another."""

    image: np.ndarray
    name: str
    label: int
    maps: Sequence[Place]


@dataclass(frozen=True)
class Learned:
    """What a network's filters learned.

    Attributes:
      title: of the page, such as "Filters of lenet".
      classes: their names.
      data: name of the images.
      searched, images: how many images were searched, and how many there are.
      right: how many of those searched the network recognises.
      first: the first convolution.
      layers: the layers of which filters are shown.
      example: the image of the feature maps, with its name, class and answer.
      maps: its feature maps.
      method: "class activation map" or "Grad-CAM"; "" if the network has no features
        with places.
      features: the path of the features of the class activation maps.
      explained: the images with class activation maps.
      jitter, steps: of the ascent.
    """

    title: str
    classes: Sequence[str]
    data: str
    searched: int
    images: int
    right: int
    first: Kernels
    layers: Sequence[FilterLayer]
    example: np.ndarray
    example_name: str
    example_label: int
    example_answer: int
    maps: Sequence[Maps]
    method: str
    features: str
    explained: Sequence[Explained]
    jitter: int
    steps: int


@dataclass(frozen=True)
class Content:
    """The page: what was learned, the known filters, either or both; the command, and
    name and value of what else the page depends on."""

    learned: Learned | None
    known: Known | None
    command: str
    environment: Mapping[str, Any]
