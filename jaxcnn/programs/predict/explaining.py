r"""What drove an answer: which pixels, and which places of the image.

**Input gradient** (Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional
Networks", 2014, section 3). For the logit y of the predicted class and pixels x (h, w,
c) in units of [0, 1],

    m[a, b] = max_c |dy / dx[a, b, c]|                                               (1)

**Class activation map** (Zhou, Khosla, Lapedriza, Oliva and Torralba, "Learning Deep
Features for Discriminative Localization", CVPR 2016, equation 2), for networks that end
in a mean over space and a dense layer. For features A (h', w', k) before the mean, and
the weights w (k) of the class,

    m[i, j] = sum_k w[k] A[i, j, k]                                                  (2)

Then y is the mean of m, and the bias: the map is the answer, place by place.

**Grad-CAM** (Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, ICCV 2017, equations
1 and 2), for all others. For features A after the last convolution and its activation,

    alpha[k] = mean_ij dy / dA[i, j, k],   m[i, j] = sum_k alpha[k] A[i, j, k]       (3)

For the networks of (2), alpha is w / (h' w'), so (3) is (2) up to a factor. In both,
what is below 0 speaks against the class, and is set to 0, as Grad-CAM does.

Where the model averages over mirror images, so do the maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn import layers
from jaxcnn.layers import Layer
from jaxcnn.layers.calling import apply_layer
from jaxcnn.ops import EXPLICIT
from jaxcnn.stored.inference import in_float32, mirrored, normalised
from jaxcnn.stored.model import StoredModel


class Explanation(NamedTuple):
    """What drove an answer.

    Attributes:
      gradient: equation (1), (h, w), at least 0.
      places: equation (2) or (3), (h', w'), at least 0; None for a network without a
        layer whose features have places.
      method: "class activation map" or "Grad-CAM"; "" without places.
      layer: the path of the layer whose features are A.
    """

    gradient: np.ndarray
    places: np.ndarray | None
    method: str
    layer: str


class Explainer:
    """Explains the answers of one model. It compiles two programs, once."""

    def __init__(self, stored: StoredModel):
        self._stored = stored
        self._params, self._state = in_float32(stored.params), in_float32(stored.state)
        self._gradient = jax.jit(partial(_input_gradient, stored))
        self._last = last_features(stored.model, stored.params, stored.state, _shape(stored))
        if self._last is not None:
            after = [part.name for _, part in stored.model.parts[self._last + 1 :]]
            of_weights = after == ["global_avg_pool", "dense"]
            self._method = "class activation map" if of_weights else "Grad-CAM"
            places = _weight_places if of_weights else _gradient_places
            self._places = jax.jit(partial(places, stored, self._last))

    def __call__(self, image: np.ndarray, label: int) -> Explanation:
        """What drove the logit of a class for an image (h, w, c), uint8."""
        given = (self._params, self._state, jnp.asarray(image, jnp.float32), jnp.asarray(label))
        gradient = np.asarray(self._gradient(*given))
        if self._last is None:
            return Explanation(gradient, None, "", "")
        entry, _ = self._stored.model.parts[self._last]
        return Explanation(gradient, np.asarray(self._places(*given)), self._method, entry)


def last_features(model: Layer, params: Any, state: Any, shape: Sequence[int]) -> int | None:
    """The place among the model's parts of the last one whose output has places, (n, h,
    w, k), behind the last convolution: with the norms and activations that follow it,
    before any pooling. None if there is none.

    Args:
      model, params, state: a network.
      shape: of its input, (1, h, w, c).
    """
    if model.parallel:
        return None
    x = jax.ShapeDtypeStruct(tuple(shape), jnp.float32)
    outputs = jax.eval_shape(partial(layers.outputs, model), params, state, x)
    shapes = [_last_of(outputs, entry).shape for entry, _ in model.parts]
    found = None
    for place, (entry, part) in enumerate(model.parts):
        keeps = found is not None and found == place - 1 and part.window is None and not part.parts
        same = keeps and shapes[place] == shapes[place - 1]
        if len(shapes[place]) == 4 and (entry in params or same):
            found = place
    return found


def _last_of(outputs: dict[str, Any], entry: str) -> Any:
    """The output of a part: that of the last layer inside it."""
    inside = [path for path in outputs if path == entry or path.startswith(f"{entry}/")]
    return outputs[inside[-1]]


def _shape(stored: StoredModel) -> tuple[int, ...]:
    return (1, *stored.description.image_shape)


def _input_gradient(stored: StoredModel, params: Any, state: Any, image: Array, label: Array):
    def logit(image: Array) -> Array:  # of pixels in [0, 1]
        return stored.logits(params, state, 255 * image[None])[0, label]

    return jnp.max(jnp.abs(jax.grad(logit)(image / 255)), axis=-1)  # (1)


def _weight_places(
    stored: StoredModel, last: int, params: Any, state: Any, image: Array, label: Array
):
    entry, _ = stored.model.parts[-1]

    def places(x: Array) -> Array:
        features = _run(stored.model.parts[: last + 1], params, state, x)
        return features[0] @ params[entry]["w"][:, label]  # (2)

    return _over_mirror_images(stored, places, image)


def _gradient_places(
    stored: StoredModel, last: int, params: Any, state: Any, image: Array, label: Array
):
    def places(x: Array) -> Array:
        features = _run(stored.model.parts[: last + 1], params, state, x)
        rest = partial(_run, stored.model.parts[last + 1 :], params, state)
        gradient = jax.grad(lambda features: rest(features)[0, label])(features)
        return features[0] @ jnp.mean(gradient[0], axis=(0, 1))  # (3)

    return _over_mirror_images(stored, places, image)


def _over_mirror_images(stored: StoredModel, places: Any, image: Array) -> Array:
    x = normalised(image[None], stored.normalisation)
    found = places(x)
    if stored.mirror:
        found = (found + jnp.flip(places(mirrored(x)), axis=1)) / 2
    return jnp.maximum(found, 0)


def _run(parts: Sequence[tuple[str, Layer]], params: Any, state: Any, x: Array) -> Array:
    """The output of parts that stand one after another, outside of training."""
    for entry, part in parts:
        inside = params.get(entry, {}), state.get(entry, {})
        x, _ = apply_layer(part, *inside, x, train=False, key=None, ops=EXPLICIT)
    return x
