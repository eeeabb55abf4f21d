"""Rules of reading and writing at positions that are numbers. Known positions are
followed exactly: the primitive itself moves the numbers of the elements. Others may be
any that fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn

from jaxcnn.seen.moves import Index, broadcast, masked, pulled, taken
from jaxcnn.seen.program import Program, rule, shape_of
from jaxcnn.seen.relations import along, reduced
from jaxcnn.seen.sets import Field, everything, union
from jaxcnn.seen.values import Value

ANYWHERE = "positions that depend on numbers"


@rule("gather")
def gather(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    x, indices = operands
    params, shape = equation.params, shape_of(equation)
    if indices.known is None:
        return _gather_anywhere(equation, x.field, indices.field)
    numbers, sizes, mode = params["dimension_numbers"], params["slice_sizes"], params["mode"]
    fills = lax.GatherScatterMode.from_any(mode) == lax.GatherScatterMode.FILL_OR_DROP
    batch = tuple(d for d in range(len(shape)) if d not in numbers.offset_dims)
    known = indices.known
    starts = {d: known[..., k] for k, d in enumerate(numbers.start_index_map)}
    batching = zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    for d, place in batching:
        line = np.arange(x.shape[d])
        starts[d] = line.reshape([-1 if k == place else 1 for k in range(len(batch))])
    offsets = _offsets(numbers, len(sizes))
    places = {}
    for d, (n, size) in enumerate(zip(x.shape, sizes, strict=True)):
        start = np.broadcast_to(starts.get(d, 0), known.shape[:-1]).astype(np.int64)
        inside = np.clip(start, 0, n - size)
        table = inside[..., None] + np.arange(size)
        if fills:
            table = np.where((start == inside)[..., None], table, -1)
        own = (offsets[d],) if d in offsets else ()
        places[d] = Index((*batch, *own), table if own else table[..., 0])
    return pulled(x.field, shape, places)


def _offsets(numbers: Any, dims: int) -> dict[int, int]:
    """The output dim of each operand dim of which a slice is read."""
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    return dict(zip([d for d in range(dims) if d not in gone], numbers.offset_dims, strict=True))


def _moved(x: Field, places: np.ndarray, shape: Sequence[int]) -> Field:
    """new[e] = old[places[e]], where elements of the old array are numbered by rows; -1
    for nothing."""
    exists = places >= 0
    unravelled = np.unravel_index(np.maximum(places, 0), x.shape) if x.shape else ()
    dims = tuple(range(len(shape)))
    indices = {d: Index(dims, index) for d, index in enumerate(unravelled)}
    return masked(pulled(x, shape, indices), exists)


def _gather_anywhere(equation: JaxprEqn, x: Field, indices: Field) -> Field:
    """Dims that are taken whole keep their place; of the others any position may be
    read."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    shape = shape_of(equation)
    places = _offsets(numbers, len(sizes))
    whole = [d for d, size in enumerate(sizes) if d in places and size == x.shape[d]]
    read = reduced(x, [d for d in range(len(sizes)) if d not in whole])
    fields = [broadcast(read, shape, [places[d] for d in whole])]
    if fields[0].terms:
        fields = [fields[0].noting(ANYWHERE)]
    last = reduced(indices, [len(indices.shape) - 1])
    rest = [d for d in range(len(shape)) if d not in numbers.offset_dims]
    return union([*fields, broadcast(last, shape, rest)], shape)


def _starts(
    starts: Sequence[Value], sizes: Sequence[int], lengths: Sequence[int]
) -> list[int | None]:
    """The first positions, moved so that the slice fits; None for unknown ones."""
    return [
        0
        if size == length
        else None
        if start.known is None
        else int(np.clip(start.known, 0, size - length))
        for start, size, length in zip(starts, sizes, lengths, strict=True)
    ]


@rule("dynamic_slice")
def dynamic_slice(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    x, *starts = operands
    shape = shape_of(equation)
    found = x.field
    for dim, start in enumerate(_starts(starts, x.shape, shape)):
        n, m = found.shape[dim], shape[dim]
        if start is not None:
            found = taken(found, dim, np.arange(start, start + m))
        else:
            apart = np.arange(n) - np.arange(m)[:, None]
            found = along(found, dim, (apart >= 0) & (apart <= n - m))
            if found.terms:
                found = found.noting(ANYWHERE)
    return union([found, *(start.field for start in starts)], shape)


@rule("dynamic_update_slice")
def dynamic_update_slice(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """What is written over is no longer seen, if the position is known."""
    x, update, *starts = operands
    shape = shape_of(equation)
    known = _starts(starts, shape, update.shape)
    written = update.field
    covered = np.ones(shape, bool) if None not in known else None
    for dim, (start, m) in enumerate(zip(known, update.shape, strict=True)):
        n = shape[dim]
        apart = np.arange(n)[:, None] - np.arange(m)
        if start is None:
            written = along(written, dim, (apart >= 0) & (apart <= n - m))
            if written.terms:
                written = written.noting(ANYWHERE)
            continue
        places = np.where((np.arange(n) >= start) & (np.arange(n) < start + m),
                          np.arange(n) - start, -1)  # fmt: skip
        written = taken(written, dim, places)
        if covered is not None:
            covered &= (places >= 0).reshape([-1 if d == dim else 1 for d in range(len(shape))])
    kept = x.field if covered is None else masked(x.field, ~covered)
    return union([kept, written, *(start.field for start in starts)], shape)


@rule(
    "scatter", "scatter-add", "scatter_add", "scatter-mul", "scatter_mul", "scatter_min",
    "scatter_max", "scatter-min", "scatter-max", "scatter_sub",
)  # fmt: skip
def scatter(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """Followed where the positions are known and none is written twice."""
    x, indices, update = operands
    params, shape = equation.params, shape_of(equation)
    note = "a scatter that writes a position twice"
    if indices.known is None:
        note = ANYWHERE
    elif update.shape and 0 not in update.shape:
        options = {"dimension_numbers": params["dimension_numbers"], "mode": params["mode"]}
        numbers = np.arange(math.prod(update.shape), dtype=np.int32).reshape(update.shape)
        count = lax.scatter_add(
            np.zeros(shape, np.int32), indices.known, np.ones_like(numbers), **options
        )
        if int(np.max(count)) <= 1:
            places = lax.scatter(np.full(shape, -1, np.int32), indices.known, numbers, **options)
            written = _moved(update.field, np.asarray(places), shape)
            over = equation.primitive.name == "scatter"
            kept = masked(x.field, np.asarray(places) < 0) if over else x.field
            return union([kept, written], shape)
    seen = [each for each in (indices.field, update.field) if each.terms]
    fields = [x.field, *([everything(shape, seen, note)] if seen else [])]
    return union(fields, shape)
