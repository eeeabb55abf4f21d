"""Following a program of JAX, equation by equation, with what each array sees in the
place of its numbers.

An equation whose operands do not depend on the input needs no rule. The others find
theirs in `RULES` by the name of the primitive. A primitive without a rule sees all that
its operands see, in every output, and is named in the notes of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from jaxcnn.seen.moves import masked
from jaxcnn.seen.numbers import computed
from jaxcnn.seen.sets import Field, everything, union
from jaxcnn.seen.values import MOST_KNOWN, Value, given

Rule = Callable[["Program", JaxprEqn, Sequence[Value]], Field | Sequence[Field]]
RULES: dict[str, Rule] = {}
"""The fields of an equation's outputs, by the name of its primitive."""

# fmt: off
CALLS = (
    "call", "checkpoint", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call",
    "custom_jvp_call_jaxpr", "custom_vjp_call_jaxpr", "jit", "pjit", "remat", "remat2",
    "remat_call", "remat_opt", "stage", "xla_call",
)
MOVES = (
    "broadcast_in_dim", "convert_element_type", "copy", "copy_p", "expand_dims", "neg",
    "reshape", "rev", "slice", "squeeze", "stop_gradient", "tile", "transpose",
)
"""What keeps zeros zero, and moves them."""
MIXING = (
    "conv_general_dilated", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum", "fft",
    "onednn_convolution", "onednn_depthwise_kernel_grad", "reduce_window", "sort", "top_k",
    "reduce_window_max", "reduce_window_min", "reduce_window_sum", "select_and_gather_add",
    "select_and_scatter_add",
)
"""What mixes positions. All else moves them, or computes position by position."""
# fmt: on


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of these primitives."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@dataclass
class Program:
    """One pass over a program.

    Attributes:
      holes: whether a product with a known zero sees nothing; NaN would go through it.
      control: the rules of loops and branches, by primitive: they give values.
      joints: fields that met in one array, for `aligned`.
    """

    holes: bool
    control: Mapping[str, Callable[..., Sequence[Value]]]
    joints: list[tuple[Field, ...]] = field(default_factory=list)

    def run(self, program: Any, arguments: Sequence[Value]) -> list[Value]:
        """The outputs of a program, a Jaxpr with or without its constants."""
        closed = isinstance(program, ClosedJaxpr)
        jaxpr: Any = program.jaxpr if closed else program
        values: dict[Any, Value] = {}
        consts = [given(const) for const in program.consts] if closed else []
        values.update(zip(jaxpr.constvars, consts, strict=True))
        values.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Value:
            if isinstance(atom, Literal):
                return Value(Field(tuple(np.shape(atom.val))), known=np.asarray(atom.val))
            return values[atom]

        for equation, done in _needed(jaxpr):
            found = self.equation(equation, [read(atom) for atom in equation.invars])
            values.update(zip(equation.outvars, found, strict=True))
            for variable in done:
                values.pop(variable, None)
        return [read(atom) for atom in jaxpr.outvars]

    def equation(self, equation: JaxprEqn, operands: Sequence[Value]) -> Sequence[Value]:
        """The outputs of one equation."""
        name = equation.primitive.name
        if name in self.control:
            return self.control[name](self, equation, operands)
        inner = _called(equation)
        if inner is not None:
            return self.run(inner, operands)
        avals: list[Any] = [variable.aval for variable in equation.outvars]
        shapes = [tuple(aval.shape) for aval in avals]
        if not any(value.depends for value in operands):
            return _independent(equation, operands, shapes)
        found = RULES.get(name, _unknown)(self, equation, operands)
        fields = [found] if isinstance(found, Field) else list(found)
        origins = _origins(operands)
        origin = origins[0] if len(origins) == 1 and _by_position(equation) else object()
        return [
            Value(each.of_shape(shape), origin=origin)
            for each, shape in zip(fields, shapes, strict=True)
        ]

    def nonzero(self, value: Value) -> np.ndarray | None:
        """Where a factor may be other than zero, if that counts in this pass."""
        return value.nonzero if self.holes else None

    def joined(
        self, operands: Sequence[Value], fields: Sequence[Field], shape: Sequence[int]
    ) -> Field:
        """The union of fields that meet element by element. Copies of one array that
        were moved are a window written out, and no branches."""
        if len(_origins(operands)) > 1:
            self.joints.append(tuple(each for each in fields if each.terms))
        return union(fields, shape)


