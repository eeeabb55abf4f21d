"""What the report of a run is made of: plain values, without the run that gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxcnn.programs.train.mistake_pictures import Images


@dataclass(frozen=True)
class Picture:
    """A picture of the report: a title, a sentence on what it shows, and a PNG file's
    content."""

    title: str
    sentence: str
    png: bytes


@dataclass(frozen=True)
class Data:
    """The images that a run learned from.

    Attributes:
      name: of the data set, or the folder.
      classes: the k names, in any script.
      train_counts, test_counts: images of each class, (k,); test images are those of
        the report's accuracy.
      image_shape: (h, w, c).
      notes: sentences: how the images were split, which files were broken.
    """

    name: str
    classes: Sequence[str]
    train_counts: Sequence[int]
    test_counts: Sequence[int]
    image_shape: tuple[int, int, int]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class ReportContent:
    """What a report says.

    Attributes:
      title: of the page, such as "resnet20 on flowers".
      commands: the command lines of the processes of the run, the first one first.
      options: name and value of each option.
      data: the images.
      rows: the metrics of each epoch as in metrics.jsonl; at least one.
      planned_epochs: how many epochs the run was to have; with fewer rows the page says
        that it is incomplete.
      images: the test images, (n, h, w, c), floats in [0, 1] or uint8; only those that
        are shown are read.
      labels: their classes, (n,).
      probabilities: what the network predicts, (n, k).
      files: their names, or None.
      curves: the picture of the learning curves.
      pictures: other pictures, in order.
      environment: name and value of what else the result depends on.
      seconds: how long the run took, all processes together.
      tested_on: what the test images are, such as "test images" or "held-out images".
    """

    title: str
    commands: Sequence[str]
    options: Mapping[str, Any]
    data: Data
    rows: Sequence[Mapping[str, float]]
    planned_epochs: int
    images: Images
    labels: np.ndarray
    probabilities: np.ndarray
    files: Sequence[str] | None
    curves: Picture
    pictures: Sequence[Picture]
    environment: Mapping[str, Any]
    seconds: float
    tested_on: str = "test images"

    def __post_init__(self) -> None:
        """Raises ValueError if the parts do not fit."""
        count, classes = len(self.labels), len(self.data.classes)
        for name, shape, needed in (
            ("probabilities", np.shape(self.probabilities), (count, classes)),
            ("images", (len(self.images),), (count,)),
            ("data.train_counts", np.shape(self.data.train_counts), (classes,)),
            ("data.test_counts", np.shape(self.data.test_counts), (classes,)),
        ):
            if shape != needed:
                raise ValueError(
                    f"{name} of {count} images of {classes} classes must have the shape {needed},"
                    f" got {shape}"
                )
        if self.files is not None and len(self.files) != count:
            raise ValueError(f"files must be {count} names or None, got {len(self.files)}")
        if not self.rows or not count:
            raise ValueError(
                f"a report needs an epoch and a test image, got {len(self.rows)} and {count}"
            )
