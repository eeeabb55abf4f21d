"""Decoded images are kept, for as long as they are those of the files."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from picture_files import encoded, plain
from picture_folders import options, pixels, read, spoil

from jaxcnn.programs.data import cache, folders
from jaxcnn.programs.data.dataset import load


@pytest.fixture
def decoded(monkeypatch):
    """How many files were decoded, call by call."""
    calls = []
    decode = folders.decode

    def counting(files, *arguments, **others):
        calls.append(len(files))
        return decode(files, *arguments, **others)

    monkeypatch.setattr(folders, "decode", counting)
    return calls


@pytest.mark.parametrize("memory_gb", [None, 1e-9])
def test_files_are_decoded_once(pictures, decoded, memory_gb):
    broken = spoil(pictures)
    first, second = (read(pictures, memory_gb=memory_gb) for _ in range(2))
    assert decoded == [42]
    assert first.fingerprint == second.fingerprint
    assert second.broken == broken
    assert first.notes == second.notes
    assert first.normalisation == second.normalisation
    np.testing.assert_array_equal(pixels(first.train), pixels(second.train))


def test_a_folder_that_was_moved_is_the_same(pictures, decoded):
    first = read(pictures)
    moved = read(shutil.move(pictures, pictures.with_name("moved")))
    assert decoded == [40]
    assert moved.fingerprint == first.fingerprint
    copied = read(shutil.copytree(pictures.with_name("moved"), pictures))
    assert copied.fingerprint == first.fingerprint


def change(folder):
    (folder / "cat" / "0.png").write_bytes(encoded(plain(2)))


@pytest.mark.parametrize(
    "change",
    [
        change,
        lambda folder: (folder / "cat" / "0.png").rename(folder / "cat" / "00.png"),
        lambda folder: (folder / "cat" / "0.png").rename(folder / "dog" / "00.png"),
        lambda folder: (folder / "cat").rename(folder / "lion"),
        lambda folder: shutil.copy(folder / "cat" / "0.png", folder / "cat" / "99.png"),
    ],
    ids=["pixels", "name", "class of an image", "name of a class", "number"],
)
def test_other_content_is_another_fingerprint(pictures, decoded, change):
    first = read(pictures)
    change(pictures)
    second = read(pictures)
    assert len(decoded) == 2
    assert second.fingerprint != first.fingerprint


def test_what_pixels_depend_on_is_another_entry(pictures, decoded):
    for others in ({}, {"image_size": 8}, {"image_size": 8, "fit": "pad"}, {"channels": 1}):
        read(pictures, **others)
        read(pictures, **others)
    assert decoded == [40] * 4


@pytest.mark.parametrize("place", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("how", ["changed", "cut"])
def test_a_damaged_entry_is_found_out(pictures, decoded, place, how):
    expected = read(pictures)
    (entry,) = cache.folder().iterdir()
    content = bytearray(entry.read_bytes())
    at = int(len(content) * place)
    content[at] ^= 0xFF
    entry.write_bytes(content if how == "changed" else content[:at])
    said: list[str] = []
    dataset = load(options(pictures), say=said.append)
    assert decoded == [40, 40]
    assert said[0].startswith(f"{entry} is damaged (")
    assert said[0].endswith("): decoding again")
    assert dataset.fingerprint == expected.fingerprint
    assert [*cache.folder().iterdir()] == [entry]
    assert read(pictures).fingerprint == expected.fingerprint
    assert decoded == [40, 40]


def test_a_cache_that_cannot_be_written_is_no_error(pictures, decoded):
    cache.folder().parent.mkdir(parents=True)
    cache.folder().write_text("a file")
    said: list[str] = []
    assert len(load(options(pictures), say=said.append).train) == 32
    assert said[-1].endswith("decoded: File exists; they are decoded each time")


def test_a_full_disk_is_left_some_room(pictures, monkeypatch):
    monkeypatch.setattr(cache, "LEAST_FREE", 2**60)
    said: list[str] = []
    load(options(pictures), say=said.append)
    assert "are not kept in" in said[0]
    assert [*cache.folder().iterdir()] == []


def test_a_disk_that_fails_leaves_nothing(pictures, monkeypatch):
    def half(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "savez", half)
    said: list[str] = []
    load(options(pictures), say=said.append)
    assert "No space left on device" in said[0]
    assert [*cache.folder().iterdir()] == []


def test_entries_that_nobody_reads_go(pictures):
    read(pictures)
    (entry,) = cache.folder().iterdir()
    os.utime(entry, (0, 0))
    read(pictures)  # which sets the time
    read(pictures, image_size=8)
    assert entry.exists()
    os.utime(entry, (0, 0))
    read(pictures, image_size=9)
    assert not entry.exists()
