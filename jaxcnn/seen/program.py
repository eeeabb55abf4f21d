"""Following a program of JAX, equation by equation, with what each array sees in the
place of its numbers.

An equation whose operands do not depend on the input needs no rule. The others find
theirs in `RULES` by the name of the primitive. A primitive without a rule sees all that
its operands see, in every output, and is named in the notes of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from jaxcnn.seen.moves import masked
from jaxcnn.seen.sets import Field, everything, union
from jaxcnn.seen.values import MOST_KNOWN, Value, given

Rule = Callable[["Program", JaxprEqn, Sequence[Value]], Field | Sequence[Field]]
RULES: dict[str, Rule] = {}
"""The fields of an equation's outputs, by the name of its primitive."""

CALLS = ("jit", "pjit", "closed_call", "core_call", "call", "remat", "remat2", "checkpoint")
CALLS += ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "custom_jvp_call_jaxpr")
CALLS += ("xla_call", "remat_call", "stage", "remat_opt")

_MOVES = ("reshape", "transpose", "broadcast_in_dim", "squeeze", "expand_dims", "rev", "slice")
_MOVES += ("convert_element_type", "copy", "neg", "stop_gradient", "copy_p", "tile")
"""What keeps zeros zero, and moves them."""


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
    control: dict[str, Callable[..., Sequence[Value]]]
    joints: list[tuple[Field, ...]] = field(default_factory=list)

    def run(self, program: ClosedJaxpr | Jaxpr, arguments: Sequence[Value]) -> list[Value]:
        """The outputs of a program."""
        closed = isinstance(program, ClosedJaxpr)
        jaxpr: Any = program.jaxpr if closed else program
        values: dict[Any, Value] = {}
        consts = [given(const) for const in program.consts] if closed else []
        values.update(zip(jaxpr.constvars, consts, strict=True))
        values.update(zip(jaxpr.invars, arguments, strict=True))
        last = _last_uses(jaxpr)

        def read(atom: Any) -> Value:
            if isinstance(atom, Literal):
                return Value(Field(tuple(np.shape(atom.val))), known=np.asarray(atom.val))
            return values[atom]

        for number, equation in enumerate(jaxpr.eqns):
            found = self.equation(equation, [read(atom) for atom in equation.invars])
            values.update(zip(equation.outvars, found, strict=True))
            for variable in last.get(number, ()):
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
        shapes = [tuple(variable.aval.shape) for variable in equation.outvars]
        if not any(value.depends for value in operands):
            return _independent(equation, operands, shapes)
        found = RULES.get(name, _unknown)(self, equation, operands)
        fields = [found] if isinstance(found, Field) else list(found)
        return [Value(each.of_shape(shape)) for each, shape in zip(fields, shapes, strict=True)]

    def nonzero(self, value: Value) -> np.ndarray | None:
        """Where a factor may be other than zero, if that counts in this pass."""
        return value.nonzero if self.holes else None

    def joined(self, fields: Sequence[Field], shape: Sequence[int]) -> Field:
        """The union of fields that meet element by element."""
        seeing = [each for each in fields if each.terms]
        if len({id(each.terms) for each in seeing}) > 1:
            self.joints.append(tuple(seeing))
        return union(fields, shape)


def _last_uses(jaxpr: Any) -> dict[int, list[Any]]:
    """The variables that no equation after this one reads, by its number."""
    kept = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    last: dict[Any, int] = {}
    for number, equation in enumerate(jaxpr.eqns):
        for atom in (*equation.invars, *equation.outvars):
            if not isinstance(atom, Literal) and atom not in kept:
                last[atom] = number
    uses: dict[int, list[Any]] = {}
    for variable, number in last.items():
        uses.setdefault(number, []).append(variable)
    return uses


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
        found = _computed(equation, known)
        if found is None:
            return nothing
        return [Value(Field(s), known=each) for s, each in zip(shapes, found, strict=True)]
    supports = [value.nonzero for value in operands]
    if name == "mul":
        masks = [support for support in supports if support is not None and support.shape]
        if masks:
            return [Value(Field(shapes[0]), support=np.logical_and.reduce(masks))]
    elif name in _MOVES and supports[0] is not None and len(operands) == 1:
        params = equation.params
        if name == "convert_element_type":
            return [Value(Field(shapes[0]), support=supports[0])]
        moved = equation.primitive.bind(supports[0].astype(np.float32), **params)
        return [Value(Field(shapes[0]), support=np.asarray(moved) != 0)]
    return nothing


def _has_numbers(aval: Any) -> bool:
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and not jax.dtypes.issubdtype(dtype, jax.dtypes.extended)


def _computed(equation: JaxprEqn, known: Sequence[Any]) -> list[np.ndarray] | None:
    """The numbers of an equation's outputs; None if they cannot be had here."""
    typed = [
        np.asarray(numbers, atom.aval.dtype)
        for numbers, atom in zip(known, equation.invars, strict=True)
    ]
    try:
        found = equation.primitive.bind(*typed, **equation.params)
    except Exception:  # a primitive that runs in a program alone; then it is not known
        return None
    several = equation.primitive.multiple_results
    return [np.asarray(each) for each in (found if several else [found])]


def _unknown(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> list[Field]:
    note = f"{equation.primitive.name} has no rule, so that it counts as seeing everything"
    return [
        everything(variable.aval.shape, [value.field for value in operands], note)
        for variable in equation.outvars
    ]


def where_nonzero(program: Program, one: Value, other: Value) -> Field:
    """What `one` sees where it is multiplied by something that may not be zero."""
    mask = program.nonzero(other)
    return masked(one.field, mask) if mask is not None and mask.shape == one.shape else one.field
