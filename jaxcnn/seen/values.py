"""What is known of an array while a program is followed: what its elements see, and,
where that does not depend on the input, its numbers.

Numbers that a program computes of literals alone are known: positions for a gather, a
mask, the weights of a resizing. They say where a product is zero, and such a zero is a
hole in what is seen. Arrays of floats that come from outside, parameters mostly, are
known only by their zeros, and only if they have other numbers too: a convolution with a
mask has such a kernel. A kernel that is zero everywhere counts as one before training,
which sees like any other.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxcnn.seen.sets import Field

MOST_KNOWN = 2**24
"""Larger arrays are not computed."""


@dataclass(frozen=True, eq=False)
class Value:
    """An array: what it sees, its numbers if they are known, and where it may be other
    than zero if that is known. Its origin is the array that it was before elements were
    moved, and before whatever was computed position by position."""

    field: Field
    known: np.ndarray | None = None
    support: np.ndarray | None = None
    origin: object = dataclasses.field(default_factory=object)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.field.shape

    @property
    def depends(self) -> bool:
        """Whether it depends on the input."""
        return bool(self.field.terms)

    @property
    def nonzero(self) -> np.ndarray | None:
        """Where it may be other than zero, if it is zero somewhere but not
        everywhere."""
        if self.support is not None:
            return self.support
        return None if self.known is None else mixed(self.known)


def mixed(array: np.ndarray) -> np.ndarray | None:
    """Where it is not zero; None if that is everywhere or nowhere."""
    if array.dtype.kind not in "biufcV" or array.ndim == 0:
        return None
    nonzero = array != 0
    return nonzero if nonzero.any() and not nonzero.all() else None


def given(array: Any) -> Value:
    """A value from outside: a constant of the program, or an argument that is not the
    input. A shape alone is enough."""
    field = Field(tuple(np.shape(array)))
    if not isinstance(array, jax.Array | np.ndarray | np.generic | int | float | bool | complex):
        return Value(field)
    if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.extended):
        return Value(field)
    numbers = np.asarray(array)
    if numbers.size > MOST_KNOWN:
        return Value(field)
    if numbers.dtype.kind in "biu" or numbers.ndim == 0:
        return Value(field, known=numbers)
    return Value(field, support=mixed(numbers))
