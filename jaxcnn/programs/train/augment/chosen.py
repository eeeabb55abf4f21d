"""The augmentation that a run's options choose, as one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.programs.train.augment.colours import colour
from jaxcnn.programs.train.augment.crops import crop, cutout, shift
from jaxcnn.programs.train.augment.flips import alternating_flip, flip
from jaxcnn.programs.train.augment.mixing import mixup
from jaxcnn.programs.train.augment.options import AugmentOptions

OfImages = Callable[[Array, Array], Array]
OfBatch = Callable[[Array, Array, Array, Array], tuple[Array, Array]]


def make_augment(
    options: AugmentOptions,
    *,
    classes: int,
    steps_per_epoch: int,
    seed: int,
    mean: Sequence[float] = (0.0,),
) -> OfBatch | None:
    """A function (key, x, y, step) -> (x, y) that applies the chosen augmentations one
    after another, for `make_train_step`; None if none is chosen.

    It takes images (n, h, w, c), float32 in [0, 1] before normalisation, and classes
    (n,). It gives images in [0, 1], and the same classes, or with mixup probabilities
    (n, classes). Mirrored first, because alternating flips need the pixels as they were
    read; then moved, coloured, covered, mixed.

    Args:
      options: that are checked.
      classes: how many there are.
      steps_per_epoch: steps of an epoch, as the state counts them: batches.
      seed: of the run.
      mean: of the training images in [0, 1], a value or one for each channel; it fills
        what cutout covers.

    >>> options = AugmentOptions(crop=1, mixup=1.0)
    >>> augment = make_augment(options, classes=3, steps_per_epoch=9, seed=0)
    >>> x, y = jnp.ones((4, 2, 2, 1)), jnp.array([0, 1, 2, 0])
    >>> x, y = augment(jax.random.key(1), x, y, 0)
    >>> x.shape, y.shape
    ((4, 2, 2, 1), (4, 3))
    """
    chosen: list[OfBatch] = []
    if options.alternate_flips:
        chosen.append(_alternating(steps_per_epoch, seed))
    if options.flip:
        chosen.append(_of_batch(flip))
    if options.crop:
        chosen.append(_of_batch(partial(crop, pixels=options.crop)))
    if options.shift:
        chosen.append(_of_batch(partial(shift, pixels=options.shift)))
    if options.brightness or options.contrast or options.saturation:
        amounts = {
            name: getattr(options, name) for name in ("brightness", "contrast", "saturation")
        }
        chosen.append(_of_batch(partial(colour, **amounts)))
    if options.cutout:
        chosen.append(_of_batch(partial(cutout, size=options.cutout, fill=mean)))
    if options.mixup:
        mix = partial(mixup, alpha=options.mixup, classes=classes)
        chosen.append(lambda key, x, y, step: mix(key, x, y))
    if not chosen:
        return None

    def augment(key: Array, x: Array, y: Array, step: Array) -> tuple[Array, Array]:
        for function, own_key in zip(chosen, jax.random.split(key, len(chosen)), strict=True):
            x, y = function(own_key, x, y, step)
        return x, y

    return augment


def _of_batch(function: OfImages) -> OfBatch:
    return lambda key, x, y, step: (function(key, x), y)


def _alternating(steps_per_epoch: int, seed: int) -> OfBatch:
    def of_epoch(key: Array, x: Array, y: Array, step: Array) -> tuple[Array, Array]:
        epoch = jnp.asarray(step, jnp.int32) // steps_per_epoch
        return alternating_flip(x, epoch, seed=seed), y

    return of_epoch
