"""Folders as `jaxcnn train` leaves them, and pictures for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import jaxcnn
from tests.stored._stored_models import OWN, own_arrays

CLASSES = ["dark", "[b]mid", "明るい"]


def build(width: int = 2) -> jaxcnn.Layer:
    """A network that tells dark images from light ones: it needs no training."""
    layers = jaxcnn.layers
    return layers.serial(layers.conv(width, 1), layers.global_avg_pool(), layers.dense(3))


def write_run(folder: Path, config: Any = None, **about: Any) -> Path:
    """A run of `build`, and a config.json with these entries."""
    params = {
        "0_conv": {"w": np.array([[[[1.0, -1.0]]]], np.float32), "b": np.zeros(2, np.float32)},
        "2_dense": {
            "w": np.array([[-5, 0, 5], [5, 0, -5]], np.float32),
            "b": np.array([0, 3, 0], np.float32),
        },
    }
    entries: dict[str, Any] = {
        "model": None,
        "classes": CLASSES,
        "image_size": 8,
        "normalisation": ([0.5], [0.5]),
    }
    jaxcnn.save(folder, params, {}, **entries | about)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_statistics_run(folder: Path) -> Path:
    """A run of a network with statistics."""
    jaxcnn.save(folder, *own_arrays(), **OWN)
    return folder


def write_picture(path: Path, level: int, size: tuple[int, int] = (8, 8)) -> Path:
    """A picture of one grey, from 0 to 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path)
    return path


def write_pictures(folder: Path, counts: tuple[int, ...] = (3, 2, 4)) -> Path:
    """Pictures of each class in a folder of its own."""
    for name, level, count in zip(CLASSES, (0, 128, 255), counts, strict=True):
        for number in range(count):
            write_picture(folder / name / f"{number}.png", level)
    return folder
