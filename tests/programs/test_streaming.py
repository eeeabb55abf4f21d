"""Images that do not fit in memory are those that would be there."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from picture_files import encoded, plain
from picture_folders import pixels, read, spoil

from jaxcnn.programs.data.errors import PictureError
from jaxcnn.programs.data.order import epoch_order


def test_streamed_images_are_those_in_memory(pictures):
    spoil(pictures)
    kept, streamed = (read(pictures, memory_gb=size) for size in (None, 1e-9))
    assert isinstance(kept.train.images, np.ndarray)
    assert not isinstance(streamed.train.images, np.ndarray)
    assert "they are decoded again in each epoch" in streamed.notes[-1]
    assert kept.fingerprint == streamed.fingerprint
    assert kept.normalisation == streamed.normalisation
    assert (streamed.train.files, streamed.broken) == (kept.train.files, kept.broken)
    order = epoch_order(seed=3, epoch=2, count=len(kept.train), batch_size=5)
    for (x, y), (x_kept, y_kept) in zip(
        streamed.train.batches(order), kept.train.batches(order), strict=True
    ):
        assert (x.dtype, y.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(x, x_kept)
        np.testing.assert_array_equal(y, y_kept)
    for chosen in (slice(3, 7), slice(None), slice(0, 0), np.array([4, 0, 4]), slice(30, 99)):
        np.testing.assert_array_equal(streamed.train.images[chosen], kept.train.images[chosen])
    assert streamed.train.images.shape == kept.train.images.shape


def test_streamed_grey_images_have_one_channel(pictures):
    for path in [*pictures.rglob("*.png")]:
        path.write_bytes(encoded(np.repeat(plain(0)[..., :1] + int(path.stem), 3, axis=2)))
    kept, streamed = (read(pictures, memory_gb=size) for size in (None, 1e-9))
    assert kept.image_shape == streamed.image_shape == (12, 16, 1)
    np.testing.assert_array_equal(pixels(streamed.test), pixels(kept.test))
    assert kept.fingerprint == read(pictures, channels=1).fingerprint == streamed.fingerprint


def test_a_picture_that_goes_while_it_is_streamed_is_named(pictures):
    dataset = read(pictures, memory_gb=1e-9)
    gone = pictures / dataset.train.files[3]
    gone.unlink()
    order = np.arange(6).reshape(3, 2)
    with pytest.raises(PictureError, match=f"^{gone} cannot be read: No such file"):
        list(dataset.train.batches(order))
    with pytest.raises(PictureError, match=f"^{gone} cannot be read: No such file"):
        dataset.train.take([3])


def test_threads_end_with_the_images(pictures):
    """Though the epoch was given up in the middle."""
    before = threading.active_count()
    batches = read(pictures, memory_gb=1e-9).train.batches(np.arange(32).reshape(16, 2))
    next(batches)
    assert threading.active_count() > before
    batches.close()
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rows_may_differ_in_length(pictures):
    """So that the last images of a split, which fill no batch, can be read too."""
    kept, streamed = (read(pictures, memory_gb=size).test for size in (None, 1e-9))
    order = [np.arange(5), np.arange(5, 8)]
    for (x, y), (x_kept, y_kept) in zip(streamed.batches(order), kept.batches(order), strict=True):
        np.testing.assert_array_equal(x, x_kept)
        np.testing.assert_array_equal(y, y_kept)
