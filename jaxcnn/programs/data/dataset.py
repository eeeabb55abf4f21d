"""Data sets of real images by name, and the order in which an epoch visits them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from jaxcnn.programs.data.download import TIMEOUT, download
from jaxcnn.programs.data.folder import read_folder
from jaxcnn.programs.data.idx import DataError
from jaxcnn.programs.data.sources import FASHION_MNIST, MNIST, Source

_DIGITS = tuple("0123456789")
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_PUBLISHED = {MNIST.name: (MNIST, _DIGITS), FASHION_MNIST.name: (FASHION_MNIST, _CLOTHES)}


class Dataset(NamedTuple):
    """Images (n, height, width, c), float32 in [0, 1], and their classes (n,), int32;
    the names of the classes and of the set."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    name: str


def load(
    name: str, data_dir: Path | None = None, *, say: Callable[[str], object] = print
) -> Dataset:
    """The data set of that name: digits, mnist or fashion_mnist.

    Args:
      name: of the data set.
      data_dir: a folder with the four files of mnist or fashion_mnist. Without it they
        are taken from the cache folder, and downloaded to it the first time.
      say: is told of each download and each failure, in a line.

    Raises:
      DataError: if there is no such data set, its files are missing or damaged, or they
        could not be downloaded.
    """
    if name == "digits":
        if data_dir is not None:
            raise DataError(
                "the digits come with scikit-learn and are in no folder: leave --data-dir"
                f" {data_dir} out"
            )
        return digits()
    if name not in _PUBLISHED:
        raise DataError(
            f"there is no data set {name!r}: it must be digits, {' or '.join(_PUBLISHED)}"
        )
    source, classes = _PUBLISHED[name]
    return published(source, classes, data_dir, say=say)


def digits() -> Dataset:
    """Scikit-learn's digits (Alpaydin and Kaynak 1998, UCI): 1,797 images of 8x8, of
    which 360 are held out for the test.

    A fifth of each class is held out, always the same images, whatever the seed of a
    run.
    """
    digits = load_digits()
    x = (digits.images / 16).astype(np.float32)[..., None]
    y = digits.target.astype(np.int32)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.2, random_state=0, stratify=y
    )
    return Dataset(x_train, y_train, x_test, y_test, _DIGITS, "digits")


def published(
    source: Source,
    classes: tuple[str, ...],
    data_dir: Path | None = None,
    *,
    say: Callable[[str], object] = print,
    timeout: float = TIMEOUT,
) -> Dataset:
    """A data set of 28x28 images in ten classes, in files like MNIST's: those in
    `data_dir`, or else the source's.

    The split is that of the publication (mnist: LeCun et al. 1998; fashion_mnist: Xiao
    et al. 2017): 60,000 training images and 10,000 test images.

    Raises:
      DataError: as `load`.
    """
    train, test = read_folder(data_dir or download(source, say=say, timeout=timeout))
    x_train, x_test = _scaled(train.images), _scaled(test.images)
    return Dataset(
        x_train,
        train.labels.astype(np.int32),
        x_test,
        test.labels.astype(np.int32),
        classes,
        source.name,
    )


def _scaled(images: np.ndarray) -> np.ndarray:
    """(n, h, w) in 0, ..., 255 to (n, h, w, 1) in [0, 1], without the float64 copy of a
    plain division."""
    return np.divide(images, 255, dtype=np.float32)[..., None]


def shuffled_batches(
    random: np.random.Generator, count: int, batch_size: int
) -> Iterator[np.ndarray]:
    """The indices of one epoch in a new order, batch by batch.

    All batches have one size, so that one compiled program serves them all. The `count
    % batch_size` images at the end of the order, different ones each epoch, are left
    out.
    """
    order = random.permutation(count)
    for start in range(0, count - batch_size + 1, batch_size):
        yield order[start : start + batch_size]
