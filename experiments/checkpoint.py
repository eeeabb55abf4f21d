"""Nested dicts of arrays as safetensors files, with names like "0_conv.w"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from experiments.files import write_whole


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write nested dicts of arrays, whose keys have no dot, to `path`, whole or not at all."""
    content = save(dict(_flatten(arrays)))
    write_whole(path, lambda partial: partial.write_bytes(content))


def load_arrays(path: Path) -> dict[str, Any]:
    """The nested dicts that `save_arrays` wrote, of NumPy arrays."""
    arrays: dict[str, Any] = {}
    for name, array in load_file(path).items():
        *parents, last = name.split(".")
        entry = arrays
        for parent in parents:
            entry = entry.setdefault(parent, {})
        entry[last] = array
    return arrays


def _flatten(arrays: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for key, value in arrays.items():
        if "." in key:
            raise ValueError(f"keys must have no dot, which separates them in the file, got {key!r}")
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", np.ascontiguousarray(value)
