"""The data sets by name, and what a folder's files become."""

from __future__ import annotations

import gzip
import hashlib

import numpy as np
import pytest
from idx_files import (
    GOOD,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    check_is_good,
    idx,
    images,
    labels,
)

from jaxcnn.programs.data.dataset import DataError, digits, load
from jaxcnn.programs.data.idx import unpacked
from jaxcnn.programs.data.mnist import FILES
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.order import shuffled_batches
from jaxcnn.programs.data.sources import FASHION_MNIST, MNIST
from jaxcnn.programs.options import ConfigError

# By name.


def test_digits_say_what_they_are():
    dataset = load(DataOptions("digits"))
    assert (dataset.name, dataset.classes) == ("digits", tuple("0123456789"))
    assert dataset.fingerprint == digits().fingerprint


@pytest.mark.parametrize(
    ("name", "first", "last"), [("mnist", "0", "9"), ("fashion_mnist", "T-shirt/top", "Ankle boot")]
)
def test_files_of_a_folder_become_a_data_set_in_silence(folder, name, first, last, capsys):
    dataset = load(DataOptions(name, folder))
    check_is_good(dataset)
    assert (dataset.name, len(dataset.classes), dataset.classes[0], dataset.classes[-1]) == (
        name,
        10,
        first,
        last,
    )
    assert capsys.readouterr().out == ""


def test_digits_are_in_no_folder(folder):
    with pytest.raises(DataError, match=r"come with scikit-learn .* leave --data-dir .*/data out"):
        load(DataOptions("digits", folder))


def test_an_unknown_name_is_told_the_known_ones(folder):
    with pytest.raises(
        ConfigError, match=r"--dataset must be digits, mnist, .*, cifar100 or folder, got cifar$"
    ):
        load(DataOptions("cifar", folder))


def test_white_is_255_and_black_is_0(folder):
    (folder / TEST_IMAGES).write_bytes(
        idx(np.stack([np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)]))
    )
    x = load(DataOptions("mnist", folder)).test.images
    assert (x[0].max(), x[1].min()) == (0, 255)


# Files.


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_each_name_is_accepted_whether_the_content_is_gzipped_or_not(
    tmp_path, packed, suffix, dotted
):
    for name, content in GOOD.items():
        name = name.replace("-idx", ".idx") if dotted else name
        (tmp_path / f"{name}{suffix}").write_bytes(gzip.compress(content) if packed else content)
    check_is_good(load(DataOptions("mnist", tmp_path)))


def test_a_file_is_found_beside_a_folder_of_its_name(folder):
    """Some systems unpack an archive into a folder of the file's name."""
    (folder / TRAIN_IMAGES).unlink()
    (folder / TRAIN_IMAGES).mkdir()
    with pytest.raises(DataError, match=f"lacks {TRAIN_IMAGES};"):
        load(DataOptions("mnist", folder))
    (folder / "train-images.idx3-ubyte").write_bytes(GOOD[TRAIN_IMAGES])
    check_is_good(load(DataOptions("mnist", folder)))


def test_a_set_without_images_is_refused(folder):
    (folder / TEST_IMAGES).write_bytes(idx(images(0)))
    (folder / TEST_LABELS).write_bytes(idx(labels()))
    with pytest.raises(DataError, match=f"{TEST_IMAGES} has no images"):
        load(DataOptions("mnist", folder))


def test_a_missing_file_is_named_with_those_that_are_there(folder):
    (folder / TEST_LABELS).unlink()
    (folder / TRAIN_LABELS).rename(folder / "train-labels.idx1-ubyte")
    (folder / TRAIN_IMAGES).unlink()
    with pytest.raises(DataError) as caught:
        load(DataOptions("mnist", folder))
    assert (
        str(caught.value)
        == f"{folder} lacks {TRAIN_IMAGES} and {TEST_LABELS}; of the four files it has"
        f" train-labels.idx1-ubyte and {TEST_IMAGES}. Accepted names are as in"
        f" {TRAIN_IMAGES}.gz, {TRAIN_IMAGES}, train-images.idx3-ubyte.gz and"
        " train-images.idx3-ubyte"
    )


def test_a_folder_must_be_there_and_have_something(tmp_path):
    with pytest.raises(DataError, match="of the four files it has none"):
        load(DataOptions("mnist", tmp_path))
    with pytest.raises(
        DataError, match=r"elsewhere is not there: a folder with train-images.* is needed"
    ):
        load(DataOptions("mnist", tmp_path / "elsewhere"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="file is a file: a folder with"):
        load(DataOptions("mnist", tmp_path / "file"))


# The published sets.


@pytest.mark.parametrize("source", [MNIST, FASHION_MNIST], ids=lambda source: source.name)
def test_the_tables_are_complete(source):
    assert tuple(file.name for file in source.files) == FILES
    assert len({file.sha256 for file in source.files}) == 4
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in source.files)
    assert len(source.mirrors) == 2
    assert [file.size for file in source.files] == [
        16 + 60_000 * 28**2,
        8 + 60_000,
        16 + 10_000 * 28**2,
        8 + 10_000,
    ]
    assert all(mirror.endswith("/") for mirror in source.mirrors)


def test_mnist_is_the_official_one(real_mnist):
    for file in MNIST.files:
        content = unpacked((real_mnist / f"{file.name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(content) == file.size
    dataset = load(DataOptions("mnist", real_mnist))
    assert (dataset.train.images.shape, dataset.test.images.shape) == (
        (60_000, 28, 28, 1),
        (10_000, 28, 28, 1),
    )
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 255)
    assert np.bincount(dataset.train.labels).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert np.bincount(dataset.test.labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_the_held_out_images_are_a_fifth_of_each_class_and_always_the_same():
    dataset = digits()
    assert dataset.train.images.shape == (1437, 8, 8, 1)
    assert dataset.test.images.shape == (360, 8, 8, 1)
    assert dataset.train.images.dtype == np.uint8
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 255)
    parts = np.bincount(dataset.test.labels) / np.bincount(
        np.concatenate([dataset.train.labels, dataset.test.labels])
    )
    np.testing.assert_allclose(parts, 0.2, atol=0.005)
    assert dataset.fingerprint == digits().fingerprint
    assert (dataset.name, dataset.classes) == ("digits", tuple("0123456789"))


def test_an_epoch_visits_an_image_at_most_once_and_the_next_in_another_order():
    random = np.random.default_rng(0)
    first, second = list(shuffled_batches(random, 10, 3)), list(shuffled_batches(random, 10, 3))
    assert [len(batch) for batch in first] == [3, 3, 3]
    assert len(set(np.concatenate(first))) == 9
    assert set(np.concatenate(first)) < set(range(10))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    assert [len(batch) for batch in shuffled_batches(random, 6, 3)] == [3, 3]
