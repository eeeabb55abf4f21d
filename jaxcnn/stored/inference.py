"""From uint8 images to logits and probabilities: pure functions, for predictions, for
training and for export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.arguments import as_flag
from jaxcnn.layers import Layer
from jaxcnn.layers._arguments import as_ops
from jaxcnn.layers.calling import apply_layer
from jaxcnn.layers.layer import as_layer
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.stored.description import Normalisation

Logits = Callable[[Any, Any, Array], Array]
"""(params, state, images) -> logits."""


def normalised(images: Array, normalisation: Normalisation) -> Array:
    """(images / 255 - mean) / std, in float32.

    Args:
      images: (..., h, w, c), uint8.
      normalisation: mean and std of each channel, in units of [0, 1].

    >>> image = jnp.full((1, 1, 1, 1), 255, jnp.uint8)
    >>> normalised(image, Normalisation(mean=(0.5,), std=(0.25,))).tolist()
    [[[[2.0]]]]
    """
    return standardised(images.astype(jnp.float32) / 255, normalisation)


def standardised(x: Array, normalisation: Normalisation) -> Array:
    """(x - mean) / std of images (..., h, w, c) that are float32 in [0, 1]."""
    mean, std = (jnp.asarray(numbers, jnp.float32) for numbers in normalisation)
    return (x - mean) / std


def mirrored(images: Array) -> Array:
    """Each image (..., h, w, c) with left and right exchanged."""
    return jnp.flip(images, axis=-2)


def make_logits(
    model: Layer, normalisation: Normalisation, *, mirror: bool = False, ops: Ops = EXPLICIT
) -> Logits:
    """The pure function (params, state, images) -> logits, of uint8 images (n, h, w, c)
    to float32 (n, classes). The model computes as it does outside of training, and in
    float32, whatever the precision of params and state.

    Args:
      model: a layer that takes normalised images.
      normalisation: mean and std of each channel, in units of [0, 1].
      mirror: whether to average the logits over each image and its mirror image.
      ops: whose operations compute.

    >>> from jaxcnn import layers
    >>> model = layers.serial(layers.global_avg_pool(), layers.dense(2))
    >>> params, state = model.init(jax.random.key(0), (1, 4, 4, 1))
    >>> logits = make_logits(model, Normalisation((0.5,), (0.25,)))
    >>> logits(params, state, jnp.zeros((3, 4, 4, 1), jnp.uint8)).shape
    (3, 2)
    """
    model, ops, mirror = as_layer("model", model), as_ops(ops), as_flag("mirror", mirror)

    def of_batch(params: Any, state: Any, x: Array) -> Array:
        params, state = in_float32(params), in_float32(state)
        logits, _ = apply_layer(model, params, state, x, train=False, key=None, ops=ops)
        return logits.astype(jnp.float32)

    def logits(params: Any, state: Any, images: Array) -> Array:
        x = normalised(images, normalisation)
        if not mirror:
            return of_batch(params, state, x)
        return (of_batch(params, state, x) + of_batch(params, state, mirrored(x))) / 2

    return logits


def probabilities_of(logits: Array) -> Array:
    """The softmax over the last axis."""
    return jax.nn.softmax(logits, axis=-1)


def in_float32(tree: Any) -> Any:
    """The arrays of a tree, those of floats in float32."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        tree,
    )
