"""How a field changes where elements are summed: over whole dims (`reduced`), or by a
relation between positions, as for windows (`related`, `along`); by (2) of `sets.py`,
term by term."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from jaxcnn.seen.factors import MOST_BOOLEANS, Factor, Term, merged
from jaxcnn.seen.moves import TOO_LARGE, transposed
from jaxcnn.seen.sets import Field, field

MOST_PAIRS = 2**31


def reduced(old: Field, dims: Sequence[int]) -> Field:
    """The field of a sum over dims, which are gone."""
    gone = set(dims)
    shape = [size for dim, size in enumerate(old.shape) if dim not in gone]
    if any(old.shape[dim] == 0 for dim in gone):
        return Field(tuple(shape))
    notes: set[str] = set()
    terms = [_without(term, gone, notes) for term in old.terms]
    renamed = {dim: k for k, dim in enumerate(d for d in range(len(old.shape)) if d not in gone)}
    return field(shape, [_renamed(term, renamed) for term in terms], old.notes | notes)


def _renamed(term: Sequence[Factor], names: Mapping[int, int]) -> list[Factor]:
    return [Factor(tuple(names[d] for d in f.dims), f.axes, f.table) for f in term]


def _without(term: Term, gone: set[int], notes: set[str]) -> list[Factor]:
    """A term united over dims. Factors that share such a dim are united together."""
    groups: list[tuple[set[int], list[Factor]]] = []
    for factor in term:
        dims, members = set(factor.dims) & gone, [factor]
        for group in [group for group in groups if group[0] & dims]:
            groups.remove(group)
            dims, members = dims | group[0], [*group[1], *members]
        groups.append((dims, members))
    return [factor for dims, members in groups for factor in _united(members, dims, notes)]


def _united(factors: Sequence[Factor], gone: set[int], notes: set[str]) -> list[Factor]:
    if not gone:
        return list(factors)
    if len(factors) == 1:
        (factor,) = factors
        table = factor.table.any(axis=tuple(k for k, d in enumerate(factor.dims) if d in gone))
        return [Factor(tuple(d for d in factor.dims if d not in gone), factor.axes, table)]
    exact = _united_pairs(factors, gone)
    if exact is None:
        notes.add(TOO_LARGE)
        return [one for factor in factors for one in _united([factor], gone, notes)]
    return [exact]


def _united_pairs(factors: Sequence[Factor], gone: set[int]) -> Factor | None:
    """The union of products, product by product; equal ones once. None if that is too
    much."""
    dims = sorted({dim for factor in factors for dim in factor.dims})
    kept, summed = [d for d in dims if d not in gone], [d for d in dims if d in gone]
    axes = [axis for factor in factors for axis in factor.axes]
    sizes = {d: n for f in factors for d, n in zip(f.dims, f.table.shape, strict=False)}
    lengths = [f.table.shape[len(f.dims) :] for f in factors]
    rows = math.prod(sizes[d] for d in kept)
    width = math.prod(n for length in lengths for n in length)
    count = math.prod(sizes[d] for d in summed)
    if rows * width > MOST_BOOLEANS or any(
        rows * count * math.prod(length) > 4 * MOST_BOOLEANS for length in lengths
    ):
        return None
    tables = []
    for factor, length in zip(factors, lengths, strict=True):
        order = [factor.dims.index(d) for d in [*kept, *summed] if d in factor.dims]
        table = factor.table.transpose(*order, *range(len(factor.dims), factor.table.ndim))
        table = table.reshape(
            *(sizes[d] if d in factor.dims else 1 for d in [*kept, *summed]), *length
        )
        whole = [sizes[d] for d in [*kept, *summed]]
        tables.append(np.broadcast_to(table, (*whole, *length)).reshape(rows, count, -1))
    out = np.zeros((rows, width), bool)
    for row in range(rows):
        ids, lines = [], []
        for table in tables:
            packed = np.packbits(table[row], axis=1)
            different, which = np.unique(packed, axis=0, return_inverse=True)
            ids.append(which.reshape(-1))
            lines.append(np.unpackbits(different, axis=1, count=table.shape[2]).astype(bool))
        pairs = np.unique(np.stack(ids, axis=1), axis=0)
        if len(pairs) == math.prod(map(len, lines)):  # all of them: (2)
            out[row] = _outer([line.any(axis=0) for line in lines])
        elif len(pairs) * rows * width > MOST_PAIRS:
            return None
        else:
            for pair in pairs:
                out[row] |= _outer([line[k] for line, k in zip(lines, pair, strict=True)])
    table = out.reshape(*(sizes[d] for d in kept), *(n for length in lengths for n in length))
    order = [*range(len(kept)), *(len(kept) + k for k in np.argsort(axes))]
    return Factor(tuple(kept), tuple(sorted(axes)), table.transpose(order))


def _outer(lines: Sequence[np.ndarray]) -> np.ndarray:
    product = lines[0]
    for line in lines[1:]:
        product = (product[:, None] & line[None, :]).reshape(-1)
    return product


def related(old: Field, dims: Sequence[int], pattern: np.ndarray) -> Field:
    """The field of new[..., o] = sum_i pattern[o, i] old[..., i], where i are the
    positions along `dims`. The other dims come first, then those of o."""
    rest = [d for d in range(len(old.shape)) if d not in dims]
    fresh = pattern.shape[: pattern.ndim - len(dims)]
    shape = [*(old.shape[d] for d in rest), *fresh]
    names = {d: k for k, d in enumerate(rest)}
    new = [len(rest) + k for k in range(len(fresh))]
    notes: set[str] = set()
    terms = []
    for term in old.terms:
        touching = [f for f in term if set(f.dims) & set(dims)]
        other = [f for f in term if not set(f.dims) & set(dims)]
        one = merged(touching) if touching else None
        if touching and one is None:
            notes.add(TOO_LARGE)
        parts = [one] if one is not None else touching or [Factor((), (), np.ones((), bool))]
        terms.append(
            [*_renamed(other, names), *(_related(f, dims, pattern, names, new) for f in parts)]
        )
    return field(shape, terms, old.notes | notes)


def _related(
    factor: Factor,
    dims: Sequence[int],
    pattern: np.ndarray,
    names: Mapping[int, int],
    new: Sequence[int],
) -> Factor:
    owned = [d for d in dims if d in factor.dims]
    free = tuple(len(new) + k for k, d in enumerate(dims) if d not in factor.dims)
    pattern = pattern.any(axis=free)
    kept = [d for d in factor.dims if d not in owned]
    table = np.moveaxis(factor.table, [factor.dims.index(d) for d in owned], range(len(owned)))
    count = math.prod(table.shape[: len(owned)])
    outs = pattern.shape[: len(new)]
    sums = pattern.reshape(-1, count).astype(np.float32) @ table.reshape(count, -1).astype(
        np.float32
    )
    out = (sums > 0).reshape(*outs, *table.shape[len(owned) :])
    order = [
        *(len(new) + k for k in range(len(kept))),
        *range(len(new)),
        *(len(new) + len(kept) + k for k in range(len(factor.axes))),
    ]
    return Factor((*(names[d] for d in kept), *new), factor.axes, out.transpose(order))


def along(old: Field, dim: int, matrix: np.ndarray) -> Field:
    """The field of new[..., j, ...] = sum_i matrix[j, i] old[..., i, ...], one dim."""
    last = len(old.shape) - 1
    order = [k if k < dim else last if k == dim else k - 1 for k in range(last + 1)]
    return transposed(related(old, (dim,), matrix), order)
