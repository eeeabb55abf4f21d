"""The images of the data that excite filters most.

The answer of a filter to an image is its largest output over all positions, before the
activation. The position says which part of the image did it: the receptive field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcnn import layers
from jaxcnn.programs.data.splits import Split
from jaxcnn.stored.inference import in_float32, normalised
from jaxcnn.stored.model import StoredModel

MOST_AT_ONCE = 256
Position = tuple[int, int]


class Exciting(NamedTuple):
    """An image by its number in the split, the largest answer of a filter to it, and
    the row and column of that answer."""

    image: int
    answer: float
    position: Position


class Found(NamedTuple):
    """What a search finds.

    Attributes:
      exciting: for each path and each of its filters, the images that excite it most,
        the most exciting one first.
      probabilities: what the network says of each image that was searched, (n, k).
    """

    exciting: dict[str, list[list[Exciting]]]
    probabilities: np.ndarray


def search(
    stored: StoredModel,
    wanted: Mapping[str, Sequence[int]],
    split: Split,
    indices: np.ndarray,
    best: int,
    done: Callable[[int], object] = lambda count: None,
) -> Found:
    """Search images for those that excite filters most.

    Args:
      stored: the network.
      wanted: the filters of each path of `layers.outputs`.
      split: the images, of which those of `indices` (n,) are searched.
      best: how many images of each filter; of equal ones, the first.
      done: is told of the number of images after each batch.
    """
    largest = _largest(stored, wanted)
    params, state = in_float32(stored.params), in_float32(stored.state)
    size = min(MOST_AT_ONCE, stored.batch)
    rows = [indices[first : first + size] for first in range(0, len(indices), size)]
    answers: list[dict[str, Any]] = []
    probabilities = []
    for row, (images, _) in zip(rows, split.batches(rows), strict=True):
        padded = np.pad(images, ((0, size - len(row)), (0, 0), (0, 0), (0, 0)))
        found = jax.tree.map(np.asarray, largest(params, state, jnp.asarray(padded)))
        answers.append(
            {path: [part[: len(row)] for part in parts] for path, parts in found.items()}
        )
        probabilities.append(stored.predict(images))
        done(len(row))
    exciting = {}
    for path, filters in wanted.items():
        values, rows_of, columns = (
            np.concatenate([each[path][part] for each in answers]) for part in range(3)
        )
        order = np.argsort(-values, axis=0, kind="stable")[:best]
        exciting[path] = [
            [
                Exciting(
                    int(indices[i]), float(values[i, f]), (int(rows_of[i, f]), int(columns[i, f]))
                )
                for i in order[:, f]
            ]
            for f in range(len(filters))
        ]
    return Found(exciting, np.concatenate(probabilities))


def _largest(stored: StoredModel, wanted: Mapping[str, Sequence[int]]) -> Callable[..., Any]:
    """(params, state, images (n, h, w, c)) -> for each path the largest answers (n, f),
    and the rows and columns where they are."""

    @jax.jit
    def largest(params: Any, state: Any, images: Array) -> dict[str, tuple[Array, ...]]:
        x = normalised(images, stored.normalisation)
        outputs = layers.outputs(stored.model, params, state, x)
        found: dict[str, tuple[Array, ...]] = {}
        for path, filters in wanted.items():
            y = outputs[path][..., np.asarray(filters)]
            flat = y.reshape(len(y), -1, len(filters))
            place = jnp.argmax(flat, axis=1)
            found[path] = (jnp.max(flat, axis=1), *jnp.divmod(place, y.shape[2]))
        return found

    return largest
