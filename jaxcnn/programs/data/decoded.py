"""Many files, decoded once by several threads: into one array, or to learn what is in
them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from jaxcnn.programs.data.decoding import Fit, read_image
from jaxcnn.programs.data.errors import DataError, PictureError
from jaxcnn.programs.data.statistics import DIGEST, channel_sums, digest_of
from jaxcnn.programs.data.threads import bar, in_threads

AT_ONCE = 16  # files that a thread takes at a time, and that an interruption waits for

Shape = tuple[int, int, int]
"""Of an image: (h, w, c)."""


class Wanted(NamedTuple):
    """How files are decoded.

    Attributes:
      size: (h, w) in pixels; None if all images have one size, which is kept.
      channels: 1 or 3; None for 1 if no image has a colour, else 3.
      fit: as in `DataOptions`.
    """

    size: tuple[int, int] | None
    channels: int | None
    fit: Fit


class Decoded(NamedTuple):
    """What is known of n files after they were decoded.

    Attributes:
      images: of the files that are whole, (whole, h, w, c), uint8; None if they were
        not to be kept.
      image_shape: (h, w, c).
      whole: which of the files are, (n,), bool.
      digests: of the pixels of each file, (n, 16), uint8; zeros where it is broken. The
        same for a grey image of one channel and of three.
      sums: as `channel_sums` of each file, (n, 2, c), int64; zeros where it is broken.
      reasons: why a file is broken, by its index.
    """

    images: np.ndarray | None
    image_shape: Shape
    whole: np.ndarray
    digests: np.ndarray
    sums: np.ndarray
    reasons: dict[int, str]


def shape_of(files: Sequence[Path], wanted: Wanted) -> Shape:
    """The shape in which files are decoded, which without a wanted size is that of the
    first file that is an image.

    Raises:
      DataError: if there is none.
    """
    channels = wanted.channels or 3
    if wanted.size is not None:
        return (*wanted.size, channels)
    reason = "there are none"
    for file in files:
        try:
            return (*read_image(file, size=None, channels=1).shape[:2], channels)
        except PictureError as error:
            reason = str(error)
    raise DataError(f"none of {len(files):,} files is an image that can be read: {reason}")


def decode(
    files: Sequence[Path],
    wanted: Wanted,
    shape: Shape,
    *,
    keep: bool,
    console: Console | None = None,
) -> Decoded:
    """Decode files with as many threads as there are cores; Pillow lets them run beside
    one another.

    Args:
      files: at least one.
      wanted: how.
      shape: as `shape_of` gives it.
      keep: whether to keep the images, or only what is known of them.
      console: shows a bar if it is a terminal; stderr by default.

    Raises:
      DataError: if no size was asked for, and there are two.
    """
    count, channels = len(files), shape[2]
    images = np.empty((count if keep else 0, *shape), np.uint8)
    whole, grey = np.zeros(count, bool), np.ones(count, bool)
    digests = np.zeros((count, DIGEST), np.uint8)
    sums = np.zeros((count, 2, channels), np.int64)
    reasons: dict[int, str] = {}

    def work(first: int) -> int:
        last = min(first + AT_ONCE, count)
        for index in range(first, last):
            try:
                image = read_image(
                    files[index], size=wanted.size, channels=channels, fit=wanted.fit
                )
            except PictureError as error:
                reasons[index] = error.reason
                continue
            if image.shape != shape:
                raise DataError(_other_size(files[index], image.shape, shape))
            whole[index] = True
            grey[index] = (image[..., 1:] == image[..., :1]).all()
            digests[index] = digest_of(image[..., :1] if grey[index] else image)
            sums[index] = channel_sums(image[None])
            if keep:
                images[index] = image
        return last - first

    with bar("decoding images", count, console) as advance:
        for done in in_threads(work, range(0, count, AT_ONCE)):
            advance(done)
    if wanted.channels is None and grey.all():
        channels = 1
    return Decoded(
        np.ascontiguousarray(_without_gaps(images, whole)[..., :channels]) if keep else None,
        (*shape[:2], channels),
        whole,
        digests,
        sums[..., :channels],
        dict(sorted(reasons.items())),
    )


def _without_gaps(images: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The whole images, moved to the front in place: there may be no memory for a
    copy."""
    kept = np.flatnonzero(whole)
    for new, old in enumerate(kept):
        if new != old:
            images[new] = images[old]
    return images[: len(kept)]


def _other_size(file: Path, found: Sequence[int], shape: Shape) -> str:
    return (
        f"the images have different sizes, {file} {found[1]}x{found[0]} and others"
        f" {shape[1]}x{shape[0]}: --image-size N brings them all to NxN pixels"
    )
