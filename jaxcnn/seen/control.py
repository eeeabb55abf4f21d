"""Loops and branches. A loop of known length is followed step by step. One whose length
depends on numbers is followed until nothing changes, so that it sees what any number of
steps would. Of branches, the one is taken whose number is known; else all are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.seen.moves import Index, pulled
from jaxcnn.seen.program import Program
from jaxcnn.seen.relations import reduced
from jaxcnn.seen.sets import Field, everything, union
from jaxcnn.seen.values import Value

MOST_STEPS = 1024
ANY_LENGTH = "a loop of unknown length"


def scan(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Value]:
    """carry, y[i] = body(consts, carry, x[i])"""
    params = equation.params
    of_consts, of_carry = _counts(params)
    consts, carry = operands[:of_consts], list(operands[of_consts : of_consts + of_carry])
    xs = operands[of_consts + of_carry :]
    avals: list[Any] = [variable.aval for variable in equation.outvars[len(carry) :]]
    shapes = [tuple(aval.shape) for aval in avals]
    if params["length"] > MOST_STEPS:
        return _any_scan(program, params["jaxpr"], consts, carry, xs, shapes)
    steps = range(params["length"])
    ys: dict[int, Sequence[Value]] = {}
    for i in reversed(steps) if params["reverse"] else steps:
        found = program.run(params["jaxpr"], [*consts, *carry, *(_entry(x, i) for x in xs)])
        carry, ys[i] = found[: len(carry)], found[len(carry) :]
    stacked = [
        _stacked([ys[i][number] for i in steps], shape) for number, shape in enumerate(shapes)
    ]
    return [*carry, *stacked]


def _counts(params: Mapping[str, Any]) -> tuple[int, int]:
    """The number of constants and of carried values. JAX 0.12 has trees in the place of
    these numbers."""
    if "ft_in" in params:
        consts, carry, _ = params["ft_in"].unpack()
        return len(consts), len(carry)
    return params["num_consts"], params["num_carry"]


def _entry(x: Value, i: int) -> Value:
    """x[i]"""
    shape = x.shape[1:]
    indices = {0: Index((), np.asarray(i))} | {d + 1: Index((d,)) for d in range(len(shape))}
    field = pulled(x.field, shape, indices) if x.depends else Field(shape)
    known = None if x.known is None else x.known[i]
    return Value(field, known, None if x.support is None else x.support[i])


def _stacked(entries: Sequence[Value], shape: Sequence[int]) -> Value:
    if entries and all(entry.known is not None for entry in entries):
        return Value(Field(tuple(shape)), known=np.stack([entry.known for entry in entries]))
    parts = []
    for i, entry in enumerate(entries):
        if entry.depends:
            only = np.where(np.arange(len(entries)) == i, 0, -1)
            indices = {0: Index((0,), only)} | {d: Index((d,)) for d in range(1, len(shape))}
            parts.append(pulled(_later(entry.field), shape, indices))
    return Value(union(parts, shape) if parts else Field(tuple(shape)))


def _later(old: Field) -> Field:
    """The same, each dim one place later."""
    indices = {d: Index((d + 1,)) for d in range(len(old.shape))}
    return pulled(old, (1, *old.shape), indices)


def _any_scan(
    program: Program,
    body: Any,
    consts: Sequence[Value],
    carry: Sequence[Value],
    xs: Sequence[Value],
    shapes: Sequence[tuple[int, ...]],
) -> list[Value]:
    """A scan too long to be followed: any entry of xs may come in any step."""
    any_x = [Value(reduced(x.field, [0])) for x in xs]

    def step(values: Sequence[Value]) -> list[Value]:
        return program.run(body, [*consts, *values, *any_x])

    carry, found = _until_nothing_changes(step, carry)
    ys = [Value(_later(y.field).of_shape(shape)) for y, shape in zip(found, shapes, strict=True)]
    return [*carry, *ys]


def _until_nothing_changes(
    step: Any, carry: Sequence[Value]
) -> tuple[list[Value], Sequence[Value]]:
    """What any number of steps sees, and the other outputs of the last step."""
    carry = [Value(value.field) for value in carry]
    for _ in range(MOST_STEPS):
        found = step(carry)
        more = [union([a.field, b.field]) for a, b in zip(carry, found, strict=False)]
        if all(_same(a.field, b) for a, b in zip(carry, more, strict=True)):
            break
        carry = [Value(each) for each in more]
    else:
        fields = [value.field for value in carry]
        carry = [Value(everything(value.shape, fields, ANY_LENGTH)) for value in carry]
        found = step(carry)
    noted = [Value(value.field.noting(ANY_LENGTH)) if value.depends else value for value in carry]
    return noted, found[len(carry) :]


def _same(one: Field, other: Field) -> bool:
    return len(one.terms) == len(other.terms) and all(
        len(a) == len(b) and all(f.same(g) for f, g in zip(a, b, strict=True))
        for a, b in zip(one.terms, other.terms, strict=True)
    )


def while_loop(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Value]:
    """Followed as long as the condition is known."""
    params = equation.params
    first, second = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body = operands[:first], operands[first : first + second]
    carry = list(operands[first + second :])
    for _ in range(MOST_STEPS):
        (goes_on,) = program.run(params["cond_jaxpr"], [*of_cond, *carry])
        if goes_on.known is None or goes_on.known.shape:
            break
        if not goes_on.known:
            return carry
        carry = program.run(params["body_jaxpr"], [*of_body, *carry])

    def step(values: Sequence[Value]) -> list[Value]:
        (goes_on,) = program.run(params["cond_jaxpr"], [*of_cond, *values])
        seen = Field((), _everywhere(goes_on.field).terms, goes_on.field.notes)
        found = program.run(params["body_jaxpr"], [*of_body, *values])
        return [Value(union([value.field, seen], value.shape)) for value in found]

    return _until_nothing_changes(step, carry)[0]


def _everywhere(of_one: Field) -> Field:
    """What a single number sees, for every element of an array."""
    return reduced(of_one, range(len(of_one.shape)))


def cond(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Value]:
    """index, operands -> branches[index](operands). Branches for platforms compute the
    same; the default one has the fewest primitives of its own."""
    index, *rest = operands
    branches = equation.params["branches"]
    platforms = equation.params.get("branches_platforms")
    if platforms is not None:
        number = platforms.index(None) if None in platforms else 0
        return program.run(branches[number], rest)
    if index.known is not None and not index.known.shape:
        return program.run(branches[int(np.clip(index.known, 0, len(branches) - 1))], rest)
    results = [program.run(branch, rest) for branch in branches]
    seen = _everywhere(index.field)
    return [
        Value(union([*(value.field for value in values), seen], values[0].shape))
        for values in zip(*results, strict=True)
    ]


CONTROL = {"scan": scan, "while": while_loop, "cond": cond}
