"""The folder that a program writes to: one program at a time.

A program claims its folder before anything else. The claim is a lock of the operating
system on a file in the folder, so it ends with the process, however that ends. Where a
file system has no locks, there is no claim and nothing is refused.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxcnn.programs.options import ConfigError
from jaxcnn.stored.files import remove_partial_files

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
# Another program may be removing the folder or its lock while this one opens it.
ATTEMPTS = 100


@contextmanager
def claimed(folder: Path, *, new: bool = False) -> Iterator[Path]:
    """Keep all other programs out of the folder until the context ends. The folder is
    made if it does not exist.

    What killed programs left in it is tidied up. At the end, empty folders that were
    made here are removed.

    Args:
      folder: the folder.
      new: take the first of folder, folder-2, folder-3, ... that does not exist yet.

    Raises:
      ConfigError: if another program has claimed it, or it cannot be written to.
    """
    made: list[Path] = []
    try:
        folder, descriptor = _open(folder, new, made)
        try:
            remove_partial_files(folder)
            yield folder
        finally:
            if sys.platform == "win32":  # there an open file cannot be removed
                os.close(descriptor)
            with suppress(OSError):
                (folder / LOCK).unlink()
            if sys.platform != "win32":
                os.close(descriptor)
    finally:
        with suppress(OSError):
            for path in reversed(made):
                path.rmdir()


def _open(folder: Path, new: bool, made: list[Path]) -> tuple[Path, int]:
    """The folder and its locked file. Folders that were made are appended to `made`,
    from the outside in."""
    vanished = 0
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    for path in itertools.chain([folder], numbered if new else itertools.repeat(folder)):
        try:
            _make(path, new, made)
            return path, _lock(path)
        except FileNotFoundError as error:
            vanished += 1
            if vanished == ATTEMPTS:
                raise _unwritable(path, error) from error
        except OSError as error:
            if not (new and os.path.lexists(path)):
                raise _unwritable(path, error) from error
    raise AssertionError("there is always another path")


def _make(folder: Path, new: bool, made: list[Path]) -> None:
    for path in reversed([path for path in folder.parents if not path.exists()]):
        path.mkdir(exist_ok=True)
        made.append(path)
    try:
        folder.mkdir()
        made.append(folder)
    except FileExistsError:
        if new or not folder.is_dir():
            raise


def _lock(folder: Path) -> int:
    """The descriptor of the folder's locked file. The file has the number of this
    process, for the message that others show."""
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _take(descriptor):
                raise ConfigError(
                    f"{folder} is being written by another program{_holder(descriptor)}: wait for"
                    " it, or pass another --output"
                )
            if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(descriptor)):
                with suppress(OSError):
                    # A full disk is reported when something that matters is written.
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # Whoever had the lock has removed the file, so this is no lock any more.
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Take the lock; False if another process has it."""
    try:
        if sys.platform == "win32":
            # Others cannot read a locked byte, so it is one far behind the number.
            os.lseek(descriptor, 1000, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Any other error means that this file system has no locks.
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    number = os.read(descriptor, 20)
    return f" (process {number.decode()})" if number.isdigit() else ""


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"--output must be a folder that can be written: {folder}: {error.strerror}")
