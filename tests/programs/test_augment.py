"""Augmentation: what happens to an image, that each draws on its own, and that a
sharded batch is augmented as a whole one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from jaxcnn.programs.devices import make_mesh, split
from jaxcnn.programs.train.augment import cutout, flip, make_augment, shift

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).uniform(1, 2, (40, 6, 5, 2)), jnp.float32)


def moved(image, down, right):
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    return padded[2 - down : 2 - down + image.shape[0], 2 - right : 2 - right + image.shape[1]]


def test_shift_moves_each_image_by_one_of_all_offsets():
    found = set()
    for image, given in zip(np.asarray(shift(KEY, X, pixels=2)), np.asarray(X), strict=True):
        offsets = [
            (i, j)
            for i in range(-2, 3)
            for j in range(-2, 3)
            if np.array_equal(image, moved(given, i, j))
        ]
        assert len(offsets) == 1
        found |= set(offsets)
    assert {i for i, _ in found} == {j for _, j in found} == set(range(-2, 3))
    assert len(found) > 15


def test_flip_mirrors_half_of_the_images():
    mirrored = [
        np.array_equal(image, given[:, ::-1])
        for image, given in zip(flip(KEY, X), np.asarray(X), strict=True)
    ]
    kept = [
        np.array_equal(image, given)
        for image, given in zip(flip(KEY, X), np.asarray(X), strict=True)
    ]
    assert sum(mirrored) + sum(kept) == 40
    assert 10 < sum(mirrored) < 30


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3])
def test_cutout_blanks_a_square_around_any_pixel(size):
    corners, cut_off = set(), set()
    for image, given in zip(np.asarray(cutout(KEY, X, size=size)), np.asarray(X), strict=True):
        rows, columns = (sorted(set(positions)) for positions in np.nonzero(image[..., 0] == 0))
        for positions, extent in ((rows, 6), (columns, 5)):
            assert positions == list(range(positions[0], positions[-1] + 1))
            assert len(positions) == size or positions[0] == 0 or positions[-1] == extent - 1
        blank = np.zeros((6, 5, 2), bool)
        blank[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        np.testing.assert_array_equal(image, np.where(blank, 0, given))
        corners.add((rows[0], columns[0]))
        if len(rows) < size:
            cut_off.add(rows[0])
    assert len(corners) > 12
    if size == 3:  # hangs over on both sides
        assert cut_off == {0, 4}


def test_nothing_asked_for_is_nothing():
    assert make_augment() is None


def test_augment_does_one_after_another_with_keys_of_their_own():
    keys = jax.random.split(KEY, 2)
    expected = cutout(keys[1], shift(keys[0], X, pixels=1), size=2)
    np.testing.assert_array_equal(make_augment(shift_pixels=1, cutout_size=2)(KEY, X), expected)


@pytest.mark.slow
def test_a_batch_on_two_devices_is_augmented_as_on_one():
    augment = jax.jit(make_augment(shift_pixels=2, flips=True, cutout_size=2))
    np.testing.assert_array_equal(
        augment(KEY, split(make_mesh(2, 40, 30), np.asarray(X))), augment(KEY, X)
    )


def test_a_mesh_has_as_many_devices_as_pay():
    assert make_mesh(None, 32, 64).size == 1
    assert make_mesh(None, 128, 784).size == 2
    assert make_mesh(None, 127, 784).size == 1
    assert make_mesh(2, 2, 1).axis_types == (AxisType.Auto,)
