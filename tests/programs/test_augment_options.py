"""The options of augmentation: what is refused, and that a run with all of them
trains."""

from __future__ import annotations

import pytest

from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.train.augment.options import (
    AugmentOptions,
    check_augment,
    check_augment_with_data,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": -1}, "--shift must be at least 0, got -1"),
        ({"crop": -1}, "--crop must be at least 0, got -1"),
        ({"cutout": -2}, "--cutout must be at least 0, got -2"),
        ({"brightness": 1.5}, "--brightness must be between 0 and 1, got 1.5"),
        ({"contrast": -0.1}, "--contrast must be between 0 and 1, got -0.1"),
        ({"saturation": float("nan")}, "--saturation must be between 0 and 1, got nan"),
        ({"mixup": -0.2}, "--mixup must be between 0 and 1000, got -0.2"),
        ({"mixup": float("inf")}, "--mixup must be between 0 and 1000, got inf"),
        ({"mixup": 1e-9}, "--mixup must be 0, or at least 0.001, got 1e-09"),
        (
            {"flip": True, "alternate_flips": True},
            "--flip and --alternate-flips exclude one another: pass one of them",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ConfigError) as caught:
        check_augment(AugmentOptions(**options))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"crop": 8},
            "--crop must be less than the 8 pixels of an image, of which nothing would be left,"
            " got 8",
        ),
        ({"cutout": 9}, "--cutout must be at most the 8 pixels of an image, got 9"),
        (
            {"saturation": 0.5},
            "--saturation must be 0 for images of one channel, which have no colour, got 0.5",
        ),
    ],
)
def test_what_makes_no_sense_with_the_images_is_refused(options, message):
    with pytest.raises(ConfigError) as caught:
        check_augment_with_data(AugmentOptions(**options), (8, 9, 1))
    assert str(caught.value) == message


def test_what_makes_sense_is_taken():
    options = AugmentOptions(
        crop=7, shift=7, cutout=8, brightness=1, contrast=1, saturation=1, mixup=1000, flip=True
    )
    check_augment(options)
    check_augment_with_data(options, (8, 9, 3))
    check_augment(AugmentOptions())
