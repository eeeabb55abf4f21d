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
    None if there is none that follows (2) of `jaxcnn/receptive.py`.

    Outputs that may see padding do not count: at least one must certainly see none, and
    one of its neighbours must see the same window elsewhere.

    >>> moving(np.eye(9, dtype=bool) | np.eye(9, k=2, dtype=bool))
    Moving(size=3, stride=1, padding=0)
    """
    certain = unclipped(matrix)
    if not len(certain):
        return None
    first = matrix.argmax(axis=1)
    shapes = [np.flatnonzero(row) - start for row, start in zip(matrix, first, strict=True)]
    window = shapes[certain[0]]
    begin, end = int(certain[0]), int(certain[-1]) + 1
    while begin and np.array_equal(shapes[begin - 1], window):
        begin -= 1
    while end < len(shapes) and np.array_equal(shapes[end], window):
        end += 1
    alike = all(np.array_equal(shapes[j], window) for j in range(begin, end))
    if end - begin < 2 or not alike:
        return None
    steps = np.diff(first[begin:end])
    stride = int(steps[0])
    if stride < 1 or (steps != stride).any():
        return None
    return Moving(int(window[-1]) + 1, stride, stride * begin - int(first[begin]))


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
