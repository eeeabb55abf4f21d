"""What is found in a folder, and that a walk ends whatever is in it."""

from __future__ import annotations

import os
import unicodedata

import pytest

from jaxcnn.programs.data import walking
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.walking import folders_in, image_files


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def names(found, folder):
    return [path.relative_to(folder).as_posix() for path in found]


def test_files_are_found_at_any_depth_in_the_order_of_their_names(tmp_path):
    touch(tmp_path, "b.jpg", "a/z.png", "a/y/x/w.TIFF", "ä.jpg", "Z", "猫.jpg", "a b.jpg")
    found = image_files(tmp_path)
    assert names(found.files, tmp_path) == [
        "Z",
        "a b.jpg",
        "a/y/x/w.TIFF",
        "a/z.png",
        "b.jpg",
        "ä.jpg",
        "猫.jpg",
    ]
    assert found.refused == ()


def test_the_order_does_not_depend_on_the_form_of_unicode(tmp_path):
    """Some systems keep é as one letter, others as e with an accent."""
    for form in ("NFC", "NFD"):
        touch(tmp_path / form, *(unicodedata.normalize(form, name) for name in ("éa", "eb", "f")))
        found = names(image_files(tmp_path / form).files, tmp_path / form)
        assert [unicodedata.normalize("NFC", name) for name in found] == ["eb", "f", "éa"]


def test_what_systems_leave_is_no_file_of_the_person(tmp_path):
    touch(tmp_path, ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/a.jpg", ".git/b", "c.jpg")
    assert names(image_files(tmp_path).files, tmp_path) == ["c.jpg"]
    assert folders_in(tmp_path) == []


def test_links_are_followed_once(tmp_path):
    touch(tmp_path, "elsewhere/1.jpg", "cats/2.jpg")
    cats = tmp_path / "cats"
    (cats / "more").symlink_to(tmp_path / "elsewhere")
    (cats / "3.jpg").symlink_to(tmp_path / "elsewhere" / "1.jpg")
    (cats / "twice").symlink_to(tmp_path / "elsewhere")
    found = image_files(cats)
    assert len(found.files) == 3
    assert [reason for _, reason in found.refused] == ["leads to a folder that was seen already"]


@pytest.mark.parametrize("target", [".", "..", "../..", "/"])
def test_a_loop_ends(tmp_path, target):
    touch(tmp_path, "data/cats/1.jpg", "data/dogs/2.jpg")
    cats = tmp_path / "data" / "cats"
    (cats / "loop").symlink_to(target)
    found = image_files(cats)
    assert names(found.files, cats) == ["1.jpg"]
    assert found.refused == ((cats / "loop", "leads to a folder that was seen already"),)


def test_a_small_tree_of_links_is_not_a_large_one(tmp_path):
    """30 folders, each with two links to the next, have 2^30 ways through them."""
    for depth in range(30):
        (tmp_path / str(depth)).mkdir()
        for name in "ab":
            (tmp_path / str(depth) / name).symlink_to(tmp_path / str(depth + 1))
    touch(tmp_path, "30/1.jpg")
    found = image_files(tmp_path / "0")
    assert len(found.files) == 1
    assert len(found.refused) == 30


def test_what_is_no_file_is_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert image_files(tmp_path).files == ()
    assert {path.name: reason for path, reason in image_files(tmp_path).refused} == {
        "pipe": "is a pipe, not a file",
        "nowhere": "cannot be read: No such file or directory",
        "itself": "cannot be read: Too many levels of symbolic links",
        "zero": "is a device, not a file",
    }


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    touch(tmp_path, "open/1.jpg", "closed/2.jpg")
    scandir = os.scandir

    def refusing(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(walking.os, "scandir", refusing)
    found = image_files(tmp_path)
    assert names(found.files, tmp_path) == ["open/1.jpg"]
    assert found.refused == ((tmp_path / "closed", "cannot be read: Permission denied"),)
    with pytest.raises(DataError, match="closed cannot be listed: Permission denied"):
        image_files(tmp_path / "closed")
    with pytest.raises(DataError, match="closed cannot be listed: Permission denied"):
        folders_in(tmp_path / "closed")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="nothing cannot be listed: No such file or directory"):
        image_files(tmp_path / "nothing")


def test_there_is_an_end_to_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(walking, "MOST_FILES", 2)
    touch(tmp_path, "1", "2")
    assert len(image_files(tmp_path).files) == 2
    touch(tmp_path, "3")
    with pytest.raises(DataError, match="has more than 2 files"):
        image_files(tmp_path)
