"""The options of `jaxcnn explore`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

Page = Literal["gradients", "receptive-field"]
Operation = Literal["conv", "max_pool", "avg_pool", "batch_norm"]


@dataclass(frozen=True)
class Config:
    """Write a page in which the backward pass of an operation is seen entry by entry,
    or one that calculates the receptive fields of a stack of layers.

    It is one HTML file, which needs no server and no network: open it in a browser.
    """

    page: tyro.conf.Positional[Page] = "gradients"
    """gradients, or receptive-field: the calculator."""
    operation: Operation | None = None
    """The operation that the page of gradients begins with; it has them all. By default
    conv."""
    output: Path | None = None
    """The file to write, by default explore.html or receptive-field.html. An earlier
    page of this command is replaced, any other file is not."""
