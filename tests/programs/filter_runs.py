"""Small networks for the tests of `jaxcnn filters`: nothing is trained."""

from __future__ import annotations

from pathlib import Path

import jaxcnn
from jaxcnn import layers
from jaxcnn.stored.model import StoredModel
from tests.stored._stored_models import drawn

ABOUT = {"model": None, "classes": ["a", "b", "c"], "image_size": 8}
NORMALISATION = ([0.4], [0.2])


def deep() -> layers.Layer:
    """Two convolutions, the second in a residual branch, with a batch normalisation."""
    inner = layers.serial(layers.conv(3, 3), layers.batch_norm(), layers.relu(), layers.conv(3, 1))
    return layers.serial(
        layers.conv(3, 3), layers.relu(), layers.max_pool(2), layers.residual(inner),
        layers.flatten(), layers.dense(3),
    )  # fmt: skip


def apart() -> layers.Layer:
    """With branches that see an image in different strides."""
    branches = layers.residual(layers.conv(3, 3, stride=2), layers.conv(3, 5, padding="valid"))
    return layers.serial(layers.conv(3, 3), branches, layers.flatten(), layers.dense(3))


def flat() -> layers.Layer:
    """A network without a convolution."""
    return layers.serial(layers.flatten(), layers.dense(3))


def of_two_channels() -> layers.Layer:
    return layers.serial(layers.conv(2, 3), layers.global_avg_pool(), layers.dense(3))


def save(folder: Path, model: layers.Layer, channels: int = 1) -> Path:
    """A folder with the network, with weights drawn at random."""
    params, state = drawn(model, shape=(1, 8, 8, channels))
    if "3_residual" in state:
        state["3_residual"]["inner"]["1_batch_norm"]["var"] += 1
    mean, std = NORMALISATION
    about = ABOUT | {"normalisation": (mean * channels, std * channels)}
    jaxcnn.save(folder, params, state, **about)
    return folder


def loaded(folder: Path) -> StoredModel:
    return jaxcnn.load(save(folder, deep()), model=deep)
