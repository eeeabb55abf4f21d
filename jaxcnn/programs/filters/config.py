"""The options of `jaxcnn filters`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jaxcnn.programs.data.options import Name


@dataclass(frozen=True)
class Config:
    """Write a page of what the filters of a trained network look for: kernels, feature
    maps, the images that excite them most, images made to excite them, and class
    activation maps.

    It is one HTML file of at most 5 MB, which needs no server and no network. With
    --known it shows filters that people wrote by hand, on photographs.
    """

    run: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="RUN")] = None
    """The output folder of jaxcnn train, or a folder that jaxcnn.save wrote."""
    layers: tuple[str, ...] = ()
    """The convolutions whose filters are shown, by their paths as in jaxcnn summary; by
    default the first, one in the middle, and the last."""
    filters: tuple[int, ...] = ()
    """The filters of each of these layers, by number from 0; by default some from the
    first to the last."""
    count: int = 6
    """How many filters of each layer, if --filters does not say which."""
    best: int = 6
    """How many images to show that excite a filter most."""
    images: int = 5000
    """How many images to search for these; of more, some from the first to the
    last."""
    example: int = 0
    """The image whose feature maps are shown, by its number from 0."""
    steps: int = 256
    """Steps of gradient ascent."""
    seed: int = 0
    """Seed of the gradient ascent."""
    known: bool = False
    """Show filters that people wrote by hand, on photographs; without RUN, these
    alone."""

    dataset: Name | None = None
    """The images, as for jaxcnn evaluate: by default those that the run held out."""
    data_dir: Path | None = None
    """Folder of the images, as for jaxcnn evaluate."""
    model: str | None = None
    """For a network of your own: module:function, the function that builds it."""
    output: Path = Path("filters.html")
    """The file to write. An earlier page of this command is replaced, any other file is
    not."""
