"""Published sets that come as arrays, brought to the classes, the size and the channels
that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches

import numpy as np

from jaxcnn.programs.data.decoding import fitted
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Dataset, Split
from jaxcnn.programs.data.statistics import (
    channel_sums,
    fingerprint_of,
    normalisation_of,
)
from jaxcnn.programs.options import ConfigError, shown


def from_arrays(
    options: DataOptions,
    classes: tuple[str, ...],
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A data set of arrays: images (n, h, w, c), uint8, and labels (n,) in each split.

    Raises:
      ConfigError: if `options.classes` names what is no class.
    """
    kept = chosen_classes(options.classes, classes)
    splits = [_prepared(options, _of_classes(x, y, classes, kept)) for x, y in (train, test)]
    first, second = splits
    images = first.images
    assert isinstance(images, np.ndarray), "it was made of an array"
    shape = images.shape[1:]
    return Dataset(
        train=first,
        test=second,
        final=second,
        classes=kept,
        name=options.dataset,
        normalisation=normalisation_of(channel_sums(images), images[..., 0].size),
        image_shape=shape,
        notes=notes,
        fingerprint=fingerprint_of(
            shape, kept, [((), split.labels, np.asarray(split.images)) for split in splits]
        ),
    )


def chosen_classes(chosen: tuple[str, ...] | None, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of --classes, or all.

    Raises:
      ConfigError: if one of them is not there.
    """
    for name in chosen or ():
        if name not in classes:
            likely = get_close_matches(name, classes, n=1)
            slip = f": did you mean {shown(likely[0])}?" if likely else ""
            there = ", ".join(map(shown, classes[:20])) + (", ..." if len(classes) > 20 else "")
            raise ConfigError(
                f"--classes must be names of classes, got {shown(repr(name))}{slip or ':'} There"
                f" are {there}"
            )
    return tuple(classes) if chosen is None else chosen


def _of_classes(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], kept: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    if tuple(kept) == tuple(classes):
        return images, labels
    table = np.full(len(classes), -1)
    for label, name in enumerate(kept):
        table[classes.index(name)] = label
    new = table[labels]
    return images[new >= 0], new[new >= 0]


def _prepared(options: DataOptions, part: tuple[np.ndarray, np.ndarray]) -> Split:
    images, labels = part
    height, width, given = images.shape[1:]
    size = (height, width) if options.image_size is None else (options.image_size,) * 2
    channels = options.channels or given
    if (*size, channels) != images.shape[1:]:
        with ThreadPoolExecutor() as pool:
            fit = options.fit
            new = pool.map(lambda image: fitted(image, size, channels, fit), images)
            images = np.stack(list(new))
    return Split(images, labels.astype(np.int32))
