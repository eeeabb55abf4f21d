"""Augmentation of one image at a time: where it lies, what of it is covered, how it is
mirrored; and all of them one after another."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from jaxcnn.programs.devices import make_mesh
from jaxcnn.programs.train.augment.chosen import make_augment
from jaxcnn.programs.train.augment.colours import colour
from jaxcnn.programs.train.augment.crops import crop, cutout, shift
from jaxcnn.programs.train.augment.flips import alternating_flip, flip
from jaxcnn.programs.train.augment.mixing import mixup
from jaxcnn.programs.train.augment.options import AugmentOptions
from jaxcnn.training.placement import split_batch

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).integers(1, 256, (40, 6, 5, 3)) / 255, jnp.float32)
Y = jnp.asarray(np.arange(40) % 7)
ALL = AugmentOptions(
    shift=1,
    crop=2,
    flip=True,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    cutout=2,
    mixup=0.4,
)
together = partial(make_augment, classes=7, steps_per_epoch=5, seed=0)


def moved(image, down, right, mode):
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode)
    return padded[2 - down : 2 - down + image.shape[0], 2 - right : 2 - right + image.shape[1]]


@pytest.mark.parametrize(
    ("function", "mode"),
    [
        pytest.param(shift, "constant", id="shift"),
        pytest.param(partial(crop, border="black"), "constant", id="black"),
        pytest.param(crop, "reflect", id="reflect"),
    ],
)
def test_each_image_is_moved_by_one_of_all_offsets(function, mode):
    found = set()
    for image, given in zip(np.asarray(function(KEY, X, pixels=2)), np.asarray(X), strict=True):
        offsets = [
            (i, j)
            for i in range(-2, 3)
            for j in range(-2, 3)
            if np.array_equal(image, moved(given, i, j, mode))
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


def alternating(x, epoch, seed=0):
    return np.asarray(alternating_flip(x, jnp.int32(epoch), seed=seed))


def which_mirrored(images, given):
    """Of each image, whether it is mirrored; it is one of the two."""
    mirrored = [
        np.array_equal(a, b[:, ::-1]) for a, b in zip(images, np.asarray(given), strict=True)
    ]
    kept = [np.array_equal(a, b) for a, b in zip(images, np.asarray(given), strict=True)]
    assert np.array_equal(mirrored, np.logical_not(kept))
    return np.array(mirrored)


def test_alternating_flips_show_each_image_both_ways_in_two_epochs():
    even, odd, third = (alternating(X, epoch) for epoch in (0, 1, 2))
    mirrored = which_mirrored(even, X)
    np.testing.assert_array_equal(which_mirrored(odd, X), ~mirrored)
    np.testing.assert_array_equal(third, even)
    assert 10 < mirrored.sum() < 30


def test_alternating_flips_know_an_image_in_any_batch_and_another_seed_draws_anew():
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(alternating(X[order], 0), alternating(X, 0)[order])
    halves = [which_mirrored(alternating(X, 0, seed), X) for seed in range(8)]
    agreeing = np.corrcoef(np.array(halves, float))[np.triu_indices(8, 1)]
    assert np.abs(agreeing).max() < 0.6  # about three standard deviations of 1 / sqrt(40)


@pytest.mark.parametrize("levels", [1, 2, 64])
def test_images_that_differ_in_one_pixel_are_drawn_apart(levels):
    """The hash sees each bit of each pixel."""
    pixels = np.tile(np.arange(8) * 20, (64, 8, 1))[..., None]
    pixels[np.arange(64), np.arange(64) // 8, np.arange(64) % 8] += levels
    images = jnp.asarray(pixels / 255, jnp.float32)
    for seed in range(4):
        assert 16 < which_mirrored(alternating(images, 0, seed), images).sum() < 48


def test_flips_alternate_with_the_epoch_of_the_step():
    augment = together(AugmentOptions(alternate_flips=True))
    given = [np.asarray(augment(KEY, X, Y, jnp.int32(step))[0]) for step in (0, 4, 5, 9, 10)]
    for step, epoch in enumerate((0, 0, 1, 1, 2)):
        np.testing.assert_array_equal(given[step], alternating(X, epoch))


@pytest.mark.parametrize("size", [1, 3])
def test_cutout_covers_a_square_around_any_pixel(size):
    corners, cut_off, fill = set(), set(), np.array([0.0, 0.5, 1.0], np.float32)
    covered = np.asarray(cutout(KEY, X, size=size, fill=fill.tolist()))
    for image, given in zip(covered, np.asarray(X), strict=True):
        rows, columns = (sorted(set(positions)) for positions in np.nonzero(image[..., 0] == 0))
        for positions, extent in ((rows, 6), (columns, 5)):
            assert positions == list(range(positions[0], positions[-1] + 1))
            assert len(positions) == size or positions[0] == 0 or positions[-1] == extent - 1
        expected = given.copy()
        expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = fill
        np.testing.assert_array_equal(image, expected)
        corners.add((rows[0], columns[0]))
        if len(rows) < size:
            cut_off.add(rows[0])
    assert len(corners) > 12
    if size == 3:  # hangs over on both sides
        assert cut_off == {0, 4}


def test_nothing_asked_for_is_nothing():
    assert together(AugmentOptions(balance=True)) is None


def test_one_after_another_with_keys_of_their_own():
    keys = jax.random.split(KEY, 4)
    x = crop(keys[0], X, pixels=2)
    x = colour(keys[1], x, brightness=0.3, contrast=0.2)
    x = cutout(keys[2], x, size=2, fill=(0.1, 0.2, 0.3))
    expected = mixup(keys[3], x, Y, alpha=0.4, classes=7)
    options = AugmentOptions(crop=2, brightness=0.3, contrast=0.2, cutout=2, mixup=0.4)
    given = together(options, mean=(0.1, 0.2, 0.3))(KEY, X, Y, jnp.int32(0))
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_without_mixup_are_the_same():
    x, y = together(AugmentOptions(shift=1))(KEY, X, Y, jnp.int32(0))
    np.testing.assert_array_equal(x, shift(jax.random.split(KEY, 1)[0], X, pixels=1))
    assert y is Y


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(AugmentOptions(crop=2), id="crop"),
        pytest.param(AugmentOptions(mixup=0.4), id="mixup"),
        pytest.param(ALL, id="all", marks=pytest.mark.slow),
        pytest.param(
            replace(ALL, flip=False, alternate_flips=True), id="alternate", marks=pytest.mark.slow
        ),
    ],
)
def test_a_batch_on_two_devices_is_augmented_as_on_one(options):
    augment = jax.jit(together(options))
    mesh, step = make_mesh(2, 40, 30), jnp.int32(7)
    on_two = augment(KEY, split_batch(np.asarray(X), mesh), split_batch(np.asarray(Y), mesh), step)
    for a, b in zip(on_two, augment(KEY, X, Y, step), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_an_image_does_not_depend_on_the_others():
    """But for its partner in mixup, which is the one before it."""
    augment = jax.jit(together(ALL))
    changed = augment(KEY, X.at[10].set(0.5), Y.at[10].set(5), jnp.int32(0))
    for a, b in zip(changed, augment(KEY, X, Y, jnp.int32(0)), strict=True):
        differ = np.any(np.asarray(a != b).reshape(40, -1), axis=1)
        assert set(np.flatnonzero(differ)) <= {10, 11}
        assert differ[10]


def test_the_same_key_gives_the_same_and_another_one_something_else():
    augment = jax.jit(together(ALL))
    first, again, other = (
        augment(key, X, Y, jnp.int32(0)) for key in (KEY, KEY, jax.random.key(1))
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.any(np.asarray(a != c).reshape(40, -1), axis=1).mean() > 0.9


def test_a_mesh_has_as_many_devices_as_pay():
    assert make_mesh(None, 32, 64).size == 1
    assert make_mesh(None, 128, 784).size == 2
    assert make_mesh(None, 127, 784).size == 1
    assert make_mesh(2, 2, 1).axis_types == (AxisType.Auto,)
