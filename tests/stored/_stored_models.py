"""A small network by name and one of a person's own, with their params and state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn import layers, models

ARGUMENTS = {"features": (2, 3), "hidden": [4, 4]}
ABOUT: dict[str, Any] = {
    "model": "lenet",
    "arguments": ARGUMENTS,
    "classes": ["cat", "dog", "猫"],
    "image_size": 8,
    "normalisation": ([0.4], [0.2]),
}
"""The arguments of `save` for `arrays()`."""
OWN: dict[str, Any] = ABOUT | {"model": None, "arguments": {"width": 4}}
"""The same for `own_arrays()`."""


def build(width: int = 2) -> layers.Layer:
    """A network of one's own, with statistics and a layer that has nothing."""
    return layers.serial(
        layers.conv(width, 3, bias=False),
        layers.batch_norm(),
        layers.relu(),
        layers.global_avg_pool(),
        layers.dense(3),
    )


def drawn(
    model: layers.Layer, seed: int = 0, shape: tuple[int, ...] = (1, 8, 8, 1)
) -> tuple[Any, Any]:
    """Params and state for images of this shape: nothing is compiled to draw them."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))
    return jax.tree.map(lambda leaf: random.random(leaf.shape, np.float32) - 0.3, shapes)


def arrays(seed: int = 0) -> tuple[Any, Any]:
    return drawn(models.lenet(3, **ARGUMENTS), seed)


def own_arrays() -> tuple[Any, Any]:
    params, state = drawn(build(4))
    state["1_batch_norm"]["var"] += 1
    return params, state


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(found, params, state) -> bool:
    """True; an error if a model that was loaded has other arrays."""
    jax.tree.map(np.testing.assert_array_equal, (found.params, found.state), (params, state))
    return True
