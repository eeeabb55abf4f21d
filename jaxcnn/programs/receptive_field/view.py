"""What is shown of a layer: its receptive field, its effective field, and the outputs
to draw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxcnn.fields import ReceptiveField
from jaxcnn.programs.receptive_field.spread import Position


class View(NamedTuple):
    """A layer's receptive field, and the effective one of its centre output.

    Attributes:
      path: the layer's, as in `layers.outputs`.
      field: the receptive field.
      positions: the outputs to draw.
      effective: equation (1), (h, w), scaled to the sum 1; all 0 if no image has a
        gradient.
      theory: per axis, the standard deviation of equal weights, equation (2).
    """

    path: str
    field: ReceptiveField
    positions: tuple[Position, ...]
    effective: np.ndarray
    theory: tuple[float, ...]
