"""The options of `jaxcnn predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class Config:
    """Say what is in images: the class of each, and its probability.

    An image that cannot be read is named on stderr, and the others are predicted; the
    exit status is then 1, or 2 if none could be read.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The output folder of jaxcnn train, or a folder that jaxcnn.save wrote."""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGE...")]
    """Files of images, folders of them, or - for names of files from standard input,
    one a line (or with a NUL byte after each)."""
    format: Literal["table", "json"] = "table"
    """A table for a person, or one JSON object a line for a program."""
    top: int | None = None
    """How many classes to tell of, the likeliest first; by default all in JSON, and
    three in a table."""
    explain: Path | None = None
    """Folder for a picture of each image that shows what drove the answer."""
    model: str | None = None
    """For a network of your own: module:function, the function that builds it."""
