"""The network that a description tells of, and whether arrays are its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn.arguments import described
from jaxcnn.layers import Layer
from jaxcnn.layers.layer import as_layer
from jaxcnn.models import MODELS
from jaxcnn.stored.arrays import check_arrays
from jaxcnn.stored.description import Description
from jaxcnn.stored.inference import make_logits

Build = Callable[..., Layer]
"""A function that gives a network for keyword arguments."""

LONGEST = 200  # characters of another's message


def named(model: str) -> Build:
    """The function of that name in `jaxcnn.models`.

    Raises:
      ValueError: if there is none.

    >>> named("lenett")
    Traceback (most recent call last):
    ValueError: model must be one of cnn_basics, lenet, vgg, vgg16, resnet20, mobilenet,
    mobilenet_v1, identity_cnn, got 'lenett': did you mean lenet?
    """
    if model not in MODELS:
        likely = get_close_matches(model, MODELS, n=1)
        slip = f": did you mean {likely[0]}?" if likely else ""
        raise ValueError(f"model must be one of {', '.join(MODELS)}, got {described(model)}{slip}")
    return MODELS[model]


def built(build: Build, about: Description) -> tuple[Layer, Any, Any]:
    """The network, and the shapes of its params and its state.

    Raises:
      ValueError: if it does not build from the arguments, does not take the images, or
        does not give a logit for each class.
    """
    called = getattr(build, "__name__", type(build).__name__)
    if not callable(build):
        hint = ": pass lambda: layer" if isinstance(build, Layer) else ""
        raise ValueError(f"model must be a function that gives a Layer, got {called}{hint}")
    words = ", ".join(f"{name}={value!r}" for name, value in about.arguments.items())
    with_arguments = f"{called}({words if len(words) <= LONGEST else '...'})"
    try:
        model = as_layer(f"what {with_arguments} gives", build(**about.arguments))
    except Exception as error:  # whatever a person's function raises
        raise ValueError(f"{with_arguments} gives no network: {_in_one_line(error)}") from error
    images = jax.ShapeDtypeStruct((2, *about.image_shape), np.uint8)
    try:
        params, state = jax.eval_shape(lambda key: model.init(key, images.shape), jax.random.key(0))
        logits = jax.eval_shape(make_logits(model, about.normalisation), params, state, images)
    except Exception as error:  # the same
        size = "x".join(map(str, about.image_shape))
        raise ValueError(
            f"{with_arguments} does not take images of {size}: {_in_one_line(error)}"
        ) from error
    if logits.shape != (2, len(about.classes)):
        raise ValueError(
            f"{with_arguments} must give {len(about.classes)} logits for each image, one per class,"
            f" got shape {logits.shape} for 2 images"
        )
    return model, params, state


def check_fit(arrays: Mapping[str, Any], shapes: Mapping[str, Any], what: str) -> None:
    """Refuse params and state whose names or shapes are not those of the network, or
    that have ints where it has floats. Floats may have another precision.

    Raises:
      CheckpointError: with the first differences; the message begins with `what`.
    """
    check_arrays(arrays, _in_precision_of(shapes, arrays), what)


def filled(shapes: Any, arrays: Any) -> Any:
    """The arrays in the structure of the shapes: entries without arrays, which a file
    does not hold, are there again."""
    if isinstance(shapes, Mapping):
        return {name: filled(inner, arrays.get(name, {})) for name, inner in shapes.items()}
    return jnp.asarray(arrays)


def _in_precision_of(shapes: Any, arrays: Any) -> Any:
    """The shapes, with the dtype of the array of the same name where both are
    floats."""
    if isinstance(shapes, Mapping):
        inside = arrays if isinstance(arrays, Mapping) else {}
        return {name: _in_precision_of(inner, inside.get(name)) for name, inner in shapes.items()}
    found, wanted = getattr(arrays, "dtype", None), shapes.dtype
    if found is None or not all(jnp.issubdtype(d, jnp.floating) for d in (found, wanted)):
        return shapes
    return jax.ShapeDtypeStruct(shapes.shape, found)


def _in_one_line(error: BaseException) -> str:
    notes = [note for note in getattr(error, "__notes__", []) if note.startswith("in layer")]
    text = " ".join("; ".join([str(error), *notes]).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


def logits_of(model: Layer, about: Description) -> Callable[[Any, Any, Array], Array]:
    """`make_logits` with the normalisation and the mirror of the description."""
    return make_logits(model, about.normalisation, mirror=about.mirror)
