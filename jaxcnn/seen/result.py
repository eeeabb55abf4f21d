"""What the outputs of a function see, and what its inputs reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from jaxcnn.arguments import as_int, as_ints, described
from jaxcnn.seen.factors import MOST_BOOLEANS, Factor
from jaxcnn.seen.regular import Moving, aligned, moving
from jaxcnn.seen.relations import reduced
from jaxcnn.seen.sets import Field

Interval = tuple[int, int]  # the first and the last position


@dataclass(frozen=True, eq=False)
class Seen:
    """What every output position of a function sees of its input's space.

    Attributes:
      input_size: the size of the input's space, per axis.
      output_size: that of the output's; () if it has none.
      notes: why the sets may be too large; empty if they are exact.
      terms: the sets, as `jaxcnn/seen/sets.py` keeps them.

    >>> import jax.numpy as jnp
    >>> from jaxcnn.seen import fields_of
    >>> seen = fields_of(lambda x: x[:, ::2] + x[:, 1::2], jnp.zeros((1, 6, 1)))
    >>> seen
    Seen(input_size=(6,), output_size=(3,), notes=())
    >>> seen.sees(1), seen.reached_by(5), seen.interval(1)
    (array([False, False,  True,  True, False, False]),
     array([False, False,  True]), ((2, 3),))
    """

    input_size: tuple[int, ...]
    output_size: tuple[int, ...]
    notes: tuple[str, ...]
    terms: Field = field(repr=False)
    joints: tuple[tuple[Field, ...], ...] = field(default=(), repr=False)

    @property
    def exact(self) -> bool:
        """Whether each set is exactly what the operations of the function let an output
        see. Numbers that happen to cancel, or a weight that is zero among others that
        are not, do not count as operations."""
        return not self.notes

    def sees(self, position: int | Sequence[int]) -> np.ndarray:
        """Which input positions the output at `position` sees: booleans of the shape
        `input_size`."""
        j = self._output(position)
        seen = np.zeros(self.input_size, bool)
        for term in self.terms.terms:
            one = np.ones(self.input_size, bool)
            for factor in term:
                table = factor.table[tuple(j[dim] for dim in factor.dims)]
                one &= _placed(table, factor.axes, self.input_size)
            seen |= one
        return seen

    def reached_by(self, position: int | Sequence[int]) -> np.ndarray:
        """Which output positions see the input at `position`, the inverse of `sees`:
        booleans of the shape `output_size`."""
        i = _checked(position, self.input_size, "an input position")
        reached = np.zeros(self.output_size, bool)
        for term in self.terms.terms:
            one = np.ones(self.output_size, bool)
            for factor in term:
                index: tuple[Any, ...] = (..., *(i[axis] for axis in factor.axes))
                table = factor.table[index]
                one &= _placed(table, factor.dims, self.output_size)
            reached |= one
        return reached

    def interval(self, position: int | Sequence[int]) -> tuple[Interval, ...] | None:
        """First and last input position that the output at `position` sees, per axis;
        None if it sees nothing. Holes between them are in `sees`."""
        return _hull(self.sees(position))

    def reach(self, position: int | Sequence[int]) -> tuple[Interval, ...] | None:
        """First and last output position that sees the input at `position`, per axis;
        None if none does."""
        return _hull(self.reached_by(position))

    def along(self, axis: int, output_axis: int | None = None) -> np.ndarray:
        """Which input positions along one axis are seen from which output positions
        along one axis of the output, by default that of the same number: booleans
        (outputs, inputs). An output without space has one row.

        The sets need not be products of these; `sees` has them whole."""
        axis = as_int("axis", axis, least=0)
        if axis >= len(self.input_size):
            raise ValueError(
                f"axis must be below {len(self.input_size)}, the axes of the input, got {axis}"
            )
        row = axis if output_axis is None else as_int("output_axis", output_axis, least=0)
        if self.output_size and row >= len(self.output_size):
            raise ValueError(
                f"output_axis must be below {len(self.output_size)}, the axes of the output, got"
                f" {row}"
            )
        others = [dim for dim in range(len(self.output_size)) if dim != row]
        rows = self.output_size[row] if self.output_size else 1
        matrix = np.zeros((rows, self.input_size[axis]), bool)
        for term in reduced(self.terms, others).terms:
            one = np.ones_like(matrix)
            for factor in term:
                one &= _line(factor, axis)
            matrix |= one
        return matrix

    def whole(self) -> np.ndarray:
        """All the sets: booleans (*output_size, *input_size).

        Raises:
          ValueError: if that would be more than 2^26 booleans.
        """
        count = math.prod(self.output_size) * math.prod(self.input_size)
        if count > MOST_BOOLEANS:
            raise ValueError(
                f"all the sets of {self.output_size} outputs and {self.input_size} inputs are"
                f" {count:,} booleans, more than {MOST_BOOLEANS:,}: ask sees for one output"
            )
        positions = [self.sees(j) for j in np.ndindex(self.output_size)]
        return np.stack(positions).reshape(*self.output_size, *self.input_size)

    @cached_property
    def moving(self) -> tuple[Moving | None, ...]:
        """Per axis the window of `jaxcnn.receptive_field` that moves with the output:
        its size, stride and padding.

        None where it is no such window, as behind a transposed convolution, where the
        output has another number of axes, and where the image is too small to tell."""
        if len(self.output_size) != len(self.input_size):
            return (None,) * len(self.input_size)
        return tuple(moving(self.along(axis)) for axis in range(len(self.input_size)))

    @property
    def size(self) -> tuple[int | None, ...]:
        """r per axis, as in `jaxcnn.ReceptiveField`; None where `moving` is."""
        return tuple(None if one is None else one.size for one in self.moving)

    @property
    def stride(self) -> tuple[int | None, ...]:
        """S per axis, as in `jaxcnn.ReceptiveField`; None where `moving` is."""
        return tuple(None if one is None else one.stride for one in self.moving)

    @property
    def padding(self) -> tuple[int | None, ...]:
        """P per axis, as in `jaxcnn.ReceptiveField`; None where `moving` is."""
        return tuple(None if one is None else one.padding for one in self.moving)

    @cached_property
    def aligned(self) -> bool:
        """Whether branches see the same centre wherever they meet, judged by outputs
        that see no padding."""
        return aligned(self.joints, len(self.input_size))

    def _output(self, position: int | Sequence[int]) -> tuple[int, ...]:
        return _checked(position, self.output_size, "an output position")


def _placed(table: np.ndarray, names: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    return table.reshape([sizes[k] if k in names else 1 for k in range(len(sizes))])


def _line(factor: Factor, axis: int) -> np.ndarray:
    """A factor of at most one dim along one axis, (rows or 1, n or 1); along the others
    it says where there is anything."""
    table = factor.table if factor.dims else factor.table[None]
    gone = tuple(1 + k for k, other in enumerate(factor.axes) if other != axis)
    table = np.asarray(table.any(axis=gone))
    return table if axis in factor.axes else table[:, None]


def _hull(where: np.ndarray) -> tuple[Interval, ...] | None:
    places = np.argwhere(where)
    if not len(places):
        return None
    return tuple((int(axis.min()), int(axis.max())) for axis in places.T)


def _checked(position: int | Sequence[int], sizes: tuple[int, ...], what: str) -> tuple[int, ...]:
    needed = f"{what}, one int below {sizes} per axis"
    one = isinstance(position, int | np.integer) and not isinstance(position, bool)
    ints = as_ints("position", (position,) if one else position, needed)
    if len(ints) != len(sizes) or not all(0 <= j < m for j, m in zip(ints, sizes, strict=True)):
        raise ValueError(f"position must be {needed}, got {described(position)}")
    return ints
