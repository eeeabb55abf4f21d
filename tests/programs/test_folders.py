"""A folder of pictures as a data set: its images, and what is left out."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from picture_files import encoded, plain
from picture_folders import options, pixels, read, spoil
from rich.console import Console

from jaxcnn.programs.data.dataset import load, load_test
from jaxcnn.programs.data.decoding import read_image
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Broken
from jaxcnn.programs.options import ConfigError


def test_images_are_those_of_the_files(pictures):
    dataset = read(pictures)
    assert (dataset.name, dataset.classes) == ("folder", ("cat", "dog", "猫"))
    assert dataset.image_shape == (12, 16, 3)
    assert dataset.class_counts == (8, 8, 16)
    assert (len(dataset.train), len(dataset.test)) == (32, 8)
    assert dataset.final is dataset.test
    for split in (dataset.train, dataset.test):
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split), 12, 16, 3)
        for image, label, file in zip(split.images, split.labels, split.files, strict=True):
            expected = read_image(pictures / file, size=None, channels=3)
            np.testing.assert_array_equal(image, expected)
            assert file.startswith(f"{dataset.classes[label]}/")
    assert dataset.broken == ()


def test_pixels_are_normalised_by_the_training_images(pictures):
    dataset = read(pictures)
    scaled = pixels(dataset.train).astype(np.float64) / 255
    mean, std = dataset.normalisation
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std(axis=(0, 1, 2)), rtol=1e-12)
    normal = dataset.normalisation(pixels(dataset.train))
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_images_of_one_colour_have_a_deviation(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(5):
            content = encoded(np.full((4, 4), 51, np.uint8))
            (tmp_path / "data" / name / f"{number}.png").write_bytes(content)
    assert read(tmp_path / "data").normalisation == ((0.2,), (1.0,))


def test_colour_is_found_by_itself(pictures):
    for path in [*pictures.rglob("*.png")]:
        grey = np.asarray(plain(0)[..., 0]) + int(path.stem)
        path.write_bytes(encoded(grey))
    assert read(pictures).image_shape == (12, 16, 1)
    assert read(pictures, channels=3).image_shape == (12, 16, 3)
    (pictures / "cat" / "0.png").write_bytes(encoded(plain(0)))
    assert read(pictures).image_shape == (12, 16, 3)
    assert read(pictures, channels=1).image_shape == (12, 16, 1)


def test_sizes_that_differ_need_a_size(pictures):
    (pictures / "cat" / "0.png").write_bytes(encoded(plain(0, (30, 20))))
    with pytest.raises(DataError, match=r"sizes, .* and others .*: --image-size N brings them all"):
        read(pictures)
    assert read(pictures, image_size=8).image_shape == (8, 8, 3)


# Files that are no images.


@pytest.mark.parametrize("memory_gb", [None, 1e-9])
def test_what_is_no_image_is_left_out_by_name(pictures, memory_gb):
    broken = spoil(pictures)
    dataset = read(pictures, memory_gb=memory_gb)
    assert dataset.broken == broken
    assert dataset.notes[2] == f"left out, 3 files of {pictures}: " + "; ".join(
        f"{file} {reason}" for file, reason in broken
    )
    assert len(dataset.train) + len(dataset.test) == 40
    for split in (dataset.train, dataset.test):
        assert not {"cat/notes.txt", "dog/cut.jpg"} & set(split.files)
        for file, image in zip(split.files, pixels(split), strict=True):
            expected = read_image(pictures / file, size=None, channels=3)
            np.testing.assert_array_equal(image, expected)


def test_too_many_of_them_are_an_error(pictures):
    spoil(pictures)
    with pytest.raises(
        DataError,
        match=r"3 of 43 files are broken or no images, and at most 5 % of them may be"
        r" \(--most-broken\): cat/notes.txt is no image that Pillow reads; dog/cut.jpg is",
    ):
        read(pictures, most_broken=0.05)
    assert len(read(pictures, most_broken=3 / 43).broken) == 3


def test_nothing_left_is_an_error(pictures):
    for path in pictures.rglob("*.png"):
        path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="none of 40 files is an image that can be read: "):
        read(pictures, most_broken=1.0)
    with pytest.raises(DataError, match=r"all 40 files are broken .*0.png is no .*; and 30 more"):
        read(pictures, most_broken=1.0, image_size=8)


def test_a_class_of_which_nothing_is_left_is_an_error(pictures):
    for path in (pictures / "dog").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=f"{pictures} has no image of dog to train with"):
        read(pictures, most_broken=0.5)


def test_a_test_of_which_nothing_is_left_is_an_error(pictures, tmp_path):
    shutil.move(pictures, tmp_path / "root" / "train")
    (tmp_path / "root" / "val" / "dog").mkdir(parents=True)
    (tmp_path / "root" / "val" / "dog" / "1.png").write_text("hello")
    with pytest.raises(DataError, match="root: none of 1 test files is an image"):
        read(tmp_path / "root")


def test_a_file_that_may_not_be_read_is_left_out(pictures):
    closed = pictures / "cat" / "0.png"
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("root reads every file")
    assert read(pictures).broken == (Broken("cat/0.png", "cannot be read: Permission denied"),)
    closed.chmod(0o600)
    assert read(pictures).broken == ()


# Notes.


def test_the_sizes_of_the_classes_are_told(pictures):
    note = read(pictures).notes[1]
    assert note == (
        "3 classes, images to train with: 猫 16, cat 8, dog 8;"
        " the largest has 2.0 times the images of the smallest"
    )
    assert read(pictures, classes=("dog", "cat")).notes[1] == (
        "2 classes, images to train with: dog 8, cat 8"
    )


def test_a_misspelt_class_is_told(pictures):
    with pytest.raises(ConfigError, match=r"got 'dogs': did you mean dog\? There are cat, dog, 猫"):
        read(pictures, classes=("cat", "dogs"))


def test_a_terminal_gets_a_bar(pictures):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    load(options(pictures), say=pytest.fail, console=console)
    assert "decoding images" in screen.getvalue()
    assert "40/40" in screen.getvalue()


# To judge a network by.


def test_the_test_images_of_any_folder(pictures):
    said: list[str] = []
    split = load_test(
        options(pictures, image_size=99),
        classes=("猫", "x", "dog", "cat"),
        image_shape=(8, 10, 1),
        held_out=False,
        say=said.append,
    )
    assert split.images.shape == (40, 8, 10, 1)
    assert np.bincount(split.labels).tolist() == [20, 0, 10, 10]
    assert said == [f"40 files of {pictures}", f"{pictures} has no images of x"]


def test_what_was_held_out_in_training_is_held_out_again(pictures):
    shutil.move(pictures, pictures.with_name("train"))
    pictures.mkdir()
    shutil.move(pictures.with_name("train"), pictures)
    dataset = read(pictures)
    split = load_test(
        options(pictures),
        classes=dataset.classes,
        image_shape=dataset.image_shape,
        held_out=False,
        say=str,
    )
    assert split.files == dataset.final.files
    np.testing.assert_array_equal(pixels(split), pixels(dataset.final))


def test_the_test_images_of_a_published_set():
    small = DataOptions("digits", image_size=4)
    dataset = load(small)
    split = load_test(small, classes=dataset.classes, image_shape=(4, 4, 1), held_out=True)
    np.testing.assert_array_equal(pixels(split), pixels(dataset.final))
    with pytest.raises(DataError, match="of digits are 8x8x1, and the network takes 4x4x1"):
        load_test(
            replace(small, image_size=None),
            classes=dataset.classes,
            image_shape=(4, 4, 1),
            held_out=True,
        )
