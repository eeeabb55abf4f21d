"""Predictions and targets: two arrays that a loss compares."""

from __future__ import annotations

import math

from jaxtyping import Array

from jaxcnn.ops._arrays import at_least_float32


def of_one_dtype(a: Array, b: Array) -> tuple[Array, Array]:
    """Both in the wider dtype of the two, and at least in float32."""
    a, b = at_least_float32(a), at_least_float32(b)
    dtype = max(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
    return a.astype(dtype), b.astype(dtype)


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
