"""The arguments of networks: ints, and rows of ints."""

from __future__ import annotations

from typing import Any

from jaxcnn.arguments import as_ints, described, is_several

# Arguments that networks are made with.


def as_entries(name: str, value: Any, entries: int | None = None) -> tuple[int, ...]:
    """Several positive ints, as many as `entries` if that is given.

    >>> as_entries("features", [6, 16], 2)
    (6, 16)
    """
    needed = "several ints" if entries is None else f"{entries} ints"
    ints = as_ints(name, value, needed, least=1)
    if entries not in (None, len(ints)):
        raise ValueError(f"{name} must be {needed}, got {described(value)}")
    return ints


def as_rows(
    name: str, value: Any, needed: str, *, entries: int | None = None, least: int = 0
) -> list[tuple[int, ...]]:
    """Several rows of positive ints, `least` of them at least, with as many ints each
    as `entries` has, or at least one.

    >>> import numpy as np
    >>> blocks = np.array([[32, 1], [64, 2]])
    >>> as_rows("blocks", blocks, "a pair of ints for each block", entries=2)
    [(32, 1), (64, 2)]
    """
    rows: list[Any] = list(value) if is_several(value) else [None]
    for row in rows:
        if not is_several(row) or len(row) == 0 or entries not in (None, len(row)):
            raise ValueError(f"{name} must be {needed}, got {described(value)}")
    if len(rows) < least:
        raise ValueError(f"{name} must be {needed}, {least} at least, got {described(value)}")
    return [as_entries(name, row) for row in rows]
