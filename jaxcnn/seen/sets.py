"""Sets of input positions, one for each element of an array, kept small.

An array a of shape (d_0, d_1, ...) is computed from an input with space (n_0, n_1,
...). Its element at e sees a set R(e) of positions i = (i_0, i_1, ...) of that space.
`Field` keeps R as a union of terms, each a product of factors,

    i in R(e)   iff   some term t has   F[e_D, i_A]   for all its factors F          (1)

where a factor is a table of booleans over a few dims D of the array and a few axes A
of the space. What an image sees of itself is one term of a factor per axis, the
identity. A 3x3 convolution makes bands of both. A cross, the sum of a 1x3 and a 3x1
convolution, is two terms. Holes are zeros of a table. A factor without axes says which
elements see anything at all, such as the channels that came from one side of a
concatenation. An axis that is in no factor is seen whole, so the term without factors
sees everything.

All that moves elements keeps (1), and so do unions. A sum over dims distributes over
the union, and over the product too where no two factors share a summed dim:

    U_{d, d'}  F(d) x G(d')  =  (U_d F(d)) x (U_d' G(d'))                            (2)

Where they share one, the products are united one by one (`relations.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxcnn.seen.factors import Factor, Term, tidy
from jaxcnn.seen.unions import simplified


@dataclass(frozen=True, eq=False)
class Field:
    """What each element of an array of `shape` sees, by (1). The sets may be too large
    for the reasons in `notes`; without any they are exact."""

    shape: tuple[int, ...]
    terms: tuple[Term, ...] = ()
    notes: frozenset[str] = frozenset()

    def noting(self, note: str) -> Field:
        """The same with one more reason."""
        return Field(self.shape, self.terms, self.notes | {note})

    def of_shape(self, shape: Sequence[int]) -> Field:
        """The same for an array of another shape, along whose new dims nothing
        changes."""
        return Field(tuple(shape), self.terms, self.notes)


def image(shape: Sequence[int], axes: Sequence[int]) -> Field:
    """What each element of the input sees of itself: its own position."""
    eyes = [
        Factor((dim,), (axis,), np.eye(shape[dim], dtype=bool)) for axis, dim in enumerate(axes)
    ]
    return field(shape, [eyes])


def field(
    shape: Sequence[int], terms: Iterable[Iterable[Factor]], notes: Iterable[str] = ()
) -> Field:
    """A field of these terms, simplified; its notes remain only if it sees anything."""
    tidied = [term for term in map(tidy, terms) if term is not None]
    kept, more = simplified(tidied)
    return Field(tuple(shape), kept, frozenset([*notes, *more]) if kept else frozenset())


def union(fields: Sequence[Field], shape: Sequence[int] | None = None) -> Field:
    """What each element sees in any of the fields."""
    shape = fields[0].shape if shape is None else shape
    seeing = [each for each in fields if each.terms]
    if not seeing:
        return Field(tuple(shape))
    if all(each.terms is seeing[0].terms for each in seeing):
        return Field(
            tuple(shape), seeing[0].terms, frozenset().union(*(each.notes for each in seeing))
        )
    terms = [term for each in seeing for term in each.terms]
    kept, more = simplified(terms)
    return Field(tuple(shape), kept, frozenset(more).union(*(each.notes for each in seeing)))


def everything(shape: Sequence[int], fields: Iterable[Field], note: str) -> Field:
    """Every element sees all that any element of the fields sees, as far as that is
    kept per axis."""
    terms: list[Term] = []
    notes = {note}
    for each in fields:
        notes |= each.notes
        for term in each.terms:
            seeing = [factor for factor in term if factor.axes]
            tables = [np.asarray(f.table.any(axis=tuple(range(len(f.dims))))) for f in seeing]
            terms.append(tuple(Factor((), f.axes, t) for f, t in zip(seeing, tables, strict=True)))
    return field(shape, terms, notes)
