"""The folders of the splits and of the classes in a folder of images, and the names
that people read."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.walking import folders_in
from jaxcnn.programs.options import LONGEST, shown

SPLITS = ("train", "test", "val")
OTHER_NAMES = {"training": "train", "testing": "test", "valid": "val", "validation": "val"}


def root_of(options: DataOptions) -> Path:
    """The folder of `data_dir`.

    Raises:
      DataError: if it is none.
    """
    root = options.data_dir
    assert root is not None, "check_data_options has seen to it"
    if not root.is_dir():
        is_there = "is a file" if os.path.lexists(root) else "is not there"
        raise DataError(f"{root} {is_there}: --data-dir must be a folder with images")
    return root


def parts_of(root: Path) -> dict[str, Path]:
    """The folders of the splits, by their names; none if `train` is only the name of a
    class among others."""
    found = {folder.name: folder for folder in folders_in(root)}
    meant = {name: OTHER_NAMES.get(name.lower(), name.lower()) for name in found}
    like_splits = [name for name in found if meant[name] in SPLITS]
    for name in like_splits:
        if name not in SPLITS and len(like_splits) > 1:
            raise DataError(
                f"{root} has a folder {shown(name)}, and a split is called {', '.join(SPLITS)}:"
                f" rename it to {meant[name]}"
            )
    parts = {name: found[name] for name in SPLITS if name in found}
    alone = len(parts) == 1
    return {} if alone and len(found) > 1 and not _has_folders(parts) else parts


def class_folders(home: Path) -> dict[str, Path]:
    """The folder of each class by its name, which is in Unicode's form NFC, whichever
    form the file system keeps."""
    folders: dict[str, Path] = {}
    for folder in folders_in(home):
        name = unicodedata.normalize("NFC", folder.name)
        if name in folders:
            raise DataError(f"{home} has two folders for {short(name)}, in two forms of Unicode")
        if not _is_line(name):
            raise DataError(f"{home} has a folder whose name is no line of text: {shown(name)}")
        folders[name] = folder
    return folders


def short(name: str) -> str:
    """The name of a class for a message, in its own script.

    >>> short("x" * 100)
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'
    """
    return name if len(name) <= LONGEST else f"{name[:40]}..."


def unused(root: Path, home: Path, parts: dict[str, Path]) -> tuple[str, ...]:
    """A note on what lies beside the folders that are read."""
    beside = [
        entry.name
        for folder in {root, home}
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
        and (entry.is_file() or (parts and folder == root and entry.name not in parts))
    ]
    names = ", ".join(map(shown, sorted(beside)[:5])) + (", ..." if len(beside) > 5 else "")
    return (f"not used, since it is in no folder of a class: {names}",) if beside else ()


def relative(path: Path, root: Path) -> str:
    """The path from the root in one line, with slashes.

    >>> relative(Path("data/cat/1.jpg"), Path("data"))
    'cat/1.jpg'
    """
    # Not path.relative_to, which takes a second for 60,000 files.
    name = str(path).removeprefix(f"{root}{os.sep}").replace(os.sep, "/")
    return name if _is_line(name) else ascii(name)[1:-1]


def _has_folders(parts: dict[str, Path]) -> bool:
    return any(folders_in(folder) for folder in parts.values())


def _is_line(name: str) -> bool:
    """Whether no control character and nothing that is not Unicode is in it. Not
    `isprintable`, which refuses the joiners of Persian and of emoji."""
    if name.isascii():
        return name.isprintable()
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
