"""Networks by name, put together from layers.

Each takes images (n, height, width, c) and gives logits (n, classes). `vgg`, `resnet`
and `mobilenet` are families. Their defaults are small enough for 28x28 and 32x32 images
and two cores; with the arguments of their papers they are the published networks.
`MODELS` has the functions by name, for programs.

All raise a ValueError that names the argument if one does not fit. `init` and `apply`
raise it for inputs without the four axes of images, unless `of_any_space` was used.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxcnn.layers import Layer
from jaxcnn.models._images import of_any_space
from jaxcnn.models.blocks import mobilenet, mobilenet_v1, resnet, resnet20
from jaxcnn.models.identity import identity_cnn
from jaxcnn.models.sequences import cnn_basics, lenet, vgg, vgg16

__all__ = [
    "MODELS",
    "cnn_basics",
    "identity_cnn",
    "lenet",
    "mobilenet",
    "mobilenet_v1",
    "of_any_space",
    "resnet",
    "resnet20",
    "vgg",
    "vgg16",
]

MODELS: dict[str, Callable[..., Layer]] = {
    model.__name__: model
    for model in (
        cnn_basics,
        lenet,
        vgg,
        vgg16,
        resnet20,
        mobilenet,
        mobilenet_v1,
        identity_cnn,
    )
}
