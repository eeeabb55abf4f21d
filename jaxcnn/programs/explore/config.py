"""The options of `jaxcnn explore`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Operation = Literal["conv", "max_pool", "avg_pool", "batch_norm"]


@dataclass(frozen=True)
class Config:
    """Write a page in which the backward pass of an operation is seen entry by entry.

    It is one HTML file, which needs no server and no network: open it in a browser.
    """

    operation: Operation = "conv"
    """The operation that the page begins with; it has them all."""
    output: Path = Path("explore.html")
    """The file to write. An earlier page of this command is replaced, any other file is
    not."""
