"""The options of `jaxcnn receptive-field`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from jaxcnn.programs.data.options import Name
from jaxcnn.programs.receptive_field.spread import Position

Model = Literal["cnn_basics", "lenet", "vgg", "resnet20", "mobilenet"]


@dataclass(frozen=True)
class Config:
    """Draw what layers of a network see of an image, in theory and after training, and
    print the receptive field of each layer.

    Writes receptive_field.png. Without --run the network is trained first, by jaxcnn
    train with its default options.
    """

    model: tyro.conf.Positional[Model]
    """The network, see jaxcnn/models.py."""
    layer: str | None = None
    """The path of the layer to draw, as in the table; by default up to four layers,
    from small fields to large ones."""
    positions: tuple[Position, ...] = ()
    """Row and column of each output whose field is drawn on the image; by default the
    centre and a corner."""

    dataset: Name | None = None
    """The images; by default those that --run was trained on, or the digits."""
    data_dir: Path | None = None
    """Folder of the images, as jaxcnn train takes it; by default that of --run, if it
    had one."""
    run: Path | None = None
    """The output folder of a run of jaxcnn train that trained this network."""
    epochs: int = 3
    """How long to train without --run."""
    images: int = 200
    """How many test images the gradient is averaged over; more than there are is all of
    them."""

    output: Path | None = None
    """Folder of the picture, by default runs/receptive_field-<model>. An earlier
    picture and its training are replaced."""
