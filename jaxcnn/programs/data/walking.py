"""The files in a folder and in the folders inside it.

Links are followed, but no folder is entered twice, and none that the folder itself is
in, so that a walk ends. What is neither a regular file nor a folder is refused without
being opened, because a pipe would wait for ever.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import NamedTuple

from jaxcnn.programs.data.errors import DataError

MOST_FILES = 20_000_000  # in a walk
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"})
"""What systems leave in folders, in lower case; so is every name with a dot in
front."""

Identity = tuple[int, int]
"""The device and the inode of a folder."""


class Refused(NamedTuple):
    """What was found and is not read, and why."""

    path: Path
    reason: str


class Found(NamedTuple):
    """The regular files of a folder in the order of their names, and what was
    refused."""

    files: tuple[Path, ...]
    refused: tuple[Refused, ...]


def image_files(folder: Path) -> Found:
    """The regular files in the folder and in the folders inside it, whatever their
    names end in; links are followed. Hidden files and `SYSTEM_FILES` are left out.

    The order is that of the names in Unicode's form NFC, the same on each system.

    Raises:
      DataError: if the folder itself cannot be listed, or there are more than
        `MOST_FILES` files.
    """
    try:
        entered = {_identity(above) for above in (folder.resolve(), *folder.resolve().parents)}
        waiting = [_listed(folder)]
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        raise DataError(f"{folder} cannot be listed: {_reason(error)}") from error
    files: list[Path] = []
    refused: list[Refused] = []
    while waiting:
        for entry in waiting.pop():
            path = Path(entry.path)
            try:
                kind = entry.stat().st_mode
                if stat.S_ISDIR(kind):
                    identity = _identity(path)
                    if identity in entered:
                        refused.append(Refused(path, "leads to a folder that was seen already"))
                    else:
                        entered.add(identity)
                        waiting.append(_listed(path))
                elif stat.S_ISREG(kind):
                    files.append(path)
                else:
                    refused.append(Refused(path, kind_of(kind)))
            except OSError as error:
                refused.append(Refused(path, f"cannot be read: {_reason(error)}"))
        if len(files) > MOST_FILES:
            raise DataError(f"{folder} has more than {MOST_FILES:,} files")
    return Found(
        tuple(sorted(files, key=sort_key)),
        tuple(sorted(refused, key=lambda each: sort_key(each.path))),
    )


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in it, in the order of their names; hidden ones are left
    out.

    Raises:
      DataError: if it cannot be listed.
    """
    try:
        found = [Path(entry.path) for entry in _listed(folder) if entry.is_dir()]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {_reason(error)}") from error
    return sorted(found, key=sort_key)


def sort_key(path: Path) -> tuple[str, str]:
    """Orders names as NFC; names that differ in their form alone by their code
    points."""
    name = path.as_posix()
    return (name if name.isascii() else unicodedata.normalize("NFC", name)), name


def kind_of(mode: int) -> str:
    """What a thing that is no regular file is, by its `st_mode`.

    >>> kind_of(stat.S_IFIFO)
    'is a pipe, not a file'
    """
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    name = next((name for is_it, name in kinds if is_it(mode)), "something special")
    return f"is {name}, not a file"


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_FILES
        ]


def _identity(folder: Path) -> Identity:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
