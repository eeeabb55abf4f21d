"""Rules of what is summed, ordered or chosen over whole dims: reductions, products of
matrices, sorting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.seen.moves import broadcast, transposed
from jaxcnn.seen.program import Program, rule, shape_of
from jaxcnn.seen.relations import reduced, related
from jaxcnn.seen.sets import Field, union
from jaxcnn.seen.values import Value

Dimensions = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]

PER_BATCH = "a matrix whose zeros differ from batch to batch"


@rule(
    "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or",
    "reduce_xor", "argmax", "argmin",
)  # fmt: skip
def reduction(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    return reduced(operands[0].field, equation.params["axes"])


@rule("reduce")
def any_reduction(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    """Of several operands, with their initial values behind them."""
    shape = shape_of(equation)
    count = len(operands) // 2
    fields = [reduced(value.field, equation.params["dimensions"]) for value in operands[:count]]
    found = union([*fields, *(value.field for value in operands[count:])], shape)
    return [found] * len(equation.outvars)


@rule("dot_general")
def dot(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    numbers = equation.params["dimension_numbers"]
    return multiplied(program, (operands[0], operands[1]), numbers, shape_of(equation))


@rule("onednn_product")
def onednn(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """y[d, m, n] = sum_k a[d, k, m] b[d, k, n], summed over `a_axis` and `b_axis`"""
    params = equation.params
    numbers = (((params["a_axis"],), (params["b_axis"],)), ((0,), (0,)))
    return multiplied(program, (operands[0], operands[1]), numbers, shape_of(equation))


def multiplied(
    program: Program, factors: tuple[Value, Value], numbers: Dimensions, shape: Sequence[int]
) -> Field:
    """y[d, m, n] = sum_k a[d, k, m] b[d, k, n], where each letter is some dims. Each y
    sees all of its row of a and of its column of b; where one of them is known, only
    what does not meet zeros in it."""
    (a, b), ((a_sum, b_sum), (a_batch, b_batch)) = factors, numbers
    batch = len(a_batch)
    a_free = [d for d in range(len(a.shape)) if d not in (*a_sum, *a_batch)]
    b_free = [d for d in range(len(b.shape)) if d not in (*b_sum, *b_batch)]
    fields = []
    if a.depends:
        of_a = _factor(program, a, a_sum, [*a_batch, *a_free], b, b_sum, b_batch, b_free)
        places = [*range(batch + len(a_free)), *range(batch + len(a_free), len(shape))]
        fields.append(broadcast(of_a, shape, places[: len(of_a.shape)]))
    if b.depends:
        of_b = _factor(program, b, b_sum, [*b_batch, *b_free], a, a_sum, a_batch, a_free)
        own = [*range(batch), *range(batch + len(a_free), len(shape))]
        other = range(batch, batch + len(a_free))
        fields.append(broadcast(of_b, shape, [*own, *other][: len(of_b.shape)]))
    return program.joined(factors, fields, shape)


def _factor(
    program: Program,
    one: Value,
    sums: Sequence[int],
    kept: Sequence[int],
    other: Value,
    other_sums: Sequence[int],
    other_batch: Sequence[int],
    other_free: Sequence[int],
) -> Field:
    """The field of one factor, summed over `sums`: (*kept), or (*kept, *other_free) if
    the zeros of the other one are known."""
    nonzero = program.nonzero(other)
    order = [*kept, *sums]
    moved = transposed(one.field, order)
    dims = range(len(kept), len(order))
    if nonzero is None:
        return reduced(moved, dims)
    of_batch = nonzero.transpose([*other_batch, *other_free, *other_sums])
    pattern = np.asarray(of_batch.any(axis=tuple(range(len(other_batch)))))
    found = related(moved, dims, pattern)
    alike = (of_batch == pattern).all()
    return found if alike or not found.terms else found.noting(PER_BATCH)


@rule("sort")
def sort(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    """Every output may come from anywhere along the dim, by the values of all
    operands."""
    dim, shape = equation.params["dimension"], shape_of(equation)
    rest = [d for d in range(len(shape)) if d != dim]
    fields = [broadcast(reduced(value.field, [dim]), shape, rest) for value in operands]
    return [union(fields, shape)] * len(equation.outvars)


@rule("top_k", "approx_top_k")
def top(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    shape = shape_of(equation)
    axis = equation.params.get("axis", equation.params.get("reduction_dimension", -1)) % len(shape)
    rest = [d for d in range(len(shape)) if d != axis]
    found = broadcast(reduced(operands[0].field, [axis]), shape, rest)
    return [found] * len(equation.outvars)


@rule("fft")
def transform(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """Every frequency is a sum over all positions of the last dims."""
    shape = shape_of(equation)
    kept = len(shape) - len(equation.params["fft_lengths"])
    found = reduced(operands[0].field, np.arange(kept, len(shape)).tolist())
    return broadcast(found, shape, range(kept))
