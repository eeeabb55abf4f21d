"""The folder that a program writes into: one program at a time, and a run takes the
place of an earlier one at one stroke.

A program claims its folder before anything else. The claim is a lock of the operating
system on a file in the folder, so that it ends with the process, however that ends;
where a file system has no locks there is no claim, and nothing is refused.

A run replaces the files of an earlier one in three steps, of which each leaves one of
the two runs whole, in one place:

1. the new files are written into a folder of their own, inside;
2. the earlier ones are moved out of the way, into another, config.json first: without
   it nobody takes the folder for a run;
3. that other folder is renamed, which settles it, and the new files are moved into
   their places, config.json last.

If the process dies in step 2, the next claim moves the earlier files back; in step 3,
the new ones forward.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxcnn.programs.files import naming, remove_partial_files
from jaxcnn.programs.interruption import held_back
from jaxcnn.programs.options import ConfigError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
NEW, EARLIER, REPLACED = ".run-new", ".run-earlier", ".run-replaced"
MARK = "config.json"  # what makes files a run
ATTEMPTS = 100  # another program may be removing the folder, or its lock, while this one opens it


@contextmanager
def claimed(folder: Path, *, new: bool = False) -> Iterator[Path]:
    """Keep the folder from all other programs until the context ends; it is made if it
    is not there.

    What killed programs left in it is put in order. In the end, folders that were made
    here and hold nothing are removed.

    Args:
      folder: which.
      new: take the first of folder, folder-2, folder-3, ... that is not there yet.

    Raises:
      ConfigError: if another program has it, or it cannot be written.
    """
    made: list[Path] = []
    try:
        folder, descriptor = _open(folder, new, made)
        try:
            _recover(folder)
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


@contextmanager
def replacing(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder for new files: when the context ends, they take the places of all
    `names` in `folder`, which must be claimed.

    If the context ends with an error, or the process with it, what was there before is
    there still.
    """
    new = folder / NEW
    with naming(folder):
        for leftover in (REPLACED, EARLIER, NEW):
            if (folder / leftover).exists():
                shutil.rmtree(folder / leftover)
        new.mkdir()
    try:
        yield new
        with held_back(), naming(folder):
            (folder / EARLIER).mkdir()
            _move(
                folder,
                [name for name in names if os.path.lexists(folder / name)],
                folder / EARLIER,
                mark_first=True,
            )
            (folder / EARLIER).rename(folder / REPLACED)
    finally:
        with held_back(), naming(folder):
            _recover(folder)


def _recover(folder: Path) -> None:
    """End what `replacing` began: with the new files once the earlier ones are all out
    of the way, else with the earlier ones."""
    source = NEW if (folder / REPLACED).is_dir() else EARLIER
    if (folder / source).is_dir():
        _move(folder / source, os.listdir(folder / source), folder, mark_first=False)
    for leftover in (REPLACED, EARLIER, NEW):
        shutil.rmtree(folder / leftover, ignore_errors=True)


def _move(source: Path, names: Sequence[str], target: Path, *, mark_first: bool) -> None:
    for name in sorted(names, key=lambda name: (name == MARK) != mark_first):
        (source / name).replace(target / name)


# The lock.


def _open(folder: Path, new: bool, made: list[Path]) -> tuple[Path, int]:
    """The folder and its locked file; `made` gets the folders that were made, from the
    outside in."""
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
    """The descriptor of the folder's locked file, which has the number of this process
    for the message to others."""
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
                with suppress(
                    OSError
                ):  # a full disk will be told of when something is to be written that matters
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had the lock has removed the file: this is no lock any more


def _take(descriptor: int) -> bool:
    """Whether nobody else has the lock."""
    try:
        if sys.platform == "win32":
            os.lseek(
                descriptor, 1000, os.SEEK_SET
            )  # a locked byte cannot be read by others: one behind the number
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (
            errno.EACCES,
            errno.EAGAIN,
            errno.EDEADLK,
        )  # else there are no locks here
    return True


def _holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    number = os.read(descriptor, 20)
    return f" (process {number.decode()})" if number.isdigit() else ""


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"--output must be a folder that can be written: {folder}: {error.strerror}")
