"""Files that are written whole or not at all, and errors that name them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTIAL = re.compile(r"\..+\.\d+\.partial")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it to `path`: whoever reads
    `path` sees all of the new file or none of it, after a loss of power too.

    Raises:
      OSError: with the name of `path`, if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(path):
            write(partial)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        keep(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink()


def keep(folder: Path) -> None:
    """Write the names in a folder to the disk, so that a renamed file has its new name
    after a loss of power. Where a system cannot do that, nothing is done."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_partial_files(folder: Path) -> None:
    """Remove the files that processes left in the folder when they were killed in
    `write_whole`. No other process may be writing there now."""
    for path in folder.iterdir():
        if _PARTIAL.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def append_line(path: Path, line: str) -> None:
    """Append a line to a file: all of it, or nothing if the disk is full.

    Raises:
      OSError: with the name of `path`, if it cannot be written.
    """
    content = f"{line}\n".encode()
    with naming(path), path.open("ab", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size
        written = file.write(content)
        try:
            if written < len(content):
                # The disk filled up on the way: this raises the error that says so.
                file.write(content[written:])
        except OSError:
            file.truncate(end)
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make an OSError from inside name the path. The error of a full disk names
    nothing, others name a file beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{path}: {error}") from error
        raise OSError(error.errno, error.strerror, str(path)) from error
