"""Arrays in the IDX format of MNIST.

An IDX file is, all of it big-endian: two zero bytes, a byte for the type of an element,
a byte for the number of dimensions, a uint32 for each dimension, and the elements in
row-major order (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
It may be gzipped.

A file is read to the end that its header gives, and one byte further, because a small
gzip file may unpack to gigabytes, and a header may promise anything.
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
from typing import BinaryIO

import numpy as np

from jaxcnn.programs.data.errors import DataError

MOST = 2**29  # unpacked bytes that are read of a file: more than ten times MNIST
MOST_DIMENSIONS = 64  # of a NumPy array
CHUNK = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path, most: int = MOST) -> np.ndarray:
    """The array in an IDX file, in its own shape and dtype (big-endian), read-only.

    Args:
      path: of the file, gzipped or not.
      most: bytes that it may have when unpacked.

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
    # NumPy's limit leaves axes of length 0 out of the product.
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
    """`content`, decompressed if it is a gzip file. Its first bytes decide, because a
    browser may have decompressed a file and kept its name.

    Raises:
      DataError: if it is damaged, or has more than `most` bytes.
    """
    return b"".join(unpacked_chunks(content, most))


def unpacked_chunks(content: bytes, most: int = MOST) -> Iterator[bytes]:
    """`unpacked` in pieces, so that only one piece is in memory at a time."""
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
    """The file's content, unpacked while it is read: all members of a gzip file, one
    after the other (RFC 1952).

    Raises:
      _DamageError: when damaged bytes are reached.
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
    """`found` with what comes next, up to `count` bytes in all. Memory is allocated for
    bytes that arrive, not for bytes that were promised."""
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
