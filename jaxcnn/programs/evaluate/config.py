"""The options of `jaxcnn evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class Config:
    """Judge a trained network by images that it has not seen: accuracy with a 95 %
    interval, precision and recall of each class, and which classes it confuses.

    The images are those that the run held out. With --data-dir they are those of any
    other folder, or of the run's own that was moved.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The output folder of jaxcnn train, or a folder that jaxcnn.save wrote."""
    data_dir: Path | None = None
    """Folder of the images, with test/CLASS/*, val/CLASS/* or CLASS/*, or of the files
    of the run's published data set; by default that of the run."""
    dataset: Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "folder"] | None = (
        None
    )
    """The images, as for jaxcnn train; by default those of the run, or folder if
    data-dir has folders of pictures."""
    model: str | None = None
    """For a network of your own: module:function, the function that builds it."""
    format: Literal["table", "json"] = "table"
    """Tables for a person, or one JSON object for a program."""
