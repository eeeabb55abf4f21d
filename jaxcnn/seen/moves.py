"""How a field changes where elements move: transposed, reshaped, cut, repeated. All of
these are an index for every dim of the old array."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxcnn.seen.factors import MOST_BOOLEANS, Factor, rectangles, varying
from jaxcnn.seen.sets import Field, everything, field

TOO_LARGE = "a relation too large to keep"
MOST_RECTANGLES = 8


class Index(NamedTuple):
    """The position along an old dim, as a function of some dims of the new array; -1
    where there is none. Without a table, the new dim is the old one."""

    dims: tuple[int, ...]
    table: np.ndarray | None = None


def pulled(old: Field, shape: Sequence[int], indices: Mapping[int, Index]) -> Field:
    """The field of new[e] = old[index_0(e), index_1(e), ...]. An element for which an
    index is -1 sees nothing. Dims without an index have size 1."""
    if not old.terms or 0 in shape:
        return Field(tuple(shape))
    trimmed = {dim: _varying(index) for dim, index in indices.items()}
    masks = [
        Factor(index.dims, (), index.table >= 0)
        for index in trimmed.values()
        if index.table is not None and (index.table < 0).any()
    ]
    terms = [[*(_pulled(factor, shape, trimmed) for factor in term), *masks] for term in old.terms]
    if any(factor is None for term in terms for factor in term):
        return everything(shape, [old], TOO_LARGE)
    return field(shape, [[f for f in term if f is not None] for term in terms], old.notes)


def _varying(index: Index) -> Index:
    """The index without the dims along which it is constant, the others sorted."""
    dims, table = index
    if table is None:
        return index
    order = sorted(range(len(dims)), key=dims.__getitem__)
    keep, table = varying(table.transpose(order))
    return Index(tuple(dims[order[place]] for place in keep), table)


def _pulled(factor: Factor, shape: Sequence[int], indices: Mapping[int, Index]) -> Factor | None:
    mine = [indices[dim] for dim in factor.dims]
    dims = sorted({dim for index in mine for dim in index.dims})
    size = math.prod(shape[dim] for dim in dims) * math.prod(factor.table.shape[len(factor.dims) :])
    if size > MOST_BOOLEANS:
        return None
    if all(index.table is None for index in mine) and [d for (d,), _ in mine] == dims:
        return Factor(tuple(dims), factor.axes, factor.table)
    places = []
    exists = np.ones((), bool)
    for index in mine:
        table = np.arange(shape[index.dims[0]]) if index.table is None else index.table
        sizes = dict(zip(index.dims, table.shape, strict=True))
        table = table.reshape([sizes.get(dim, 1) for dim in dims])
        exists = exists & (table >= 0)
        places.append(np.maximum(table, 0))
    table = factor.table[tuple(places)] if places else factor.table
    exists = exists.reshape((*exists.shape, *(1,) * len(factor.axes)))
    return Factor(tuple(dims), factor.axes, table & exists)


def transposed(old: Field, permutation: Sequence[int]) -> Field:
    """new dim k is old dim permutation[k]"""
    indices = {dim: Index((place,)) for place, dim in enumerate(permutation)}
    return pulled(old, [old.shape[dim] for dim in permutation], indices)


def broadcast(old: Field, shape: Sequence[int], dims: Sequence[int]) -> Field:
    """Old dim k is new dim dims[k], or of size 1."""
    return pulled(old, shape, {k: Index((dim,)) for k, dim in enumerate(dims)})


def taken(old: Field, dim: int, positions: np.ndarray) -> Field:
    """new[..., j, ...] = old[..., positions[j], ...] along one dim; -1 for nothing."""
    shape = list(old.shape)
    shape[dim] = len(positions)
    indices = {d: Index((d,)) for d in range(len(shape))}
    return pulled(old, shape, indices | {dim: Index((dim,), positions)})


def reshaped(old: Field, shape: Sequence[int]) -> Field:
    """Elements in the order of rows. Dims that are split or joined have an index; the
    others keep theirs."""
    shape = tuple(shape)
    if not old.terms or 0 in shape:
        return Field(shape)
    indices: dict[int, Index] = {}
    olds = [dim for dim, size in enumerate(old.shape) if size > 1]
    news = [dim for dim, size in enumerate(shape) if size > 1]
    while olds:
        mine, theirs = [olds.pop(0)], [news.pop(0)]
        while (have := math.prod(old.shape[d] for d in mine)) != (
            want := math.prod(shape[d] for d in theirs)
        ):
            if have < want:
                mine.append(olds.pop(0))
            else:
                theirs.append(news.pop(0))
        if len(mine) == len(theirs) == 1:
            indices[mine[0]] = Index((theirs[0],))
            continue
        places = np.arange(have).reshape([shape[d] for d in theirs])
        unravelled = np.unravel_index(places, [old.shape[d] for d in mine])
        for dim, table in zip(mine, unravelled, strict=True):
            indices[dim] = Index(tuple(theirs), table)
    return pulled(old, shape, indices)


def masked(old: Field, mask: np.ndarray | None) -> Field:
    """The field of the elements where the mask is true; the others see nothing."""
    if mask is None or not old.terms:
        return old
    index = _varying(Index(tuple(range(mask.ndim)), mask.astype(np.int8) - 1))
    assert index.table is not None
    small = index.table >= 0
    if small.all():
        return old
    parts = rectangles(small)
    if len(parts) <= MOST_RECTANGLES:
        products = [
            [Factor((d,), (), line) for d, line in zip(index.dims, part, strict=True)]
            for part in parts
        ]
    else:
        products = [[Factor(index.dims, (), small)]]
    terms = [[*term, *product] for term in old.terms for product in products]
    return field(old.shape, terms, old.notes)
