"""Which files of a folder belong to which class and to which split."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.programs.data.class_folders import relative
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.layout import layout_for_test, layout_of
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.options import ConfigError


def write(root: Path, **folders: int) -> DataOptions:
    """Files that are not opened: so many in each folder, a double underscore between
    folders."""
    for name, count in folders.items():
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / f"{number}.png").touch()
    return DataOptions("folder", data_dir=root)


def files(part, root):
    return [relative(path, root) for path in part.files]


def test_a_split_in_the_folder_is_kept(tmp_path):
    layout = layout_of(write(tmp_path, train__cat=2, train__dog=1, test__dog=1))
    assert layout.classes == ("cat", "dog")
    assert files(layout.train, tmp_path) == [
        "train/cat/0.png",
        "train/cat/1.png",
        "train/dog/0.png",
    ]
    assert layout.train.labels.tolist() == [0, 0, 1]
    assert layout.train.labels.dtype == np.int32
    assert files(layout.test, tmp_path) == ["test/dog/0.png"]
    assert layout.test.labels.tolist() == [1]
    assert layout.final is layout.test
    assert layout.notes[0].endswith("3 in train, 1 in test")
    assert layout.notes[1] == f"{tmp_path / 'test'} has no images of cat"


def test_val_is_for_each_epoch_and_test_for_the_end(tmp_path):
    both = {"train__a": 1, "train__b": 1, "val__a": 1, "val__b": 1}
    layout = layout_of(write(tmp_path / "two", **both))
    assert files(layout.test, tmp_path / "two") == ["val/a/0.png", "val/b/0.png"]
    assert layout.final is layout.test
    layout = layout_of(write(tmp_path / "three", **both, test__a=1))
    assert files(layout.test, tmp_path / "three") == ["val/a/0.png", "val/b/0.png"]
    assert files(layout.final, tmp_path / "three") == ["test/a/0.png"]


@pytest.mark.parametrize("home", ["", "train__"])
def test_a_share_of_each_class_is_held_out(tmp_path, home):
    options = write(tmp_path, **{f"{home}a": 40, f"{home}b": 10, f"{home}c__deep__er": 20})
    layout = layout_of(options)
    assert layout.classes == ("a", "b", "c")
    assert np.bincount(layout.test.labels).tolist() == [8, 2, 4]
    assert np.bincount(layout.train.labels).tolist() == [32, 8, 16]
    assert not set(layout.train.files) & set(layout.test.files)
    assert (
        "20 % of each class is held out (--test-share, --split-seed 0), 56 files"
        in (layout.notes[0])
    )
    assert layout_of(options).test.files == layout.test.files
    other = layout_of(replace(options, split_seed=1, test_share=0.5))
    assert np.bincount(other.test.labels).tolist() == [20, 5, 10]
    assert layout_of(replace(options, split_seed=1)).test.files != layout.test.files


def test_a_class_may_be_called_train(tmp_path):
    """As other vehicles are. A folder of a split has the folders of its classes."""
    assert layout_of(write(tmp_path, train=5, car=5, ship=5)).classes == ("car", "ship", "train")


def test_a_folder_beside_train_alone_is_no_class(tmp_path):
    assert layout_of(write(tmp_path, train__a=5, train__b=5, raw=5)).classes == ("a", "b")


def test_the_chosen_classes_are_taken_in_their_order(tmp_path):
    options = write(tmp_path, train__a=1, train__b=2, train__c=3, test__a=4, test__b=5, test__c=6)
    layout = layout_of(replace(options, classes=("c", "a")))
    assert layout.classes == ("c", "a")
    assert np.bincount(layout.train.labels).tolist() == [3, 1]
    assert np.bincount(layout.test.labels).tolist() == [6, 4]
    with pytest.raises(ConfigError, match=r"^--classes must be .*, got 'cc': did you mean"):
        layout_of(replace(options, classes=("a", "cc")))


def test_names_may_be_in_any_script(tmp_path):
    names = ("собака", "猫", "قطة", "ñandú", "a b", "نیم\u200cفضت", "👩\u200d🔬")
    options = write(tmp_path, **{unicodedata.normalize("NFD", name): 5 for name in names})
    assert set(layout_of(options).classes) == set(names)


def test_what_is_not_used_is_told(tmp_path):
    options = write(tmp_path, train__a=1, train__b=1, test__a=1, raw=1)
    (tmp_path / "README.md").touch()
    (tmp_path / "train" / "loose.png").touch()
    (tmp_path / ".hidden").touch()
    assert layout_of(options).notes[-1] == (
        "not used, since it is in no folder of a class: README.md, loose.png, raw"
    )


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({}, "{root} needs a folder for each class, .*; it has no folders"),
        ({"one": 3}, "{root} needs a folder for each class, .* two classes; it has one"),
        ({"train__a": 1}, "{root}/train needs a folder for each class, .*; it has a"),
        ({"a": 3, "b": 0}, "{root}/b has no files: each class needs images; delete it, or name"),
        ({"a": 3, "b": 1}, "{root} has 1 file of b, and .* needs 2 at least: add images"),
        ({"a": 2, "b": 2}, "{root} has 4 files of 2 classes, too few to hold out 20 % of each"),
        ({"test__a": 1, "val__a": 1}, "{root} has test and val and no train: the images to train"),
        (
            {"train__dogs": 1, "train__cats": 1, "test__dog": 1},
            "{root}/test has the class 'dog', which is none of the 2 classes trained with: is dogs",
        ),
        ({"train__a": 1, "train__b": 1, "test": 3}, "{root}/test needs a folder for each class"),
        ({"train__a": 1, "train__b": 1, "val__a": 0}, "{root}/val has no files of a, b$"),
        ({"train__a": 1, "validation__a": 1}, "{root} has a folder validation, .* it to val$"),
        ({"Train__a": 1, "Test__a": 1}, "{root} has a folder Test, .* rename it to test$"),
    ],
)
def test_what_is_missing_is_told(tmp_path, folders, message):
    options = write(tmp_path, **folders)
    with pytest.raises(DataError, match=f"^{message.format(root=re.escape(str(tmp_path)))}"):
        layout_of(options)


def test_a_folder_must_be_there(tmp_path):
    with pytest.raises(DataError, match="nothing is not there: --data-dir must be a folder"):
        layout_of(DataOptions("folder", data_dir=tmp_path / "nothing"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is a file: --data-dir must be a folder"):
        layout_of(DataOptions("folder", data_dir=tmp_path / "file"))


def test_two_forms_of_one_name_are_two_folders(tmp_path):
    options = write(tmp_path, **{unicodedata.normalize(form, "é"): 2 for form in ("NFC", "NFD")})
    with pytest.raises(DataError, match="has two folders for é, in two forms of Unicode"):
        layout_of(options)


def test_a_class_that_cannot_be_printed_is_refused(tmp_path):
    options = write(tmp_path, **{"a": 2, "b\nc": 2})
    with pytest.raises(DataError, match=r"whose name is no line of text: 'b\\nc'"):
        layout_of(options)


def test_a_file_may_have_any_name(tmp_path):
    """Names of files are bytes, and these are no UTF-8."""
    options = write(tmp_path, a=2, b=2)
    (tmp_path / "a" / os.fsdecode(b"\xff\n.png")).touch()
    layout = layout_of(replace(options, test_share=0.5))
    names = files(layout.train, tmp_path) + files(layout.test, tmp_path)
    assert r"a/\udcff\n.png" in names


# The images to judge a network by.


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ({"train__a": 2, "train__b": 2, "val__a": 1, "test__b": 1}, ["test/b/0.png"]),
        ({"val__a": 1}, ["val/a/0.png"]),
        ({"a": 1, "b": 1}, ["a/0.png", "b/0.png"]),
        ({"b": 2}, ["b/0.png", "b/1.png"]),
    ],
)
def test_a_folder_needs_no_images_to_train_with(tmp_path, folders, expected):
    listed, refused, _ = layout_for_test(write(tmp_path, **folders), ("b", "a"), held_out=False)
    assert sorted(files(listed, tmp_path)) == expected
    assert all(
        label == ("b", "a").index(path.parent.name)
        for path, label in zip(listed.files, listed.labels, strict=True)
    )
    assert refused == ()


@pytest.mark.parametrize(("home", "held_out"), [("train__", False), ("train__", True), ("", True)])
def test_what_was_held_out_is_held_out_again(tmp_path, home, held_out):
    options = write(tmp_path, **{f"{home}a": 10, f"{home}b": 10})
    expected = layout_of(options).test
    listed, _, _ = layout_for_test(options, ("c", "b", "a"), held_out=held_out)
    assert listed.files == expected.files
    assert listed.labels.tolist() == [2 - label for label in expected.labels]


def test_classes_left_out_of_the_training_are_left_out_again(tmp_path):
    """By --classes, of those in train. Another class of test stays an error."""
    names = ("a", "b", "c", "d")
    options = write(
        tmp_path, **{f"{part}__{name}": 2 for part in ("train", "test") for name in names}
    )
    chosen = replace(options, classes=("c", "a"))
    listed, _, notes = layout_for_test(chosen, ("c", "a"), held_out=True)
    assert listed.files == layout_of(chosen).final.files
    assert listed.labels.tolist() == [0, 0, 1, 1]
    assert notes == (
        f"4 files of {tmp_path / 'test'}",
        "left out, as in the training (--classes): b, d",
    )
    with pytest.raises(DataError, match="has the class 'b', which is none of the 2 classes"):
        layout_for_test(options, ("c", "a"), held_out=True)
    write(tmp_path, test__dd=1)
    with pytest.raises(DataError, match=r"has the class 'dd', which is none of the 2 .*: is d m"):
        layout_for_test(chosen, ("c", "a"), held_out=True)


def test_a_class_that_the_network_does_not_know_is_refused(tmp_path):
    options = write(tmp_path, a=1, dogs=1)
    with pytest.raises(DataError, match=r"has the class 'dogs', which is none .*: is dog meant\?"):
        layout_for_test(options, ("a", "dog"), held_out=False)
    with pytest.raises(DataError, match="has no files in the folders of its classes"):
        layout_for_test(write(tmp_path / "new", a=0), ("a", "dog"), held_out=False)
