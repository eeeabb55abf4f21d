"""Size, stride and padding of what the outputs see along an axis, where it is the same
window that moves; and whether branches see alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from jaxcnn.seen.factors import projected
from jaxcnn.seen.sets import Field


class Moving(NamedTuple):
    """Output j sees from stride j - padding on, size positions, holes among them."""

    size: int
    stride: int
    padding: int


def moving(matrix: np.ndarray) -> Moving | None:
    """The window that moves along an axis, of which outputs see which inputs, (m, n).
    Outputs that may see padding do not count. None if the others are fewer than two or
    see by no rule of (2) in `jaxcnn/receptive.py`.

    >>> moving(np.eye(5, dtype=bool) | np.eye(5, k=2, dtype=bool))
    Moving(size=3, stride=1, padding=0)
    """
    rows = unclipped(matrix)
    if len(rows) < 2:
        return None
    first = matrix[rows].argmax(axis=1)
    stride, rest = divmod(int(first[1] - first[0]), int(rows[1] - rows[0]))
    padding = stride * int(rows[0]) - int(first[0])
    seen = [np.flatnonzero(row) - start for row, start in zip(matrix[rows], first, strict=True)]
    alike = all(np.array_equal(seen[0], other) for other in seen[1:])
    if rest or stride < 1 or not alike or (first != stride * rows - padding).any():
        return None
    return Moving(int(seen[0][-1]) + 1, stride, padding)


def unclipped(matrix: np.ndarray) -> np.ndarray:
    """The outputs that see nothing within a hole's length of the border, so that
    nothing they would see lies beyond it."""
    n = matrix.shape[1]
    seeing = [np.flatnonzero(row) for row in matrix]
    gap = max((int(np.diff(row).max()) for row in seeing if len(row) > 1), default=1)
    inner = [j for j, row in enumerate(seeing) if len(row) and gap <= row[0] and row[-1] < n - gap]
    return np.asarray(inner, int)


def aligned(joints: Iterable[Sequence[Field]], axes: int) -> bool:
    """Whether the fields that met in an array had the same centres there, per axis.

    Centres of an upsampled branch go back and forth around those of the other, so the
    least and the largest distance between them must cancel. Pairs of which one sees all
    of the axis, or no output without padding, are not judged."""
    for fields in joints:
        for axis in range(axes):
            lines = [line for line in (_line(each, axis) for each in fields) if line is not None]
            for (dim, one), (other_dim, other) in pairwise(lines):
                if dim == other_dim and not _same_centres(one, other):
                    return False
    return True


def _line(field: Field, axis: int) -> tuple[int, np.ndarray] | None:
    """Which positions along one dim of the array see which along an axis; None if that
    takes more dims than one."""
    alone = [projected(term, axis) for term in field.terms]
    if any(one is None or len(one.dims) > 1 for one in alone):
        return None
    dims = {dim for one in alone if one for dim in one.dims}
    if len(dims) != 1:
        return None
    (dim,) = dims
    table = np.zeros((1, 1), bool)
    for one in alone:
        if one:
            table = table | (one.table if one.dims else one.table[None])
    return dim, table


def _same_centres(one: np.ndarray, other: np.ndarray) -> bool:
    both = np.intersect1d(unclipped(one), unclipped(other))
    if not len(both):
        return True
    distance = _sums_of_ends(one[both]) - _sums_of_ends(other[both])
    return bool(distance.max() + distance.min() == 0)


def _sums_of_ends(rows: np.ndarray) -> np.ndarray:
    """Twice the centre of what each row sees."""
    return rows.argmax(axis=1) + rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
