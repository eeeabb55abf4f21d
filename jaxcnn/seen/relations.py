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
    """A product of factors united over dims that each of them shares with another."""
    alone = [_any(factor, gone) for factor in factors]
    if len(factors) == 1 or not gone:
        return alone
    dims = sorted({dim for factor in factors for dim in factor.dims})
    kept, summed = [d for d in dims if d not in gone], [d for d in dims if d in gone]
    tables = _rows(factors, kept, summed)
    if tables is None:
        notes.add(TOO_LARGE)
        return alone
    rows = [_products([table[k] for table in tables]) for k in range(len(tables[0]))]
    if all(len(pairs) == math.prod(map(len, lines)) for lines, pairs in rows):
        return alone  # (2): every product of what is united is there
    width = math.prod(table.shape[2] for table in tables)
    work = sum(len(pairs) for _, pairs in rows) * width
    if len(rows) * width > MOST_BOOLEANS or work > MOST_PAIRS:
        notes.add(TOO_LARGE)
        return alone
    out = np.zeros((len(rows), width), bool)
    for row, (lines, pairs) in zip(out, rows, strict=True):
        for pair in pairs:
            row |= _outer([line[k] for line, k in zip(lines, pair, strict=True)])
    sizes = _sizes(factors)
    axes = [axis for factor in factors for axis in factor.axes]
    lengths = [n for factor in factors for n in factor.table.shape[len(factor.dims) :]]
    table = out.reshape((*(sizes[d] for d in kept), *lengths))
    order = [*range(len(kept)), *(len(kept) + k for k in np.argsort(axes))]
    return [Factor(tuple(kept), tuple(sorted(axes)), table.transpose(order))]


def _any(factor: Factor, gone: set[int]) -> Factor:
    table = factor.table.any(axis=tuple(k for k, d in enumerate(factor.dims) if d in gone))
    return Factor(tuple(d for d in factor.dims if d not in gone), factor.axes, np.asarray(table))


def _sizes(factors: Sequence[Factor]) -> dict[int, int]:
    return {d: n for f in factors for d, n in zip(f.dims, f.table.shape, strict=False)}


def _rows(
    factors: Sequence[Factor], kept: Sequence[int], summed: Sequence[int]
) -> list[np.ndarray] | None:
    """Each table as (kept positions, summed positions, what is seen); None if that is
    too large."""
    sizes = _sizes(factors)
    whole = [sizes[d] for d in (*kept, *summed)]
    rows = math.prod(sizes[d] for d in kept)
    tables = []
    for factor in factors:
        length = factor.table.shape[len(factor.dims) :]
        if math.prod(whole) * math.prod(length) > MOST_BOOLEANS:
            return None
        order = [factor.dims.index(d) for d in (*kept, *summed) if d in factor.dims]
        order += range(len(factor.dims), factor.table.ndim)
        own = [sizes[d] if d in factor.dims else 1 for d in (*kept, *summed)]
        table = factor.table.transpose(order).reshape((*own, *length))
        tables.append(
            np.broadcast_to(table, (*whole, *length)).reshape(rows, -1, math.prod(length))
        )
    return tables


def _products(tables: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """The different lines of each table (positions, what is seen), and which of them
    meet: the numbers of their lines."""
    lines, numbers = [], []
    for table in tables:
        different, which = np.unique(np.packbits(table, axis=1), axis=0, return_inverse=True)
        lines.append(np.unpackbits(different, axis=1, count=table.shape[1]).astype(bool))
        numbers.append(which.reshape(-1))
    return lines, np.unique(np.stack(numbers, axis=1), axis=0)


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
    if 0 in shape or any(old.shape[d] == 0 for d in dims):
        return Field(tuple(shape))
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
    pattern = np.asarray(pattern.any(axis=free))
    kept = [d for d in factor.dims if d not in owned]
    table = np.moveaxis(factor.table, [factor.dims.index(d) for d in owned], range(len(owned)))
    count = math.prod(table.shape[: len(owned)])
    outs = pattern.shape[: len(new)]
    sums = pattern.reshape(-1, count).astype(np.float32) @ table.reshape(count, -1).astype(
        np.float32
    )
    out = (sums > 0).reshape((*outs, *table.shape[len(owned) :]))
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
