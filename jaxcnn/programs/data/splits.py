"""A data set as a value: its images, in memory or on disk, and what is known of
them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from jaxcnn.stored.description import Normalisation


class Images(Protocol):
    """Images (n, h, w, c), uint8: an array, or `StreamedImages`, which are decoded when
    they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: slice | np.ndarray, /) -> np.ndarray: ...


@runtime_checkable
class Streamed(Protocol):
    """Images that are decoded ahead of their use, batch by batch."""

    def stream(self, order: Iterable[np.ndarray]) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their classes.

    Attributes:
      images: (n, h, w, c), uint8; `images[indices]` and `images[first:last]` are
        arrays.
      labels: (n,), int32.
      files: the name of each image in the data set's folder; None where images have no
        names.
    """

    images: Images
    labels: np.ndarray
    files: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images (batch, h, w, c) and labels (batch,) for each row of `order`.

        Args:
          order: indices, (steps, batch), as `epoch_order` gives them. A part of the
            rows, or of the columns, is the part of the epoch that a process needs.
            Rows of different lengths may come as a list.

        >>> split = Split(np.zeros((4, 8, 8, 1), np.uint8), np.arange(4))
        >>> [y.tolist() for x, y in split.batches(np.array([[3, 0], [1, 2]]))]
        [[3, 0], [1, 2]]
        """
        rows = list(order)
        if isinstance(self.images, Streamed):
            arrays = self.images.stream(rows)
        else:
            arrays = (self.images[row] for row in rows)
        for row, images in zip(rows, arrays, strict=True):
            yield images, self.labels[row]

    def take(self, indices: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of these indices, an array of any one length."""
        chosen = np.asarray(indices)
        return self.images[chosen], self.labels[chosen]


class Broken(NamedTuple):
    """A file that was left out, by its name in the data set's folder, and why."""

    file: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images to train with, and images to test with.

    Attributes:
      train: what the network learns from.
      test: what it is tested with after each epoch: of a folder, val if it is there,
        else test, else the share that was held out.
      final: what it is judged by at the end: of a folder with test and val, test;
        else the same as `test`.
      classes: their names; a label is an index into them.
      name: of the set, as in `DataOptions.dataset`.
      normalisation: by the mean and the standard deviation of `train`.
      image_shape: (h, w, c).
      notes: lines for a person: how it was split, what was left out, which classes
        have few images.
      fingerprint: SHA-256 in hexadecimal of classes, file names, labels and pixels. A
        folder that was moved keeps it.
      broken: the files that were left out.
    """

    train: Split
    test: Split
    final: Split
    classes: tuple[str, ...]
    name: str
    normalisation: Normalisation
    image_shape: tuple[int, int, int]
    notes: tuple[str, ...]
    fingerprint: str
    broken: tuple[Broken, ...] = ()

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many training images each class has."""
        return tuple(map(int, np.bincount(self.train.labels, minlength=len(self.classes))))
