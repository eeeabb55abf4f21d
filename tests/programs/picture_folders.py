"""Folders of pictures as data sets, for the tests that read them."""

from __future__ import annotations

import os

import pytest
from picture_files import encoded, plain

from jaxcnn.programs.data.dataset import load
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Broken


def options(folder, **others) -> DataOptions:
    return DataOptions("folder", data_dir=folder, **others)


def read(folder, **others):
    """The data set of a folder; nothing is said meanwhile."""
    return load(options(folder, **others), say=pytest.fail)


def pixels(split):
    return split.images[:]


def spoil(pictures):
    """Put three things into the folder that are no images; what is told of them."""
    (pictures / "cat" / "notes.txt").write_text("hello")
    (pictures / "dog" / "cut.jpg").write_bytes(encoded(plain(0), "JPEG")[:300])
    os.mkfifo(pictures / "猫" / "pipe")
    return (
        Broken("cat/notes.txt", "is no image that Pillow reads"),
        Broken("dog/cut.jpg", "is damaged: Truncated File Read"),
        Broken("猫/pipe", "is a pipe, not a file"),
    )
