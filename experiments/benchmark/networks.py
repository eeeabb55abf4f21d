"""The networks whose training steps are timed, and the batches that a step is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh

from experiments.benchmark.yardstick import (
    convnext,
    dcgan,
    densenet,
    efficientnet,
    inception,
    jax_parts,
    resnext,
    squeezenet,
    textcnn,
    unet,
    video,
    wavenet,
    wide_resnet,
)
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
    image: tuple[int, ...]
    without_dropout: Mapping[str, float] = {}
    """Options of the model, and of PyTorch's, that leave out dropout."""


NETWORKS = {
    "lenet": Network("LeNet", lenet, 128, (28, 28, 1), {"dropout_rate": 0.0}),
    "resnet20": Network("ResNet-20", resnet20, 64, (32, 32, 3)),
    "mobilenet": Network("MobileNet", mobilenet, 64, (32, 32, 3)),
}

"""Those of `jaxcnn.models`, for which the methods were chosen."""

PAPERS = {
    "convnext": ("ConvNeXt", convnext),
    "dcgan": ("DCGAN", dcgan),
    "densenet": ("DenseNet", densenet),
    "efficientnet": ("EfficientNet", efficientnet),
    "inception": ("Inception", inception),
    "resnext": ("ResNeXt", resnext),
    "squeezenet": ("SqueezeNet", squeezenet),
    "textcnn": ("TextCNN", textcnn),
    "unet": ("U-Net", unet),
    "video": ("C3D", video),
    "wavenet": ("WaveNet", wavenet),
    "wide_resnet": ("wide ResNet", wide_resnet),
}
"""Titles and files of the networks in `yardstick/`."""

YARDSTICK = {
    name: Network(title, partial(file.network, jax_parts), file.BATCH, file.INPUT)
    for name, (title, file) in PAPERS.items()
}
"""Those on which nothing was tuned."""


def network_of(name: str) -> Network:
    return (NETWORKS | YARDSTICK)[name]


def require_networks(names: Sequence[str]) -> None:
    """Raises ValueError unless all names are in `NETWORKS` or `YARDSTICK`."""
    there = NETWORKS | YARDSTICK
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ValueError(f"networks are {', '.join(there)}, got {', '.join(unknown)}")


def make_batch(network: str, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels for one call: a batch if one by one, several in a scan,
    and one in micro-batches if accumulated. The last two have one axis more, in
    front. There is a label for each row of logits."""
    batch, image = network_of(network).batch, network_of(network).image
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCHES_PER_CALL * batch, *image), np.float32)
    y = rng.integers(CLASSES, size=(BATCHES_PER_CALL * batch, *positions(network)))
    y = y.astype(np.int32)
    if mode == "one by one":
        return x[:batch], y[:batch]
    if mode == "accumulated":
        x, y = x[:batch], y[:batch]
    x = x.reshape(BATCHES_PER_CALL, -1, *x.shape[1:])
    return x, y.reshape(BATCHES_PER_CALL, -1, *y.shape[1:])


@cache
def positions(network: str) -> tuple[int, ...]:
    """The shape of an image's labels: () of one that has a class as a whole."""
    model, shape = network_of(network).model(CLASSES), (1, *network_of(network).image)

    def logits(key: Array) -> Array:
        return model.apply(*model.init(key, shape), jax.numpy.zeros(shape))[0]

    return jax.eval_shape(logits, jax.random.key(0)).shape[1:-1]


def place_batch(mesh: Mesh, network: str, mode: str) -> tuple[Array, Array]:
    """The batch, or each of several, split over the devices."""
    x, y = make_batch(network, mode)
    axis = 0 if mode == "one by one" else 1
    return split_batch(x, mesh, axis), split_batch(y, mesh, axis)
