"""CIFAR-10 and CIFAR-100 in their binary form (Krizhevsky 2009): an archive, or the
files that were unpacked from it.

A record is a label, or in CIFAR-100 a coarse and a fine one, and 32x32 pixels, a byte
each: first all red ones by rows, then the green, then the blue. Nothing is unpacked to
disk, so names in the archive lead nowhere.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.options import shown

SIDE = 32
PIXELS = 3 * SIDE * SIDE
MOST = 2**28  # unpacked bytes of an archive, and of a file
CHUNK = 2**20


class Form(NamedTuple):
    """The files of one of the two sets.

    Attributes:
      archive: its name.
      folder: what it unpacks to.
      train, test: the files of records.
      names: the file of the classes' names, a line each.
      label_bytes: of a record; the last of them is the class.
      classes: how many.
    """

    archive: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    names: str
    label_bytes: int
    classes: int

    @property
    def files(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.train, *self.test, self.names)


CIFAR10_FORM = Form(
    "cifar-10-binary.tar.gz",
    "cifar-10-batches-bin",
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    ("test_batch.bin",),
    "batches.meta.txt",
    1,
    10,
)
CIFAR100_FORM = Form(
    "cifar-100-binary.tar.gz",
    "cifar-100-binary",
    ("train.bin",),
    ("test.bin",),
    "fine_label_names.txt",
    2,
    100,
)

Part = tuple[np.ndarray, np.ndarray]
"""Images (n, 32, 32, 3), uint8, and labels (n,)."""


def read_cifar(place: Path, form: Form) -> tuple[tuple[str, ...], Part, Part]:
    """The names of the classes, the training and the test images.

    Args:
      place: the archive, or a folder with the archive, with the unpacked files, or with
        the folder of these.
      form: which of the sets.

    Raises:
      DataError: if a file is missing, damaged, or not what its name says.
    """
    contents = _contents(place, form)
    names = tuple(contents[form.names].decode("utf-8", "replace").split())
    if len(names) != form.classes or len(set(names)) != len(names):
        raise DataError(
            f"{place}: {form.names} must have the names of {form.classes} classes, a line each, and"
            f" has {len(set(names))}"
        )
    train, test = (
        [_records(place, file, contents[file], form) for file in files]
        for files in (form.train, form.test)
    )
    return names, _joined(train), _joined(test)


def _joined(parts: list[Part]) -> Part:
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _contents(place: Path, form: Form) -> dict[str, bytes]:
    """What is in each of the files."""
    try:
        if place.is_file():
            return _unpacked(place, form)
        folders = (place, place / form.folder)
        for folder in folders:
            if (folder / form.train[0]).is_file():
                return {file: _read(folder / file) for file in form.files}
        if (place / form.archive).is_file():
            return _unpacked(place / form.archive, form)
        if not place.is_dir():
            raise DataError(f"{place} is not there: a folder with {form.archive} is needed")
        raise DataError(
            f"{place} has neither {form.archive} nor the files out of it, {', '.join(form.files)}"
            f"{_slip(place)}"
        )
    except OSError as error:
        name = error.filename or place
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def _slip(place: Path) -> str:
    python = [
        *place.glob("cifar-*-python*"),
        *place.glob("cifar-*-batches-py"),
        *place.glob("data_batch_1"),
    ]
    if not python:
        return ""
    return (
        f". {python[0].name} is of the Python version, whose files are pickles: they are not read"
    )


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(MOST + 1)
    if len(content) > MOST:
        raise DataError(f"{file} has more than {MOST:,} bytes")
    return content


def _unpacked(archive: Path, form: Form) -> dict[str, bytes]:
    """The files in the archive, which are regular ones of the right names in any
    folder."""
    contents: dict[str, bytes] = {}
    try:
        with archive.open("rb") as file, gzip.GzipFile(fileobj=file) as packed:
            content = _Bounded(packed, archive)
            with tarfile.open(fileobj=content, mode="r|") as members:
                for member in members:
                    name = member.name.rpartition("/")[2]
                    opened = members.extractfile(member) if member.isreg() else None
                    if name in form.files and name not in contents and opened is not None:
                        contents[name] = opened.read()
            while content.read(CHUNK):  # to the end, where the checksum is
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{archive} is a damaged archive ({' '.join(str(error).split())}): download or copy it"
            " again"
        ) from error
    missing = [file for file in form.files if file not in contents]
    if missing:
        raise DataError(f"{archive} lacks {', '.join(missing)}: is it another archive?")
    return contents


class _Bounded(io.RawIOBase):
    """A file that says no after `MOST` bytes, which a small archive may unpack to."""

    def __init__(self, content: gzip.GzipFile, archive: Path):
        self._content, self._archive, self._left = content, archive, MOST

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._content.read(self._left + 1 if size < 0 else size)
        self._left -= len(chunk)
        if self._left < 0:
            raise DataError(f"{self._archive} unpacks to more than {MOST:,} bytes")
        return chunk


def _records(place: Path, file: str, content: bytes, form: Form) -> Part:
    record = form.label_bytes + PIXELS
    if not content or len(content) % record:
        raise DataError(
            f"{place}: {file} must have records of {record:,} bytes, and has"
            f" {len(content):,} bytes: download or copy it again"
        )
    values = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = values[:, form.label_bytes - 1]
    if labels.max() >= form.classes:
        at = int(labels.argmax())
        raise DataError(
            f"{place}: {file} must have labels below {form.classes}, got {shown(labels[at])} for"
            f" image {at}. Is it a file of another data set?"
        )
    images = values[:, form.label_bytes :].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)), labels
