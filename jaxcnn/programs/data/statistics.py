"""What is computed over all images of a data set: means, deviations, a fingerprint."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np

from jaxcnn.programs.data.splits import Normalisation

CHUNK = 1024  # images at a time


def channel_sums(images: np.ndarray) -> np.ndarray:
    """The sums of x and of x^2 over n, h and w, (2, c), int64: exact, so that no order
    of the images and no number of chunks changes a mean."""
    sums = np.zeros((2, images.shape[-1]), np.int64)
    for first in range(0, len(images), CHUNK):
        values = images[first : first + CHUNK].reshape(-1, images.shape[-1])
        counts = [np.bincount(channel, minlength=256) for channel in values.T]
        levels = np.arange(256)
        sums += np.stack([counts @ levels, counts @ levels**2])
    return sums


def normalisation_of(sums: np.ndarray, pixels: int) -> Normalisation:
    """The mean and the standard deviation of each channel; a channel that is the same
    everywhere has the deviation 1.

    Args:
      sums: as `channel_sums` gives them.
      pixels: of how many values each of them is the sum.

    >>> images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    >>> normalisation_of(channel_sums(images), 2)
    Normalisation(mean=(0.5,), std=(0.5,))
    """
    means, deviations = [], []
    for first, second in sums.T.tolist():
        means.append(first / pixels / 255)
        # In integers, because the difference of two large sums may be small.
        variance = pixels * second - first * first
        deviations.append(math.sqrt(variance) / pixels / 255 or 1.0)
    return Normalisation(tuple(means), tuple(deviations))


def digests_of(images: np.ndarray) -> list[bytes]:
    """Of each image's pixels, 16 bytes."""
    return [digest_of(image) for image in images]


def digest_of(image: np.ndarray) -> bytes:
    """16 bytes that tell an image's pixels from others'."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def fingerprint_of(
    image_shape: Sequence[int],
    classes: Sequence[str],
    parts: Iterable[tuple[Iterable[str], np.ndarray, Iterable[bytes]]],
) -> str:
    """SHA-256 of a data set.

    Args:
      image_shape: (h, w, c).
      classes: their names.
      parts: the names of the images, their labels and their digests, for each of the
        data set's splits.
    """
    found = hashlib.sha256(repr((tuple(image_shape), tuple(classes))).encode())
    for names, labels, digests in parts:
        found.update(b"".join(digests))
        found.update(np.ascontiguousarray(labels, "<i4").data)
        found.update("\0".join(names).encode("utf-8", "surrogateescape"))
    return found.hexdigest()
