"""The arrays that are kept between forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
from jax.extend.core import Literal

# An array is known by its origin: the number of an argument, an object if it is
# computed from arguments, or None if it is not, such as a literal, zeros that a rule
# broadcasts, or an array that the function closes over.


def kept_bytes(pull: Callable, args: Sequence[jax.ShapeDtypeStruct]) -> tuple[int, int]:
    """Bytes of the leaves of a vjp's closure, counting each array once: of computed
    arrays, and of arguments."""
    jaxpr = jax.make_jaxpr(pull)(args).jaxpr
    kept = {
        origin: variable.aval.size * variable.aval.dtype.itemsize
        for origin, variable in zip(_origins(jaxpr, range(len(args))), jaxpr.outvars, strict=True)
        if origin is not None
    }
    of_arguments = sum(size for origin, size in kept.items() if isinstance(origin, int))
    return sum(kept.values()) - of_arguments, of_arguments


def _origins(jaxpr: Any, inputs: Iterable[object]) -> list[object]:
    """The origins of a jaxpr's outputs. It looks into inner jits: these return their
    inputs, and constants, as residuals."""
    origins = dict(zip(jaxpr.invars, inputs, strict=True))

    def of(variables: Any) -> list[object]:
        return [None if isinstance(v, Literal) else origins.get(v) for v in variables]

    for equation in jaxpr.eqns:
        operands = of(equation.invars)
        if equation.primitive.name == "jit":
            results = _origins(equation.params["jaxpr"].jaxpr, operands)
        else:
            constant = all(operand is None for operand in operands)
            results = [None if constant else object() for _ in equation.outvars]
        origins.update(zip(equation.outvars, results, strict=True))
    return of(jaxpr.outvars)
