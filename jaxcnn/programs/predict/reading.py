"""The images that a command line names: files, folders, and names from standard
input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from jaxcnn.programs.data.decoding import read_image
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.walking import image_files
from jaxcnn.programs.devices import usable_cores
from jaxcnn.stored.model import StoredModel

LONGEST_NAME = 2**16  # bytes of a file's name from standard input
MOST_AT_ONCE = 64


class Picture(NamedTuple):
    """An image (h, w, c), uint8, in the model's size, and the file it is from."""

    file: str
    image: np.ndarray


class Unread(NamedTuple):
    """A file that is no image, and a line that names it and says why."""

    file: str
    why: str


def pictures(
    stored: StoredModel, words: Sequence[str], stdin: BufferedIOBase | None = None
) -> Iterator[list[Picture | Unread]]:
    """The images, a few at a time, decoded in threads.

    Args:
      stored: the model, whose size and channels they get.
      words: files, folders, or "-" for names from `stdin`.
      stdin: the names, one a line; `sys.stdin` by default.
    """
    given = cast(BufferedIOBase, sys.stdin.buffer) if stdin is None else stdin
    found = files(words, given)
    at_once = min(stored.batch, MOST_AT_ONCE)
    with ThreadPoolExecutor(min(usable_cores(), at_once)) as threads:
        while some := list(islice(found, at_once)):
            yield list(threads.map(lambda file: _read(stored, file), some))


def files(words: Iterable[str], stdin: BufferedIOBase) -> Iterator[str | Unread]:
    """The files that the words name. Those in a folder are in the order of their
    names."""
    for word in words:
        if word == "-":
            yield from names(stdin)
        elif os.path.isdir(word):
            try:
                inside = image_files(Path(word))
            except DataError as error:
                yield Unread(word, str(error))
                continue
            yield from map(str, inside.files)
            yield from (Unread(str(path), f"{path} {why}") for path, why in inside.refused)
        else:
            yield word


def names(stdin: BufferedIOBase) -> Iterator[str | Unread]:
    """The names in a stream, one a line; or with a NUL byte after each, as `find
    -print0` writes them.

    >>> import io
    >>> list(names(io.BytesIO(b"a.png\\ntwo words.png\\n")))
    ['a.png', 'two words.png']
    """
    rest, separator = b"", b""
    while block := stdin.read1(LONGEST_NAME):
        separator = separator or (b"\0" if b"\0" in block else b"\n" if b"\n" in block else b"")
        *whole, rest = (rest + block).split(separator) if separator else [rest + block]
        yield from (os.fsdecode(name) for name in map(_stripped, whole) if name)
        if len(rest) > LONGEST_NAME:
            yield Unread(
                "-", "standard input has no names of files: it has a line too long for one"
            )
            return
    if name := _stripped(rest):
        yield os.fsdecode(name)


def _stripped(name: bytes) -> bytes:
    return name.removesuffix(b"\r")


def _read(stored: StoredModel, file: str | Unread) -> Picture | Unread:
    if isinstance(file, Unread):
        return file
    if "\0" in file:
        return Unread(file, f"{file!a} is the name of no file")
    try:
        image = read_image(
            Path(file), size=stored.image_size, channels=stored.channels, fit=stored.fit
        )
    except DataError as error:
        return Unread(file, str(error))
    return Picture(file, image)
