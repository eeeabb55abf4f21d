"""The networks whose training steps are timed, and the batches that a step is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax import Array
from jax.sharding import Mesh

from jaxcnn.layers import Layer
from jaxcnn.models import lenet, mobilenet, resnet20
from jaxcnn.training import split_batch

MODES = ("one by one", "in a scan", "accumulated")
BATCHES_PER_CALL = 2  # steps of a scan, micro-batches of an update
CLASSES = 10


class Network(NamedTuple):
    """A network, and what a step gives it."""

    title: str
    model: Callable[..., Layer]
    batch: int
    image: tuple[int, int, int]
    without_dropout: Mapping[str, float] = {}
    """Options of the model, and of PyTorch's, that leave out dropout."""


NETWORKS = {
    "lenet": Network("LeNet", lenet, 128, (28, 28, 1), {"dropout_rate": 0.0}),
    "resnet20": Network("ResNet-20", resnet20, 64, (32, 32, 3)),
    "mobilenet": Network("MobileNet", mobilenet, 64, (32, 32, 3)),
}


def require_networks(names: Sequence[str]) -> None:
    """Raises ValueError unless all names are in `NETWORKS`."""
    unknown = [name for name in names if name not in NETWORKS]
    if unknown:
        raise ValueError(f"networks are {', '.join(NETWORKS)}, got {', '.join(unknown)}")


def make_batch(network: str, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels for one call: a batch if one by one, several in a scan,
    and one in micro-batches if accumulated. The last two have one axis more, in
    front."""
    batch, image = NETWORKS[network].batch, NETWORKS[network].image
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCHES_PER_CALL * batch, *image), np.float32)
    y = rng.integers(CLASSES, size=BATCHES_PER_CALL * batch).astype(np.int32)
    if mode == "one by one":
        return x[:batch], y[:batch]
    if mode == "accumulated":
        x, y = x[:batch], y[:batch]
    return x.reshape(BATCHES_PER_CALL, -1, *image), y.reshape(BATCHES_PER_CALL, -1)


def place_batch(mesh: Mesh, network: str, mode: str) -> tuple[Array, Array]:
    """The batch, or each of several, split over the devices."""
    x, y = make_batch(network, mode)
    axis = 0 if mode == "one by one" else 1
    return split_batch(x, mesh, axis), split_batch(y, mesh, axis)
