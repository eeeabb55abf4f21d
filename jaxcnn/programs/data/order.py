"""The order in which an epoch visits the images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def epoch_order(seed: int, epoch: int, count: int, batch_size: int) -> np.ndarray:
    """The indices of one epoch's batches, (steps, batch).

    They depend on the arguments alone, so that a run that was interrupted can take up
    any epoch at any step. All batches have one size; the `count % batch_size` images at
    the end of the order, different ones in each epoch, are left out.

    Args:
      seed: at least 0.
      epoch: its number, at least 0.
      count: of the images.
      batch_size: images in a batch.

    Raises:
      ValueError: if an argument is negative, or batch_size is 0.

    >>> epoch_order(seed=0, epoch=1, count=7, batch_size=3).shape
    (2, 3)
    """
    if min(seed, epoch, count) < 0 or batch_size < 1:
        raise ValueError(
            "seed, epoch and count must be at least 0, and batch_size at least 1, got"
            f" {seed}, {epoch}, {count} and {batch_size}"
        )
    order = np.random.default_rng((seed, epoch)).permutation(count)
    steps = count // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size)


def shuffled_batches(
    random: np.random.Generator, count: int, batch_size: int
) -> Iterator[np.ndarray]:
    """The indices of one epoch in a new order, batch by batch, as `random` gives it.

    All batches have one size, so that one compiled program serves them all. The `count
    % batch_size` images at the end of the order, different ones each epoch, are left
    out.
    """
    order = random.permutation(count)
    for start in range(0, count - batch_size + 1, batch_size):
        yield order[start : start + batch_size]
