"""The cache folder of downloads: verified at each use, and put right."""

from __future__ import annotations

from pathlib import Path

import pytest
from downloads import get, source
from file_server import good, respond
from idx_files import (
    ARCHIVES,
    CLASSES,
    TEST_LABELS,
    TRAIN_LABELS,
    bounded_memory,
    check_is_good,
    idx,
    labels,
)

from jaxcnn.programs.data.dataset import DataError, published
from jaxcnn.programs.data.download import cache_folder
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.sources import FASHION_MNIST, MNIST


def test_a_cached_file_that_is_far_too_long_is_not_read(serve, cache):
    url = serve(good).url
    get(source(url))
    with (cache / f"{TEST_LABELS}.gz").open("r+b") as file:
        file.truncate(2**40)
    said: list[str] = []
    with bounded_memory(2**24):
        check_is_good(get(source(url), said))
    assert f"{TEST_LABELS}.gz is damaged, 1,099,511,627,776 bytes: more than the " in said[0]


@pytest.mark.parametrize(
    "damage", [b"", b"<html>", ARCHIVES[f"{TRAIN_LABELS}.gz"][:-1], ARCHIVES[f"{TEST_LABELS}.gz"]]
)
def test_a_damaged_file_is_downloaded_again(serve, cache, damage):
    server, said = serve(good), []
    get(source(server.url))
    path = cache / f"{TRAIN_LABELS}.gz"
    path.write_bytes(damage)
    server.requests.clear()
    check_is_good(get(source(server.url), said))
    assert server.requests == [path.name]
    assert said[0].startswith(f"{path} is damaged, ")
    assert said[0].endswith(": downloading it again")
    assert path.read_bytes() == ARCHIVES[path.name]


def test_only_verified_files_of_the_cache_are_read(serve, cache):
    """A file under another accepted name, which nobody has verified, does not hide the
    download."""
    cache.mkdir(parents=True)
    (cache / TRAIN_LABELS).write_bytes(idx(labels(1, 1, 1)))
    check_is_good(get(source(serve(good).url)))


def test_an_unusable_cache_is_told_with_the_way_out(serve, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file")
    with pytest.raises(
        DataError,
        match=(
            r"tiny cannot be kept in .*/jaxcnn/tiny: File exists\. Set XDG_CACHE_HOME .* --data-dir"
        ),
    ):
        get(source(serve(good).url))


def test_a_disk_that_fails_leaves_nothing(serve, cache, monkeypatch):
    def half(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(DataError, match=r"cannot be kept in .*: No space left on device"):
        get(source(serve(good).url))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("base", ["", "relative"])
def test_the_cache_is_in_the_home_folder_unless_the_environment_says_otherwise(
    monkeypatch, tmp_path, base
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert cache_folder(MNIST) == tmp_path / ".cache" / "jaxcnn" / "mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder(FASHION_MNIST) == tmp_path / "other" / "jaxcnn" / "fashion_mnist"


def test_mnist_comes_through_a_download(real_mnist, serve, cache):
    server = serve(lambda handler, name: respond(handler, (real_mnist / name).read_bytes()))
    dataset = published(
        MNIST._replace(mirrors=(server.url,)), CLASSES, DataOptions("mnist"), say=[].append
    )
    assert dataset.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert dataset.train.images[0].mean() / 255 == pytest.approx(0.13768, abs=1e-5)
