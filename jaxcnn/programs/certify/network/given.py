"""The network that --model names, with the digits it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn import layers
from jaxcnn.layers import Layer
from jaxcnn.layers.calling import takes_ops
from jaxcnn.layers.layer import as_layer
from jaxcnn.models import MODELS
from jaxcnn.parts import outermost
from jaxcnn.programs.data.dataset import digits, scaled
from jaxcnn.programs.loading import in_one_line, load, quoted
from jaxcnn.programs.messages import times
from jaxcnn.programs.options import ConfigError

CLASSES = 10

ENLARGED = {"vgg16": 4, "mobilenet_v1": 4}
"""How many times each pixel of the 8x8 digits is repeated, down and across, for
networks that shrink an image by 32 in all."""


class NotCompared(NamedTuple):
    """A layer that computes with the same rules whatever `ops` is: a comparison of the
    rules of two `ops` would compare its rule with itself."""

    path: str
    """As in `layers.outputs`, "2_conv"; "" for the whole network."""
    why: str


class Network(NamedTuple):
    """A network, and the training digits at a size that it takes: x (n, h, w, 1) and
    the classes y (n,)."""

    name: str
    model: Layer
    x: np.ndarray
    y: np.ndarray

    @property
    def not_compared(self) -> tuple[NotCompared, ...]:
        """The layers that keep their rules, in the order of `layers.pinned`; then those
        whose `apply` takes no `ops`."""
        pinned = layers.pinned(self.model)
        return (
            *(NotCompared(path, "pinned by layers.using") for path in pinned),
            *(
                NotCompared(path, "its apply takes no ops")
                for path in _without_ops(self.model)
                if not any(is_inside(path, other) for other in pinned)
            ),
        )


def network(name: str) -> Network:
    """The network of a name in `jaxcnn.MODELS`, or of module:function.

    Raises:
      ConfigError: if there is no such network, or it does not build, take the digits
        and give 10 logits for each, or all its parameters are in layers that keep their
        rules.
    """
    if name in MODELS:
        return of_digits(name, MODELS[name](CLASSES), ENLARGED.get(name, 1))
    if ":" not in name:
        raise ConfigError(
            f"--model must be one of {', '.join(MODELS)}, or module:function of your own, got"
            f" {quoted(name)}"
        )
    given = of_digits(name, _built(name, load("--model", name)))
    _check_usable(given)
    return given


def of_digits(name: str, model: Layer, enlarged: int = 1) -> Network:
    """A model with scikit-learn's training digits, each pixel repeated `enlarged` times
    down and across."""
    train = digits().train
    x = scaled(train.images[:]).repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    return Network(name, model, x, train.labels)


def is_inside(path: str, layer: str) -> bool:
    """Whether a path of params or of layers is that of the layer or of something inside
    it.

    >>> is_inside("2_conv/w", "2_conv"), is_inside("2_conv/w", "2")
    (True, False)
    """
    return layer == "" or path == layer or path.startswith(f"{layer}/")


def _built(name: str, function: Callable[..., Any]) -> Layer:
    try:
        model = function()
    except Exception as error:  # whatever the person's function raises
        raise ConfigError(
            f"--model: {quoted(name)} must build a Layer when called without arguments; it raised"
            f" {in_one_line(error)}"
        ) from error
    try:
        return as_layer(f"what {quoted(name)} returns", model)
    except ValueError as error:
        raise ConfigError(f"--model: {error}") from error


def _check_usable(given: Network) -> None:
    x = jax.ShapeDtypeStruct((2, *given.x.shape[1:]), given.x.dtype)
    key = jax.random.key(0)
    try:
        params, state = jax.eval_shape(lambda: given.model.init(key, x.shape))
        logits, _ = jax.eval_shape(
            lambda *args: given.model.apply(*args, train=True, key=key), params, state, x
        )
        shape = logits.shape
    except Exception as error:  # as in `_built`
        raise ConfigError(
            f"--model: {quoted(given.name)} must take images of {times(x.shape[1:])}; it raised"
            f" {in_one_line(error)}"
        ) from error
    if shape != (2, CLASSES):
        raise ConfigError(
            f"--model: {quoted(given.name)} must give {CLASSES} logits for each image, got shape"
            f" {shape} for 2 images"
        )
    paths = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree.leaves_with_path(params)
    ]
    kept = given.not_compared
    if all(any(is_inside(path, layer.path) for layer in kept) for path in paths):
        why = "; ".join(f"{layer.path or 'all of it'} ({layer.why})" for layer in kept)
        raise ConfigError(
            f"--model: {quoted(given.name)} has no parameter whose gradient could be compared:"
            f" {why or 'it has no parameters'}"
        )


def _without_ops(layer: Layer) -> Iterator[str]:
    """The paths of the layers whose `apply`, a person's own, takes no `ops`; not of
    those inside them."""
    return outermost(layer, lambda inner: not takes_ops(inner.apply))
