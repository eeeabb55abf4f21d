"""Factors and terms: products of tables of booleans, (1) of `sets.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

MOST_BOOLEANS = 2**26
"""The largest table of a factor."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A table of booleans, of the sizes of its dims and then of its axes, both
    sorted."""

    dims: tuple[int, ...]
    axes: tuple[int, ...]
    table: np.ndarray

    @property
    def place(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.dims, self.axes

    def same(self, other: Factor) -> bool:
        return self is other or (
            self.place == other.place and np.array_equal(self.table, other.table)
        )


Term = tuple[Factor, ...]


def tidy(factors: Iterable[Factor]) -> Term | None:
    """The term with no dim or axis along which a table is constant, and every table
    without axes inside another where it fits; None if it is empty."""
    small = [trimmed(factor) for factor in factors]
    if any(not factor.table.any() for factor in small):
        return None
    found = [factor for factor in small if factor.axes]
    for mask in (factor for factor in small if factor.dims and not factor.axes):
        place = _home(mask, found)
        if place is None:
            found.append(mask)
            continue
        other = found[place]
        dims = tuple(sorted({*mask.dims, *other.dims}))
        table = spread(mask, dims, other.axes) & spread(other, dims, other.axes)
        found[place] = trimmed(Factor(dims, other.axes, table))
        if not table.any():
            return None
    kept = [factor for factor in found if factor.dims or factor.axes]
    return tuple(sorted(kept, key=lambda factor: (factor.axes, factor.dims)))


def _home(mask: Factor, found: Sequence[Factor]) -> int | None:
    """Which factor takes a mask in: one of its dims, or of none. The table of one that
    has other dims would grow."""
    fitting = [k for k, factor in enumerate(found) if set(mask.dims) <= set(factor.dims)]
    constant = [
        k
        for k, factor in enumerate(found)
        if not factor.dims and mask.table.size * factor.table.size <= MOST_BOOLEANS
    ]
    return next(iter([*fitting, *constant]), None)


def trimmed(factor: Factor) -> Factor:
    """The factor without the dims and axes along which its table is constant."""
    names, (keep, table) = [*factor.dims, *factor.axes], varying(factor.table)
    if len(keep) == len(names):
        return factor
    split = len(factor.dims)
    return Factor(
        tuple(names[place] for place in keep if place < split),
        tuple(names[place] for place in keep if place >= split),
        table,
    )


def varying(table: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The axes along which a table is not constant; and it without the others."""
    keep = []
    for place in range(table.ndim):
        first = table.take([0], axis=place)
        if table.shape[place] > 1 and not (table == first).all():
            keep.append(place)
        else:
            table = first
    return keep, table.reshape([table.shape[place] for place in keep])


def spread(factor: Factor, dims: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """The table of a factor with entries of size 1 for the dims and axes that it does
    not have."""
    sizes = dict(zip([*factor.dims, *(~a for a in factor.axes)], factor.table.shape, strict=True))
    return factor.table.reshape([sizes.get(name, 1) for name in [*dims, *(~a for a in axes)]])


def merged(factors: Sequence[Factor]) -> Factor | None:
    """The product of factors as one factor; None if its table would be too large."""
    if len(factors) == 1:
        return factors[0]
    dims = sorted({dim for factor in factors for dim in factor.dims})
    axes = sorted({axis for factor in factors for axis in factor.axes})
    tables = [spread(factor, dims, axes) for factor in factors]
    if np.prod(np.broadcast_shapes(*(t.shape for t in tables)), dtype=float) > MOST_BOOLEANS:
        return None
    table = tables[0]
    for other in tables[1:]:
        table = table & other
    return Factor(tuple(dims), tuple(axes), table)


def projected(term: Term, axis: int) -> Factor | None:
    """What a term sees of one axis; None if that is all of it."""
    for factor in term:
        if axis in factor.axes:
            others = [place for place, other in enumerate(factor.axes) if other != axis]
            table = factor.table.any(axis=tuple(len(factor.dims) + place for place in others))
            return Factor(factor.dims, (axis,), np.asarray(table))
    return None


def rectangles(mask: np.ndarray) -> list[list[np.ndarray]]:
    """A mask as a union of products of one mask per dim: equal rows are taken together.

    >>> cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    >>> [[along.astype(int).tolist() for along in each] for each in rectangles(cross)]
    [[[1, 0, 1], [0, 1, 0]], [[0, 1, 0], [1, 1, 1]]]
    """
    if mask.ndim <= 1:
        return [[mask]] if mask.any() else []
    rows = mask.reshape(len(mask), -1)
    different, which = np.unique(rows, axis=0, return_inverse=True)
    found = []
    for number, row in enumerate(different):
        for inner in rectangles(row.reshape(mask.shape[1:])):
            found.append([which.reshape(-1) == number, *inner])
    return found
