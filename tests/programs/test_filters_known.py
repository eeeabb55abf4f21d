"""The filters that are known: their responses against hand-computed ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from jaxcnn.programs.filters.known import (
    EDGE,
    FILTERS,
    PATCHES,
    SIZE,
    Known,
    known,
    responses,
)


@pytest.fixture(scope="module")
def found() -> Known:
    return known()


def test_responses_to_patches(found):
    """By hand: the filter has six taps of +-1 and three of 2, squares 6 + 12; the
    positive taps sum to 9, the negative to -3."""
    expected = [[18, -18, 14], [-18, 18, -14], [6, -6, 0], [9, -9, 5], [-3, 3, -5]]
    assert list(found.patches.values()) == expected


def test_no_patch_in_0_to_1_gives_more_than_9_or_less_than_minus_3():
    """The response is linear in the patch, so its extremes are at patches of zeros and
    ones: all 512 of them."""
    patches = ((np.arange(512)[:, None] >> np.arange(9)) & 1).reshape(-1, 3, 3).astype(np.float32)
    values = responses(patches, "valid")[:, 0, 0, 0]
    assert (values.min(), values.max()) == (-3, 9)
    positive, negative = list(PATCHES.values())[3:]
    np.testing.assert_array_equal(patches[np.argmax(values)], positive)
    np.testing.assert_array_equal(patches[np.argmin(values)], negative)


def test_the_filter_minus_its_mean_answers_what_a_flat_patch_of_the_same_mean_does_not():
    patch = np.random.default_rng(0).random((1, 3, 3), np.float32)
    flat = np.full_like(patch, patch.mean())
    difference = responses(patch, "valid") - responses(flat, "valid")
    np.testing.assert_allclose(difference[..., 0], responses(patch, "valid")[..., 2], rtol=1e-5)


def test_the_examples_give_what_is_said_of_them(found):
    expected = [
        ([[4, 3], [2, 1]], [[1, 2], [3, 4]]),
        ([3, 2, 1, 0, 0], [1, 2, 3, 0, 0]),
        ([3, 2, 1], [2, 1, 0]),
        ([1, 1, 1], [-1, -1, -1]),
    ]
    for example, (cross_correlation, convolution) in zip(found.examples, expected, strict=True):
        assert example.cross_correlation.tolist() == cross_correlation
        assert example.convolution.tolist() == convolution


def test_shapes_are_dark_at_the_border_and_answer_as_they_should(found):
    largest = {}
    for shape in found.shapes:
        image, (filtered, opposite, _) = shape.image, shape.responses
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert border.max() == image.min() == 0
        assert image.max() == 1
        np.testing.assert_array_equal(opposite, -filtered)
        largest[shape.name] = filtered.max()
    assert largest["rising bar"] == 9 > largest["level bar"]


def test_photographs_and_their_responses(found):
    for photo in found.photos:
        assert photo.grey.shape == SIZE[::-1]
        y = photo.responses["Sobel, left to right"]
        patch = photo.grey[100:103, 50:53]
        wanted = (patch[:, 2] - patch[:, 0]) @ np.array([1, 2, 1])
        assert y[100, 50] == pytest.approx(wanted, abs=1e-5)
        for name, w in FILTERS.items():
            turned = np.sum(patch * w[::-1, ::-1])
            assert photo.flipped[name][100, 50] == pytest.approx(turned, abs=1e-5)
        np.testing.assert_allclose(photo.flipped["Sobel, left to right"], -y, atol=1e-5)


def test_photographs_are_credited_as_their_licence_wants(found):
    """By the text that scikit-learn ships beside them."""
    text = (Path(sklearn.datasets.__file__).parent / "images" / "README.txt").read_text()
    assert text.count("creativecommons.org/licenses/by/2.0/") == 2
    for photo in found.photos:
        assert f"Image: {photo.name}" in text
        assert photo.source in text
        assert photo.author in photo.source


def test_the_filter_is_the_documents():
    assert EDGE.tolist() == [[-1, -1, 2], [-1, 2, 1], [2, 1, 1]]
    assert EDGE.sum() == 6
