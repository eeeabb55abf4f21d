"""Which files of a folder belong to which class, and which of them are held out; no
file is opened.

A folder has one of two layouts. With `train/CLASS/*` the split is in the folder, and
`test`, `val` or both stand beside `train`. With `CLASS/*` alone a share of each class
is held out, as it is where `train` stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from jaxcnn.programs.data.arrays import chosen_classes
from jaxcnn.programs.data.class_folders import (
    class_folders,
    parts_of,
    relative,
    root_of,
    short,
    unused,
)
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Broken
from jaxcnn.programs.data.walking import image_files
from jaxcnn.programs.messages import plural


class Listed(NamedTuple):
    """Files of one split, by their paths, and the label of each, int32."""

    files: tuple[Path, ...]
    labels: np.ndarray


class Layout(NamedTuple):
    """The files of a data set. `final` is `test` itself unless the folder has both test
    and val. `refused` are things in the class folders that are no files."""

    classes: tuple[str, ...]
    train: Listed
    test: Listed
    final: Listed
    refused: tuple[Broken, ...]
    notes: tuple[str, ...]


def layout_of(options: DataOptions) -> Layout:
    """The files of `options.data_dir`, of the classes in `options.classes` or of all.

    Raises:
      ConfigError: if --classes names what is no class.
      DataError: if the folder is not there or has another layout, a class has no files
        or too few for a split, or test has a class that train does not have.
    """
    root = root_of(options)
    parts = parts_of(root)
    if "train" not in parts and parts:
        raise DataError(
            f"{root} has {' and '.join(parts)} and no train: the images to train with belong into"
            f" {root / 'train'}, in a folder for each class"
        )
    home = parts.get("train", root)
    folders = class_folders(home)
    if len(folders) < 2:
        raise DataError(
            f"{home} needs a folder for each class, and at least two classes; it has"
            f" {', '.join(map(short, folders)) or 'no folders'}"
        )
    classes = chosen_classes(options.classes, tuple(folders))
    listed, refused = _listed(root, {name: folders[name] for name in classes}, classes)
    counts = np.bincount(listed.labels, minlength=len(classes))
    if not counts.all():
        name = classes[int(counts.argmin())]
        raise DataError(
            f"{folders[name]} has no files: each class needs images; delete it, or name the other"
            " classes with --classes"
        )
    notes: tuple[str, ...] = ()
    if "test" in parts or "val" in parts:
        train = listed
        left_out = tuple(name for name in folders if name not in classes)
        found = {}
        for name in ("test", "val"):
            if name in parts:
                found[name], more, said = _known(root, parts[name], classes, left_out)
                refused, notes = (*refused, *more), (*notes, *said)
                if not found[name].files:
                    raise DataError(
                        f"{parts[name]} has no files of {', '.join(map(short, classes))}"
                    )
        final = found.get("test") or found["val"]
        test = found.get("val") or final
        shares = ", ".join(f"{len(each.files):,} in {name}" for name, each in found.items())
        notes = (f"the split is that of {root}: {len(train.files):,} in train, {shares}", *notes)
    else:
        train, test = _held_out(options, home, listed, classes)
        final = test
        notes = (
            f"{home} has no split of its own: {100 * options.test_share:.3g} % of each class is"
            f" held out (--test-share, --split-seed {options.split_seed}), {len(train.files):,}"
            f" files to train and {len(test.files):,} to test",
        )
    return Layout(classes, train, test, final, refused, (*notes, *unused(root, home, parts)))


def layout_for_test(
    options: DataOptions, classes: tuple[str, ...], *, held_out: bool
) -> tuple[Listed, tuple[Broken, ...], tuple[str, ...]]:
    """The files to judge a trained network by, what was refused, and notes: DIR/test if
    it is there, else DIR/val, else what `layout_of` holds out of DIR/train, else all of
    DIR/CLASS/* or what is held out of it.

    Args:
      options: its `classes` are used as in the training: where a share is held out,
        and to leave out what they leave out of DIR/train or, without one, what is none
        of them. A name like that of a class without images stays an error.
      classes: those of the network; those that the folder lacks are no error.
      held_out: whether DIR/CLASS/* are the images that the network was trained with.

    Raises:
      DataError: as `layout_of`; and if a class is none of the network's and was not
        left out.
    """
    root = root_of(options)
    parts = parts_of(root)
    if tuple(parts) == ("train",) or (held_out and not parts):
        layout = layout_of(options)
        _refuse_unknown(root, layout.classes, classes)
        order = np.array([classes.index(name) for name in layout.classes], np.int32)
        return (
            Listed(layout.final.files, order[layout.final.labels]),
            layout.refused,
            layout.notes,
        )
    home = parts.get("test") or parts.get("val") or root
    left_out = _left_out(options, parts, home, classes)
    listed, refused, notes = _known(root, home, classes, left_out)
    if not listed.files:
        raise DataError(f"{home} has no files in the folders of its classes")
    there = [short(name) for name in class_folders(home) if name in left_out]
    if there:
        notes += (f"left out, as in the training (--classes): {', '.join(there)}",)
    return listed, refused, (f"{len(listed.files):,} files of {home}", *notes)


def _left_out(
    options: DataOptions, parts: dict[str, Path], home: Path, classes: tuple[str, ...]
) -> tuple[str, ...]:
    """The classes that --classes does not name: of train, or else of `home`."""
    if options.classes is None:
        return ()
    if "train" in parts:
        return tuple(name for name in class_folders(parts["train"]) if name not in options.classes)
    there = class_folders(home)
    missing = [name for name in classes if name not in there]
    others = (name for name in there if name not in classes)
    return tuple(name for name in others if not get_close_matches(name, missing, n=1))


def _listed(
    root: Path, folders: dict[str, Path], classes: Sequence[str]
) -> tuple[Listed, tuple[Broken, ...]]:
    files: list[Path] = []
    labels: list[int] = []
    refused: list[Broken] = []
    for name, folder in folders.items():
        found = image_files(folder)
        files += found.files
        labels += [classes.index(name)] * len(found.files)
        refused += [Broken(relative(path, root), reason) for path, reason in found.refused]
    return Listed(tuple(files), np.array(labels, np.int32)), tuple(refused)


def _known(
    root: Path, home: Path, classes: tuple[str, ...], left_out: tuple[str, ...]
) -> tuple[Listed, tuple[Broken, ...], tuple[str, ...]]:
    """The files in `home` of these classes; of a class that was left out, none."""
    folders = class_folders(home)
    if not folders:
        raise DataError(f"{home} needs a folder for each class, and has no folders")
    _refuse_unknown(home, tuple(folders), classes, left_out)
    folders = {name: folders[name] for name in classes if name in folders}
    listed, refused = _listed(root, folders, classes)
    counts = np.bincount(listed.labels, minlength=len(classes))
    empty = [short(name) for name, count in zip(classes, counts, strict=True) if not count]
    notes = (f"{home} has no images of {', '.join(empty)}",) if empty else ()
    return listed, refused, notes


def _refuse_unknown(
    home: Path, names: tuple[str, ...], classes: tuple[str, ...], left_out: tuple[str, ...] = ()
) -> None:
    known = (*classes, *left_out)
    for name in names:
        if name not in known:
            likely = get_close_matches(name, known, n=1)
            slip = f": is {short(likely[0])} meant?" if likely else ""
            raise DataError(
                f"{home} has the class {short(name)!r}, which is none of the"
                f" {len(classes)} classes trained with{slip}"
            )


def _held_out(
    options: DataOptions, home: Path, listed: Listed, classes: tuple[str, ...]
) -> tuple[Listed, Listed]:
    counts = np.bincount(listed.labels, minlength=len(classes))
    if counts.min() < 2:
        name = classes[int(counts.argmin())]
        raise DataError(
            f"{home} has 1 file of {short(name)}, and to hold out a share of each class needs 2 at"
            " least: add images, leave it out with --classes, or make a folder test beside train"
        )
    try:
        train, test = train_test_split(
            np.arange(len(listed.labels)),
            test_size=options.test_share,
            random_state=options.split_seed,
            stratify=listed.labels,
        )
    except ValueError as error:
        raise DataError(
            f"{home} has {plural(len(listed.labels), 'file')} of {len(classes)} classes, too few"
            f" to hold out {100 * options.test_share:.3g} % of each class (--test-share): {error}"
        ) from error
    # Sorted, so that files that lie together are read together.
    return _chosen(listed, np.sort(train)), _chosen(listed, np.sort(test))


def _chosen(listed: Listed, indices: np.ndarray) -> Listed:
    return Listed(tuple(listed.files[index] for index in indices), listed.labels[indices])
