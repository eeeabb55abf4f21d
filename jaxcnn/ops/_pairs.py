"""Predictions and targets: two arrays that a loss compares."""

from __future__ import annotations

import math

from jaxtyping import Array


def check_shapes(first: str, a: Array, second: str, b: Array) -> None:
    if a.shape == b.shape:
        return
    hint = ""
    if math.prod(a.shape) == math.prod(b.shape) and abs(a.ndim - b.ndim) == 1:
        wide, narrow = (first, second) if a.ndim > b.ndim else (second, first)
        hint = (
            f"; broadcasting would compare every one with every other: squeeze {wide} or expand"
            f" {narrow}"
        )
    raise ValueError(f"{second} must have the shape of {first}, {a.shape}, got {b.shape}{hint}")
