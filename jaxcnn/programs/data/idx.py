"""Images and labels in the IDX format of MNIST, from a folder with its four files.

An IDX file is, all of it big-endian: two zero bytes, a byte for the type of an element,
a byte for the number of dimensions, a uint32 for each dimension, and the elements in
row-major order (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
It may be gzipped.

A file is read as far as its header says that it goes, and a byte further: a small gzip
file may unpack to gigabytes, and a header may promise anything.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIDE = 28  # pixels of an image's height and of its width
CLASSES = 10

MOST = 2**29  # bytes that are read of a file, unpacked: ten times MNIST and more
MOST_DIMENSIONS = 64  # of a NumPy array
CHUNK = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class DataError(ValueError):
    """A data set cannot be had: its files are missing, or are not what they should be,
    or could not be downloaded."""


class Split(NamedTuple):
    """Images (n, 28, 28) and their labels (n,), all uint8 and read-only."""

    images: np.ndarray
    labels: np.ndarray


def read_folder(folder: Path) -> tuple[Split, Split]:
    """The training and the test images of a folder that has the four `FILES`, each
    gzipped or not.

    Raises:
      DataError: if a file is missing, is no whole IDX file, or holds something else
        than what its name promises.
    """
    paths = _find(folder)
    train_images, train_labels, test_images, test_labels = (paths[name] for name in FILES)
    return _read_split(train_images, train_labels), _read_split(test_images, test_labels)


def read_idx(path: Path, most: int = MOST) -> np.ndarray:
    """The array in an IDX file, of its own shape and type (big-endian), read-only.

    Args:
      path: of the file, gzipped or not.
      most: bytes that it may have, unpacked.

    Raises:
      DataError: if the file cannot be read, is no IDX file, promises more than may be
        read, or is longer or shorter than its header says.
    """
    try:
        with path.open("rb") as file, _content(file) as content:
            return _read(path, content, os.fstat(file.fileno()).st_size, most)
    except _DamageError as error:
        raise DataError(f"{path} is {error}: download or copy it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _read(path: Path, content: BinaryIO, size: int, most: int) -> np.ndarray:
    start = _filled(bytearray(), content, 16)
    if not start:
        raise DataError(f"{path} is empty: download or copy it again")
    dtype = (
        np.dtype(_DTYPES[start[2]])
        if len(start) >= 4 and start[:2] == b"\0\0" and start[2] in _DTYPES
        else None
    )
    if dtype is None:
        raise DataError(
            f"{path} is no IDX file: it begins with {bytes(start)!r}, and an IDX file with two zero"
            " bytes and the code of a type"
            + (
                ". It looks like a web page: download the file itself"
                if start.lstrip().startswith(b"<")
                else ""
            )
        )
    dimensions = start[3]
    if dimensions > MOST_DIMENSIONS:
        raise DataError(
            f"{path} must have at most {MOST_DIMENSIONS} dimensions, and its header promises"
            f" {dimensions}"
        )
    header = 4 + 4 * dimensions
    start = _filled(start, content, header)
    if len(start) < header:
        raise DataError(
            f"{path} is cut off in its header, which has {header} bytes, at {len(start)}: download"
            " or copy it again"
        )
    shape = tuple(int.from_bytes(start[at : at + 4], "big") for at in range(4, header, 4))
    needed = header + math.prod(shape) * dtype.itemsize
    promise = (
        f"its header promises {dtype.name} of shape {_shortened(shape)}, {_bytes(needed)} with the"
        " header"
    )
    # NumPy counts the entries that axes of length 0 would have otherwise.
    if max(needed, math.prod(n for n in shape if n) * dtype.itemsize) > most:
        raise DataError(f"{path} has too much in it: {promise}, and {most:,} are read at most")
    body = _filled(start[header:], content, needed - header + 1)
    have = header + len(body)
    if have != needed:
        fault = "was cut off" if have < needed else "has something behind its end"
        packed = isinstance(content, gzip.GzipFile)
        had = (
            f"{have if have < needed else max(have, size):,} bytes"
            if have < needed or not packed
            else "more"
        )
        raise DataError(
            f"{path} {fault}: {promise}, and it has {had} (uncompressed): download or copy it again"
        )
    array = np.frombuffer(body, dtype).reshape(shape)
    array.flags.writeable = False
    return array


def unpacked(content: bytes, most: int = MOST) -> bytes:
    """`content`, decompressed if it is a gzip file. Its first bytes decide: names lie,
    once a browser has decompressed a file.

    Raises:
      DataError: if it is damaged, or has more than `most` bytes.
    """
    return b"".join(unpacked_chunks(content, most))


def unpacked_chunks(content: bytes, most: int = MOST) -> Iterator[bytes]:
    """`unpacked`, piece by piece: no more than a piece of it is in memory."""
    if not content.startswith(_GZIP_MAGIC):
        if len(content) > most:
            raise DataError(f"more than the {most:,} bytes that it may have")
        yield content
        return
    have = 0
    try:
        with _content(io.BytesIO(content)) as file:
            while chunk := file.read(min(CHUNK, most + 1 - have)):
                have += len(chunk)
                if have > most:
                    raise DataError(
                        f"a gzip file that unpacks to more than the {most:,} bytes that it may have"
                    )
                yield chunk
    except _DamageError as error:
        raise DataError(str(error)) from error


class _DamageError(Exception):
    """What is wrong with a gzip file."""


@contextmanager
def _content(file: BinaryIO) -> Iterator[BinaryIO]:
    """What is in the file, unpacked as it is read: all members of a gzip file, one
    after the other (RFC 1952).

    Raises:
      _DamageError: when the damage is read.
    """
    packed = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    if not packed:
        yield file
        return
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as content:
            yield content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _DamageError(f"a damaged gzip file ({error})") from error


def _filled(found: bytearray, content: BinaryIO, count: int) -> bytearray:
    """With what comes next, up to `count` bytes in all: memory is taken for what comes,
    not for what was promised."""
    while len(found) < count and (chunk := content.read(min(CHUNK, count - len(found)))):
        found += chunk
    return found


def _shortened(shape: tuple[int, ...]) -> str:
    return (
        str(shape)
        if len(shape) <= 8
        else f"({', '.join(map(str, shape[:8]))}, ...) with {len(shape)} axes"
    )


def _bytes(count: int) -> str:
    return f"{count:,} bytes" if count < 10**24 else "more than 10^24 bytes"


def _find(folder: Path) -> dict[str, Path]:
    """Where each of `FILES` is in the folder, under any of its names."""
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
    """The names that copies of a file have. The first is that of a verified download:
    it goes before the others."""
    dotted = name.replace("-idx", ".idx")
    return f"{name}.gz", name, f"{dotted}.gz", dotted


def _read_split(images_path: Path, labels_path: Path) -> Split:
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
    return Split(images, labels)


def _holds(array: np.ndarray) -> str:
    return f"and holds {array.dtype.name} of shape {array.shape}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
