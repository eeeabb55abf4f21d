"""Shared by the networks: the check of images, and layers at the start and the end."""

from __future__ import annotations

from jaxcnn.arguments import as_int
from jaxcnn.layers import Layer, batch_norm, conv, dense, serial
from jaxcnn.layers._checks import as_input_shape
from jaxcnn.layers.layer import as_layer
from jaxcnn.ops import EXPLICIT
from jaxcnn.ops._arrays import as_array
from jaxcnn.padding import Padding


def conv_and_norm(
    features: int,
    size: int,
    *,
    stride: int = 1,
    padding: Padding = "same",
    groups: int = 1,
    norm: bool = True,
) -> list[Layer]:
    """A convolution with a bias, or with a batch normalisation in its place."""
    layer = conv(features, size, stride=stride, padding=padding, groups=groups, bias=not norm)
    return [layer, batch_norm()] if norm else [layer]


def of_any_space(model: Layer) -> Layer:
    """A network of this package that also takes sequences (n, length, c) and volumes
    (n, depth, height, width, c).

    Its windows then have one axis, or three. Params and state have the same entries.

    >>> from jaxcnn.models import lenet
    >>> import jax
    >>> model = of_any_space(lenet())
    >>> params, state = jax.eval_shape(
    ...     lambda key: model.init(key, (1, 28, 1)), jax.random.key(0)
    ... )
    >>> params["0_conv"]["w"].shape
    (5, 1, 16)
    """
    return serial(*(layer for _, layer in as_layer("model", model).parts))


def logits(classes: int) -> Layer:
    return dense(classes_of(classes))


def classes_of(classes: int) -> int:
    return as_int("classes", classes, least=1)


def of_images(*layers: Layer) -> Layer:
    """The layers one after another, for images (n, height, width, c) and nothing
    else."""
    model = serial(*layers)

    def init(key, input_shape):
        shape = as_input_shape(input_shape)
        _check_images("input_shape", shape)
        return model.init(key, shape)

    def apply(params, state, x, *, train=False, key=None, ops=EXPLICIT):
        x = as_array("x", x)
        _check_images("x", x.shape)
        return model.apply(params, state, x, train=train, key=key, ops=ops)

    return model._replace(init=init, apply=apply)


def _check_images(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 4:
        hint = ""
        if len(shape) == 3:
            hint = (
                ": is the batch axis missing?"
                if shape[-1] in (1, 3, 4)
                else ": is the channel axis missing?"
            )
        rest = "; models.of_any_space takes sequences and volumes"
        raise ValueError(
            f"{name} must be that of images, (n, height, width, c), got {shape}{hint}{rest}"
        )
