"""The four files of MNIST, or of a data set in the same form, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.idx import read_idx

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIDE = 28  # pixels of an image's height and of its width
CLASSES = 10


class Part(NamedTuple):
    """Images (n, 28, 28) and their labels (n,), all uint8 and read-only."""

    images: np.ndarray
    labels: np.ndarray


def read_folder(folder: Path) -> tuple[Part, Part]:
    """The training and the test images in a folder with the four `FILES`, each gzipped
    or not.

    Raises:
      DataError: if a file is missing, is no whole IDX file, or does not hold what its
        name says.
    """
    paths = _find(folder)
    train_images, train_labels, test_images, test_labels = (paths[name] for name in FILES)
    return _read_part(train_images, train_labels), _read_part(test_images, test_labels)


def _find(folder: Path) -> dict[str, Path]:
    """The path of each of `FILES` in the folder, under any of its names."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is {'a file' if folder.exists() else 'not there'}: a folder with"
            f" {_listed(FILES)} is needed"
        )
    present = {
        name: [folder / spelling for spelling in _spellings(name) if (folder / spelling).is_file()]
        for name in FILES
    }
    missing = [name for name in FILES if not present[name]]
    if missing:
        there = [paths[0].name for paths in present.values() if paths]
        raise DataError(
            f"{folder} lacks {_listed(missing)}; of the four files it has"
            f" {_listed(there) if there else 'none'}. Accepted names are as in"
            f" {_listed(_spellings(FILES[0]))}"
        )
    return {name: paths[0] for name, paths in present.items()}


def _spellings(name: str) -> tuple[str, ...]:
    """The names that copies of a file have, in the order of preference: a verified
    download has the first."""
    dotted = name.replace("-idx", ".idx")
    return f"{name}.gz", name, f"{dotted}.gz", dotted


def _read_part(images_path: Path, labels_path: Path) -> Part:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        hint = (
            ". These look like labels: have two files been exchanged?" if images.ndim == 1 else ""
        )
        raise DataError(
            f"{images_path} must hold images, uint8 of shape (n, {SIDE}, {SIDE}),"
            f" {_holds(images)}{hint}"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        hint = (
            ". These look like images: have two files been exchanged?" if labels.ndim == 3 else ""
        )
        raise DataError(
            f"{labels_path} must hold labels, uint8 of shape (n,), {_holds(labels)}{hint}"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images):,} images and {labels_path} has {len(labels):,}"
            " labels: they must be as many. Is one file of the training images and the other of"
            " the test images?"
        )
    if not len(images):
        raise DataError(f"{images_path} has no images: download or copy it again")
    if labels.max() >= CLASSES:
        at = int(labels.argmax())
        raise DataError(
            f"{labels_path} must have labels from 0 to {CLASSES - 1}, got {labels[at]} for image"
            f" {at}. Does it belong to another data set, with more classes?"
        )
    return Part(images, labels)


def _holds(array: np.ndarray) -> str:
    return f"and holds {array.dtype.name} of shape {array.shape}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
