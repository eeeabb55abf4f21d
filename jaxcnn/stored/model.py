"""A model that was read: its network, params and state, and predictions from uint8
images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn.arguments import described
from jaxcnn.layers import Layer
from jaxcnn.stored.description import Description, Fit, Normalisation
from jaxcnn.stored.inference import Logits, probabilities_of

MOST_IMAGES = 1024
MOST_VALUES = 2**20
"""Of a batch of predictions, pixels times channels; what a network keeps inside is a
multiple of them."""


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model that `jaxcnn.load` read.

    Attributes:
      model: the network, a `Layer`.
      params, state: what its `apply` takes.
      description: what model.json says of it; the properties below are its entries.
      logits: (params, state, images) -> logits, a pure function from uint8 images (n,
        h, w, c) to float32 (n, classes). It normalises, and averages over mirror images
        if the model does.
    """

    model: Layer
    params: dict[str, Any]
    state: dict[str, Any]
    description: Description
    logits: Logits

    @property
    def name(self) -> str | None:
        """Of the network in `jaxcnn.models.MODELS`; None for one of your own."""
        return self.description.model

    @property
    def arguments(self) -> dict[str, Any]:
        """That the network was built with."""
        return self.description.arguments

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.description.classes

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.description.image_size

    @property
    def channels(self) -> int:
        """Of an image."""
        return self.description.channels

    @property
    def normalisation(self) -> Normalisation:
        """Mean and std of each channel, in units of [0, 1]."""
        return self.description.normalisation

    @property
    def fit(self) -> Fit:
        """How images of other sizes are brought to this one: crop, pad or stretch."""
        return self.description.fit

    @property
    def mirror(self) -> bool:
        """Whether logits are averaged over an image and its mirror image."""
        return self.description.mirror

    @property
    def batch(self) -> int:
        """The largest number of images that are predicted at once, a power of 2."""
        room = max(1, MOST_VALUES // math.prod(self.description.image_shape))
        return min(MOST_IMAGES, 2 ** int(math.log2(room)))

    def predict(self, images: np.ndarray | Array) -> np.ndarray:
        """The probability of each class, (n, classes) in float32, or (classes,) for one
        image.

        Images are predicted in batches of a few sizes, the last one padded, so that few
        programs are compiled.

        Args:
          images: (n, h, w, c) or one image (h, w, c), uint8 from 0 to 255, of the
            model's size.

        Raises:
          ValueError: on another dtype or shape.
        """
        images = self._checked(images)
        if images.ndim == 3:
            return self.predict(images[None])[0]
        found = np.empty((len(images), len(self.classes)), np.float32)
        for first in range(0, len(images), self.batch):
            batch = images[first : first + self.batch]
            size = 2 ** math.ceil(math.log2(len(batch)))
            padded = np.pad(batch, ((0, size - len(batch)), (0, 0), (0, 0), (0, 0)))
            predicted = self._predict(self.params, self.state, jnp.asarray(padded))
            found[first : first + len(batch)] = predicted[: len(batch)]
        return found

    @cached_property
    def _predict(self) -> Logits:
        logits = self.logits  # not self, which would keep itself alive
        return jax.jit(lambda *arguments: probabilities_of(logits(*arguments)))

    def _checked(self, images: Any) -> np.ndarray:
        shape = self.description.image_shape
        needed = f"uint8 of shape (n, {', '.join(map(str, shape))}) or {shape}"
        if not hasattr(images, "dtype") or not hasattr(images, "shape"):
            raise ValueError(f"images must be an array, {needed}, got {described(images)}")
        if images.dtype != np.uint8:
            hint = ": values from 0 to 255 are needed, and are normalised here"
            raise ValueError(f"images must be {needed}, got {images.dtype}{hint}")
        if images.ndim not in (3, 4) or tuple(images.shape[-3:]) != shape:
            hint = ""
            if images.ndim in (2, 3) and tuple(images.shape[-2:]) == self.image_size:
                hint = ": is the channel axis missing?"
            elif images.ndim == 4 and images.shape[-1] == self.channels:
                hint = ": bring them to the model's size first"
            raise ValueError(f"images must be {needed}, got shape {tuple(images.shape)}{hint}")
        return np.asarray(images)
