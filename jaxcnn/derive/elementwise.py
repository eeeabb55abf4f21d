"""Activations and dropout: y = f(x), entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import sympy

import jaxcnn.ops as ops
from jaxcnn.derive.definition import Definition, Statement, Step, cotangents, sums_of
from jaxcnn.derive.functions import positive
from jaxcnn.derive.quantities import named, term

ACTIVATION, DROPOUT = "jaxcnn.ops.activation", "jaxcnn.ops.inverted_dropout"


def s(x: Any) -> Any:
    """The sigmoid."""
    return 1 / (1 + sympy.exp(-x))


def _twice_u(x: Any) -> Any:
    """2u of `jaxcnn/ops/activation.py`."""
    return 2 * sympy.sqrt(2 / sympy.pi) * (x + sympy.Rational(44715, 10**6) * x**3)


Function = Callable[[Any], Any]
SLOPE = sympy.Rational(1, 100)
FUNCTIONS: dict[str, tuple[Function, str, Function]] = {
    "relu": (
        lambda x: (positive(x), x),
        "dJ/dy where x > 0, else 0",
        positive,
    ),
    "leaky_relu": (
        lambda x: (SLOPE + (1 - SLOPE) * positive(x), x),
        "dJ/dy where x > 0, else 1/100 of it",
        lambda x: SLOPE + (1 - SLOPE) * positive(x),
    ),
    "sigmoid": (lambda x: (s(x),), "s(x) s(-x) dJ/dy", lambda x: s(x) * s(-x)),
    "tanh": (
        lambda x: (sympy.tanh(x),),
        "4 s(2x) s(-2x) dJ/dy",
        lambda x: 4 * s(2 * x) * s(-2 * x),
    ),
    "silu": (
        lambda x: (x, s(x)),
        "s(x) (1 + x s(-x)) dJ/dy",
        lambda x: s(x) * (1 + x * s(-x)),
    ),
    "gelu": (
        lambda x: (x, s(_twice_u(x))),
        "s(2u) (1 + x s(-2u) d(2u)/dx) dJ/dy, with u = sqrt(2/pi) (x + 0.044715 x^3)",
        lambda x: s(_twice_u(x)) * (1 + x * s(-_twice_u(x)) * sympy.diff(_twice_u(x), x)),
    ),
}
"""What each computes, as factors, and its derivative as the code computes it, in words
and as a function."""

LINES = {
    "relu": ("return jnp.where(x <= 0, jnp.zeros_like(x), x)", "# dx = dy where x > 0, else 0"),
    "leaky_relu": ("return jnp.where(x <= 0, _scaled(x, slope), x)", "else slope"),
    "sigmoid": ("return lax.logistic(at_least_float32(x)).astype(x.dtype)", "# dx = s(x) s(-x) dy"),
    "tanh": ("return jnp.tanh(at_least_float32(x)).astype(x.dtype)", "# dx = 4 s(2x) s(-2x) dy"),
    "silu": (
        "return (_from_below(wide) * lax.logistic(_near(wide))).astype(x.dtype)",
        "# dx = s(x) (1 + x s(-x)) dy",
    ),
    "gelu": (
        "return (_from_below(wide) * distribution).astype(x.dtype)",
        "derivative = s * (1 + x * s_of_minus",
    ),
}


def activation(name: str, size: int) -> Definition:
    """An elementwise function of the library; gelu is its tanh approximation."""
    x, y = (named(letter, (size,), ((0,),)) for letter in "xy")
    function, text, derivative = FUNCTIONS[name]
    dy = cotangents(y)
    found = sums_of(x.shape, lambda i: [term(dy[i], derivative(x[i]))])
    sources = dict(zip("yx", ((ACTIVATION, part) for part in LINES[name]), strict=True))
    steps = [Step("outputs", y, sums_of(y.shape, lambda i: [term(*function(x[i]))]))]

    def run(arrays: Any) -> Any:
        return getattr(ops, name)(arrays["x"])

    return Definition({"x": x}, steps, [Statement("x", text, found, "value")], run, sources)


def dropout(size: int, *, rate: float = 0.5, seed: int = 0) -> Definition:
    """`jaxcnn.dropout`, with the mask that its key draws."""
    x, y = (named(letter, (size,), ((0,),)) for letter in "xy")
    key = jax.random.key(seed)
    kept = np.asarray(ops.dropout(np.ones(size, np.float32), key, rate=rate)) != 0
    factor = 1 / (1 - sympy.Rational(str(rate)))

    def terms(i: int) -> Sequence[Any]:
        return [term(factor, x[i])] if kept[i] else []

    def run(arrays: Any) -> Any:
        return ops.dropout(arrays["x"], key, rate=rate)

    sources = {"y": (DROPOUT, "# (1)"), "x": (DROPOUT, "# (2): dx is dy")}
    return Definition({"x": x}, [Step("outputs", y, sums_of(y.shape, terms))], [], run, sources)
