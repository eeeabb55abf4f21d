"""The options of `jaxcnn export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Config:
    """Write a trained network as one file that runs without jaxcnn: a function of uint8
    images (b, h, w, c), for any b, that gives probabilities (b, classes) in float32,
    for CPU, GPU and TPU.

    FILE is what jax.export.deserialize reads. FILE.mlir beside it is the same as text,
    in StableHLO.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The output folder of jaxcnn train, or a folder that jaxcnn.save wrote."""
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """The file to write."""
    model: str | None = None
    """For a network of your own: module:function, the function that builds it."""
    overwrite: bool = False
    """Replace FILE and FILE.mlir if they exist."""
