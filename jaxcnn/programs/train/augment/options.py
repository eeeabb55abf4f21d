"""The options of augmentation and balance, and their checks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxcnn.programs.options import ConfigError, require, require_count

MOST_MIXUP = 1000.0
"""Above it, all pairs are mixed half and half within 2 %."""


@dataclass(frozen=True)
class AugmentOptions:
    """How training images are changed in each step, by chance; test images never
    are."""

    shift: int = 0
    """Augmentation: move each image by up to this many pixels; black comes in at the
    border."""
    crop: int = 0
    """Augmentation: move each image by up to this many pixels; its mirror image comes
    in at the border."""
    flip: bool = False
    """Augmentation: mirror half of the images, at random, left to right."""
    alternate_flips: bool = False
    """Augmentation: mirror each image in every second epoch, half of them in the even
    ones, and none at random."""
    brightness: float = 0.0
    """Augmentation: brightness of each image times a random factor, up to this share
    more or less."""
    contrast: float = 0.0
    """Augmentation: contrast of each image, as its brightness."""
    saturation: float = 0.0
    """Augmentation: saturation of each colour image, as its brightness."""
    cutout: int = 0
    """Augmentation: cover a square in each image by the mean colour, its sides of this
    many pixels."""
    mixup: float = 0.0
    """Augmentation: mix each image, and its label, with another one, in a proportion
    from the distribution Beta(mixup, mixup), for instance 0.2."""
    balance: bool = False
    """Weigh the training images by the inverse of their class's frequency, so that rare
    classes count as much as frequent ones."""


def check_augment(options: AugmentOptions) -> None:
    """Raises ConfigError for an option that makes no sense, whatever the images."""
    for name in ("shift", "crop", "cutout"):
        require_count(name, getattr(options, name), least=0)
    for name in ("brightness", "contrast", "saturation"):
        value = getattr(options, name)
        require(name, "between 0 and 1", 0 <= value <= 1, value)
    value = options.mixup
    needed = f"between 0 and {MOST_MIXUP:g}"
    require("mixup", needed, math.isfinite(value) and 0 <= value <= MOST_MIXUP, value)
    require("mixup", "0, or at least 0.001", value == 0 or value >= 1e-3, value)
    if options.flip and options.alternate_flips:
        raise ConfigError("--flip and --alternate-flips exclude one another: pass one of them")


def check_augment_with_data(options: AugmentOptions, image_shape: Sequence[int]) -> None:
    """Raises ConfigError for an option that makes no sense with images of this shape,
    (h, w, c)."""
    size = min(image_shape[:2])
    for name in ("shift", "crop"):
        needed = f"less than the {size} pixels of an image, of which nothing would be left"
        require(name, needed, getattr(options, name) < size, getattr(options, name))
    needed = f"at most the {size} pixels of an image"
    require("cutout", needed, options.cutout <= size, options.cutout)
    needed = "0 for images of one channel, which have no colour"
    grey = image_shape[2] == 1
    require("saturation", needed, not (grey and options.saturation), options.saturation)
