"""The folder that a program writes to: one program at a time, and a run replaces an
earlier one all at once.

A program claims its folder before anything else. The claim is a lock of the operating
system on a file in the folder, so it ends with the process, however that ends. Where a
file system has no locks, there is no claim and nothing is refused.

A run replaces the files of an earlier one in three steps, each of which leaves one of
the two runs whole, in one place:

1. the new files are written to a folder of their own, inside;
2. the earlier ones are moved out of the way, to another folder inside, config.json
   first, since without it nobody takes the folder for a run;
3. that other folder is renamed, which decides for the new run, and the new files are
   moved to their places, config.json last.

If the process dies in step 2, the next claim moves the earlier files back; if it dies
in step 3, the next claim moves the new ones forward.
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

from jaxcnn.programs.interruption import held_back
from jaxcnn.programs.options import ConfigError
from jaxcnn.stored.files import naming, remove_partial_files

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"
NEW, EARLIER, REPLACED = ".run-new", ".run-earlier", ".run-replaced"
MARK = "config.json"  # the file that makes a folder a run
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
    """A folder for new files. When the context ends, they replace all `names` in
    `folder`, which must be claimed.

    If the context ends with an error, or the process is killed in it, the earlier files
    are still there.
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
    """Finish what `replacing` began: with the new files if the earlier ones are all out
    of the way, otherwise with the earlier ones."""
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
