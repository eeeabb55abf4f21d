"""What is computed over all images of a data set: means, deviations, a fingerprint."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np

from jaxcnn.stored.description import Normalisation

CHUNK = 2**16  # pixels at a time
DIGEST = 16  # bytes


def channel_sums(images: np.ndarray) -> np.ndarray:
    """The sums of x and of x^2 over n, h and w, (2, c), int64: exact, so that no order
    of the images and no number of chunks changes a mean."""
    pixels = images.reshape(-1, images.shape[-1])
    sums = np.zeros((2, images.shape[-1]), np.int64)
    for first in range(0, len(pixels), CHUNK):
        # Products of matrices are fast, and float64 is exact for sums below 2^53.
        values = pixels[first : first + CHUNK].astype(np.float64)
        ones = np.ones(len(values))
        sums += np.stack([ones @ values, ones @ values**2]).astype(np.int64)
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


def digest_of(image: np.ndarray) -> np.ndarray:
    """The `DIGEST` bytes, uint8, that tell an image's pixels from others'."""
    found = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=DIGEST)
    return np.frombuffer(found.digest(), np.uint8)


def fingerprint_of(
    image_shape: Sequence[int],
    classes: Sequence[str],
    parts: Iterable[tuple[Iterable[str], np.ndarray, np.ndarray]],
) -> str:
    """SHA-256 of a data set.

    Args:
      image_shape: (h, w, c).
      classes: their names.
      parts: the names of the images, their labels (n,) and the bytes of their pixels or
        of their digests (n, ...), for each of the data set's splits.
    """
    found = hashlib.sha256(repr((tuple(image_shape), tuple(classes))).encode())
    for names, labels, digests in parts:
        found.update(np.ascontiguousarray(digests).data)
        found.update(np.ascontiguousarray(labels, "<i4").data)
        found.update("\0".join(names).encode("utf-8", "surrogateescape"))
    return found.hexdigest()
