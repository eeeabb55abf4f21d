"""Real images to train on, without a download, and the order in which an epoch visits them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Dataset(NamedTuple):
    """Images (n, height, width, c), float32 in [0, 1], and their classes (n,), int32."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits() -> Dataset:
    """Scikit-learn's digits (Alpaydin and Kaynak 1998, UCI): 1,797 images of 8x8, of which 360 are held out for the test.

    The split holds a fifth of each class out and is always the same one, whatever the seed of a run.
    """
    digits = load_digits()
    x = (digits.images / 16).astype(np.float32)[..., None]
    y = digits.target.astype(np.int32)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    return Dataset(x_train, y_train, x_test, y_test)


def shuffled_batches(random: np.random.Generator, count: int, batch_size: int) -> Iterator[np.ndarray]:
    """The indices of one epoch in a new order, batch by batch.

    All batches have one size, so that one compiled program serves all: the `count % batch_size` images at the end of the order,
    others in each epoch, are left out.
    """
    order = random.permutation(count)
    for start in range(0, count - batch_size + 1, batch_size):
        yield order[start : start + batch_size]
