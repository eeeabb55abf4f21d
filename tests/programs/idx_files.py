"""Four small files in the form of MNIST's, from the definition of the format."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from contextlib import contextmanager

import numpy as np

from jaxcnn.programs.data.mnist import FILES

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES


CLASSES = tuple("abcdefghij")


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """An IDX file, written from the definition of the format."""
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()
    )


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def labels(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


GOOD = {
    TRAIN_IMAGES: idx(images(3)),
    TRAIN_LABELS: idx(labels(9, 0, 4)),
    TEST_IMAGES: idx(images(2, seed=1)),
    TEST_LABELS: idx(labels(1, 9)),
}


ARCHIVES = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in GOOD.items()}


def check_is_good(dataset):
    for x, y, expected, classes in (
        (dataset.train.images, dataset.train.labels, images(3), [9, 0, 4]),
        (dataset.test.images, dataset.test.labels, images(2, seed=1), [1, 9]),
    ):
        assert (x.dtype, y.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(x, expected[..., None])
        np.testing.assert_array_equal(y, classes)


@contextmanager
def bounded_memory(most: int):
    """Python's own allocations, of NumPy and of files read."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
