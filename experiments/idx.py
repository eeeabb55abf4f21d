"""Images and labels in the IDX format of MNIST, from a folder with its four files.

An IDX file is, all of it big-endian: two zero bytes, a byte for the type of an element, a byte for the number of dimensions, a
uint32 for each dimension, and the elements in row-major order (LeCun, Cortes and Burges, "The MNIST database of handwritten
digits"). It may be gzipped.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SIDE = 28  # pixels of an image's height and of its width
CLASSES = 10

_GZIP_MAGIC = b"\x1f\x8b"
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class DataError(ValueError):
    """A data set cannot be had: its files are missing, or are not what they should be, or could not be downloaded."""


class Split(NamedTuple):
    """Images (n, 28, 28) and their labels (n,), all uint8 and read-only."""

    images: np.ndarray
    labels: np.ndarray


def read_folder(folder: Path) -> tuple[Split, Split]:
    """The training and the test images of a folder that has the four `FILES`, each gzipped or not.

    Raises:
      DataError: if a file is missing, is no whole IDX file, or holds something else than what its name promises.
    """
    paths = _find(folder)
    train_images, train_labels, test_images, test_labels = (paths[name] for name in FILES)
    return _read_split(train_images, train_labels), _read_split(test_images, test_labels)


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, of its own shape and type (big-endian), read-only.

    Raises:
      DataError: if the file is no IDX file, or is longer or shorter than its header says.
    """
    try:
        content = unpacked(path.read_bytes())
    except DataError as error:
        raise DataError(f"{path} is {error}: download or copy it again") from error
    if not content:
        raise DataError(f"{path} is empty: download or copy it again")
    dtype = _DTYPES.get(content[2]) if len(content) >= 4 and content[:2] == b"\0\0" else None
    if dtype is None:
        raise DataError(
            f"{path} is no IDX file: it begins with {content[:16]!r}, and an IDX file with two zero bytes and the code of a type"
            + (". It looks like a web page: download the file itself" if content.lstrip().startswith(b"<") else "")
        )
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise DataError(
            f"{path} is cut off in its header, which has {header} bytes, at {len(content)}: download or copy it again"
        )
    shape = tuple(int.from_bytes(content[start : start + 4], "big") for start in range(4, header, 4))
    needed = header + math.prod(shape) * np.dtype(dtype).itemsize
    if len(content) != needed:
        fault = "was cut off" if len(content) < needed else "has something behind its end"
        raise DataError(
            f"{path} {fault}: its header promises {np.dtype(dtype).name} of shape {shape}, {needed:,} bytes with the header, "
            f"and it has {len(content):,} (uncompressed): download or copy it again"
        )
    return np.frombuffer(content, dtype, offset=header).reshape(shape)


def unpacked(content: bytes) -> bytes:
    """`content`, decompressed if it is a gzip file. Its first bytes decide: names lie, once a browser has decompressed a file."""
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"a damaged gzip file ({error})") from error


def _find(folder: Path) -> dict[str, Path]:
    """Where each of `FILES` is in the folder, under any of its names."""
    if not folder.is_dir():
        raise DataError(f"{folder} is {'a file' if folder.exists() else 'not there'}: a folder with {_listed(FILES)} is needed")
    present = {name: [folder / spelling for spelling in _spellings(name) if (folder / spelling).is_file()] for name in FILES}
    missing = [name for name in FILES if not present[name]]
    if missing:
        there = [paths[0].name for paths in present.values() if paths]
        raise DataError(
            f"{folder} lacks {_listed(missing)}; of the four files it has {_listed(there) if there else 'none'}. "
            f"Accepted names are as in {_listed(_spellings(FILES[0]))}"
        )
    return {name: paths[0] for name, paths in present.items()}


def _spellings(name: str) -> tuple[str, ...]:
    """The names that copies of a file have. The first is that of a verified download: it goes before the others."""
    dotted = name.replace("-idx", ".idx")
    return f"{name}.gz", name, f"{dotted}.gz", dotted


def _read_split(images_path: Path, labels_path: Path) -> Split:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        hint = ". These look like labels: have two files been exchanged?" if images.ndim == 1 else ""
        raise DataError(f"{images_path} must hold images, uint8 of shape (n, {SIDE}, {SIDE}), {_holds(images)}{hint}")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        hint = ". These look like images: have two files been exchanged?" if labels.ndim == 3 else ""
        raise DataError(f"{labels_path} must hold labels, uint8 of shape (n,), {_holds(labels)}{hint}")
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images):,} images and {labels_path} has {len(labels):,} labels: they must be as many. "
            "Is one file of the training images and the other of the test images?"
        )
    if not len(images):
        raise DataError(f"{images_path} has no images: download or copy it again")
    if labels.max() >= CLASSES:
        at = int(labels.argmax())
        raise DataError(
            f"{labels_path} must have labels from 0 to {CLASSES - 1}, got {labels[at]} for image {at}. "
            "Does it belong to another data set, with more classes?"
        )
    return Split(images, labels)


def _holds(array: np.ndarray) -> str:
    return f"and holds {array.dtype.name} of shape {array.shape}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
