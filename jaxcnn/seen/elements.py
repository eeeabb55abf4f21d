"""Rules of what is computed element by element, and of what moves elements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.seen.moves import Index, broadcast, masked, pulled, reshaped, taken, transposed
from jaxcnn.seen.program import Program, rule, shape_of, where_nonzero
from jaxcnn.seen.relations import reduced
from jaxcnn.seen.sets import Field, union
from jaxcnn.seen.values import Value

# fmt: off
ELEMENTWISE = (
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh",
    "bessel_i0e", "bessel_i1e", "cbrt", "ceil", "clamp", "clz", "complex", "conj",
    "convert_element_type", "copy", "copy_p", "cos", "cosh", "digamma", "div", "eq", "eq_to",
    "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "floor", "ge", "gt", "igamma",
    "igamma_grad_a", "igammac", "imag", "integer_pow", "is_finite", "layout_constraint", "le",
    "le_to", "lgamma", "log", "log1p", "logistic", "lt", "lt_to", "max", "mesh_cast", "min",
    "mulhi", "name", "ne", "neg", "nextafter", "not", "or", "polygamma", "population_count",
    "pow", "pvary", "random_gamma_grad", "real", "reduce_precision", "reduced_vary_cast_p",
    "regularized_incomplete_beta", "rem", "reshard", "round", "rsqrt", "shift_left",
    "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "sinh", "sqrt", "square",
    "stop_gradient", "sub", "sharding_constraint", "tan", "tanh", "to_edtype", "from_edtype",
    "xor", "zeta",
)
# fmt: on


@rule(*ELEMENTWISE)
def elementwise(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """Each output sees what the elements at its place see."""
    shape = shape_of(equation)
    return program.joined(operands, [value.field for value in operands], shape)


@rule("mul")
def product(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """A known zero hides the other factor."""
    one, other = operands
    fields = [where_nonzero(program, one, other), where_nonzero(program, other, one)]
    return program.joined(operands, fields, shape_of(equation))


@rule("optimization_barrier", "device_put")
def as_it_is(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    return [value.field for value in operands]


@rule("select_n")
def select(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """which, cases -> cases[which], element by element. A known choice is seen as
    such."""
    which, *cases = operands
    shape = shape_of(equation)
    fields = [case.field for case in cases]
    if which.known is None:
        return program.joined(operands, [which.field, *fields], shape)
    number = np.broadcast_to(which.known.astype(int), shape)
    chosen = [masked(each.of_shape(shape), number == k) for k, each in enumerate(fields)]
    return union(chosen, shape)


@rule("transpose")
def transpose(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    return transposed(operands[0].field, equation.params["permutation"])


@rule("reshape")
def reshape(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    return reshaped(operands[0].field, shape_of(equation))


@rule("squeeze")
def squeeze(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    return reduced(operands[0].field, equation.params["dimensions"])


@rule("broadcast_in_dim")
def broadcast_in_dim(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    dims = equation.params["broadcast_dimensions"]
    return broadcast(operands[0].field, shape_of(equation), dims)


@rule("tile")
def tile(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    x, shape = operands[0].field, shape_of(equation)
    indices = {
        d: Index((d,), np.arange(m) % max(n, 1))
        for d, (m, n) in enumerate(zip(shape, x.shape, strict=True))
    }
    return pulled(x, shape, indices)


@rule("rev")
def reverse(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    x = operands[0].field
    for dim in equation.params["dimensions"]:
        x = taken(x, dim, np.arange(x.shape[dim])[::-1])
    return x


@rule("slice")
def cut(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    x, params = operands[0].field, equation.params
    steps = params["strides"] or (1,) * len(x.shape)
    for dim, bounds in enumerate(
        zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    ):
        if bounds != (0, x.shape[dim], 1):
            x = taken(x, dim, np.arange(*bounds))
    return x


@rule("split")
def split(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    axis, sizes = equation.params["axis"], equation.params["sizes"]
    ends = list(itertools.accumulate(sizes))
    return [
        taken(operands[0].field, axis, np.arange(end - size, end))
        for size, end in zip(sizes, ends, strict=True)
    ]


@rule("unstack")
def unstack(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    x, axis = operands[0].field, equation.params["axis"]
    return [reduced(taken(x, axis, np.asarray([i])), [axis]) for i in range(x.shape[axis])]


@rule("concatenate")
def concatenate(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """Each operand in its place, and nothing elsewhere."""
    dim, shape = equation.params["dimension"], shape_of(equation)
    fields = [value.field for value in operands]
    return program.joined(operands, _in_places(fields, dim, shape), shape)


@rule("stack")
def stack(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """Each operand in its place along a new dim."""
    axis, shape = equation.params["axis"], shape_of(equation)
    dims = [d for d in range(len(shape)) if d != axis]
    wide = [(*shape[:axis], 1, *shape[axis + 1 :])] * len(operands)
    fields = [broadcast(value.field, one, dims) for value, one in zip(operands, wide, strict=True)]
    return program.joined(operands, _in_places(fields, axis, shape), shape)


def _in_places(fields: Sequence[Field], dim: int, shape: Sequence[int]) -> list[Field]:
    """Each field where its part is, one after another along a dim."""
    start, placed = 0, []
    for each in fields:
        positions = np.full(shape[dim], -1)
        positions[start : start + each.shape[dim]] = np.arange(each.shape[dim])
        start += each.shape[dim]
        placed.append(taken(each, dim, positions))
    return placed


@rule("pad")
def pad(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """Pads may be negative. What is added sees what the padding value sees."""
    x, value = operands[0].field, operands[1].field
    shape = shape_of(equation)
    added = []
    for dim, (low, _, inner) in enumerate(equation.params["padding_config"]):
        places, step = np.arange(shape[dim]) - low, inner + 1
        inside = (places >= 0) & (places % step == 0) & (places // step < x.shape[dim])
        x = taken(x, dim, np.where(inside, places // step, -1))
        if value.terms:
            outside = ~inside.reshape([-1 if d == dim else 1 for d in range(len(shape))])
            added.append(masked(value.of_shape(shape), np.broadcast_to(outside, shape)))
    return union([x, *added], shape)