def _origins(operands: Sequence[Value]) -> list[object]:
    """The different arrays that operands, as far as they depend on the input, come
    from."""
    return list({id(value.origin): value.origin for value in operands if value.depends}.values())


def _by_position(equation: JaxprEqn) -> bool:
    """Whether an equation computes position by position, or moves elements."""
    name, params = equation.primitive.name, equation.params
    if name == "conv_general_dilated":
        kernel: Any = equation.invars[1].aval
        taps = params["dimension_numbers"].rhs_spec[2:]
        return all(kernel.shape[dim] == 1 for dim in taps)
    return name not in MIXING


def _needed(jaxpr: Any) -> list[tuple[JaxprEqn, list[Any]]]:
    """The equations that the outputs need, each with the variables that no later one
    reads."""
    wanted = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    found: list[tuple[JaxprEqn, list[Any]]] = []
    for equation in reversed(jaxpr.eqns):
        if any(variable in wanted for variable in equation.outvars):
            read = {atom for atom in equation.invars if not isinstance(atom, Literal)}
            unread = [variable for variable in equation.outvars if variable not in wanted]
            found.append((equation, [*(read - wanted), *unread]))
            wanted |= read
    return found[::-1]


def _called(equation: JaxprEqn) -> Any:
    """The program that an equation calls with its operands; None if it is no call."""
    if equation.primitive.name not in CALLS:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        inner = equation.params.get(name)
        jaxpr = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
        if isinstance(jaxpr, Jaxpr) and len(jaxpr.invars) == len(equation.invars):
            return inner
    return None


def _independent(
    equation: JaxprEqn, operands: Sequence[Value], shapes: Sequence[tuple[int, ...]]
) -> list[Value]:
    """Outputs that see nothing: their numbers if those of all operands are known, or
    where they may be other than zero."""
    nothing = [Value(Field(shape)) for shape in shapes]
    name = equation.primitive.name
    if equation.effects or any(math.prod(shape) > MOST_KNOWN for shape in shapes):
        return nothing
    if not all(_has_numbers(atom.aval) for atom in (*equation.invars, *equation.outvars)):
        return nothing
    if name.startswith(("random", "rng", "threefry", "platform")) or "call" in name:
        return nothing
    known = [value.known for value in operands]
    if all(numbers is not None for numbers in known):
        found = computed(equation, known)
        if found is None:
            return nothing
        return [Value(Field(s), known=each) for s, each in zip(shapes, found, strict=True)]
    supports = [value.nonzero for value in operands]
    if name == "mul":
        masks = [support for support in supports if support is not None and support.shape]
        if masks:
            return [Value(Field(shapes[0]), support=np.logical_and.reduce(masks))]
    elif name in MOVES and supports[0] is not None and len(operands) == 1:
        params = equation.params
        if name == "convert_element_type":
            return [Value(Field(shapes[0]), support=supports[0])]
        moved = equation.primitive.bind(supports[0].astype(np.float32), **params)
        return [Value(Field(shapes[0]), support=np.asarray(moved) != 0)]
    return nothing


def _has_numbers(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and not jax.dtypes.issubdtype(dtype, jax.dtypes.extended)


def _unknown(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    note = f"{equation.primitive.name} has no rule, so that it counts as seeing everything"
    avals: list[Any] = [variable.aval for variable in equation.outvars]
    fields = [value.field for value in operands]
    return [everything(aval.shape, fields, note) for aval in avals]


def shape_of(equation: JaxprEqn) -> tuple[int, ...]:
    """The shape of the first output."""
    aval: Any = equation.outvars[0].aval
    return tuple(aval.shape)


def where_nonzero(program: Program, one: Value, other: Value) -> Field:
    """What `one` sees where it is multiplied by something that may not be zero."""
    mask = program.nonzero(other)
    return masked(one.field, mask) if mask is not None and mask.shape == one.shape else one.field
