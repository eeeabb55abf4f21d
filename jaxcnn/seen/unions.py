"""A union of terms in as few terms as it takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from jaxcnn.seen.factors import MOST_BOOLEANS, Factor, Term, merged, projected, spread, tidy

MOST_TERMS = 64
"""So many terms are kept apart."""
TOO_MANY = "too many branches to tell apart"


def simplified(terms: Iterable[Term]) -> tuple[tuple[Term, ...], list[str]]:
    """The same union in fewer terms: without those inside another, and with one in the
    place of two that differ in one factor; and a note if it had to be made larger."""
    kept: list[Term] = []
    waiting = list(terms)
    while waiting:
        term = waiting.pop()
        for place, other in enumerate(kept):
            if inside(term, other):
                break
            one = _as_one(term, other)
            if one is not None:
                del kept[place]
                waiting.append(one)
                break
        else:
            kept = [other for other in kept if not inside(other, term)]
            kept.append(term)
    if len(kept) <= MOST_TERMS:
        return tuple(reversed(kept)), []
    return _few(kept)


def inside(small: Term, large: Term) -> bool:
    """Whether one term is certainly inside another: False where that is not clear."""
    for needed in large:
        if any(needed.same(factor) for factor in small):
            continue
        if not needed.axes:
            return False
        touching = [factor for factor in small if set(factor.axes) & set(needed.axes)]
        one = merged(touching) if touching else None
        if one is None:
            return False
        more = tuple(~np.isin(one.axes, needed.axes))
        table = one.table.any(
            axis=tuple(len(one.dims) + place for place, extra in enumerate(more) if extra)
        )
        axes = tuple(axis for axis in one.axes if axis in needed.axes)
        dims = sorted({*one.dims, *needed.dims})
        mine = spread(Factor(one.dims, axes, np.asarray(table)), dims, needed.axes)
        theirs = spread(needed, dims, needed.axes)
        both = np.broadcast_shapes(mine.shape, theirs.shape)
        if np.prod(both, dtype=float) > MOST_BOOLEANS or (mine & ~theirs).any():
            return False
    return True


def _as_one(one: Term, other: Term) -> Term | None:
    """A x B united with A' x B is (A u A') x B; None if more than one factor
    differs."""
    if [factor.place for factor in one] != [factor.place for factor in other]:
        return None
    differing = [
        place for place, (a, b) in enumerate(zip(one, other, strict=True)) if not a.same(b)
    ]
    if len(differing) != 1:
        return None
    (place,) = differing
    table = one[place].table | other[place].table
    return tidy([*one[:place], Factor(*one[place].place, table), *one[place + 1 :]])


def _few(terms: Sequence[Term]) -> tuple[tuple[Term, ...], list[str]]:
    """One term: the exact union in one table if that is not too large, else for each
    axis by itself what any term sees there."""
    whole = [merged(term) for term in terms if term]
    if all(one is not None for one in whole):
        dims = sorted({dim for one in whole if one for dim in one.dims})
        axes = sorted({axis for one in whole if one for axis in one.axes})
        tables = [spread(one, dims, axes) for one in whole if one]
        size = np.prod(np.broadcast_shapes(*(t.shape for t in tables)), dtype=float)
        if size <= MOST_BOOLEANS:
            table = tables[0]
            for other in tables[1:]:
                table = table | other
            term = tidy([Factor(tuple(dims), tuple(axes), table)])
            return ((term,) if term is not None else ()), []
    axes = sorted({axis for term in terms for factor in term for axis in factor.axes})
    loose: list[Factor] = []
    for axis in axes:
        alone = [projected(term, axis) for term in terms]
        if any(one is None for one in alone):
            continue  # some term sees all of this axis
        dims = sorted({dim for one in alone if one for dim in one.dims})
        tables = [spread(one, dims, (axis,)) for one in alone if one]
        if np.prod(np.broadcast_shapes(*(t.shape for t in tables)), dtype=float) <= MOST_BOOLEANS:
            table = tables[0]
            for other in tables[1:]:
                table = table | other
            loose.append(Factor(tuple(dims), (axis,), table))
    term = tidy(loose)
    return ((term,) if term is not None else ()), [TOO_MANY]
