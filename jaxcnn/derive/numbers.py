"""The numbers behind the symbols: what each sum comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from jaxcnn.derive.definition import Definition
from jaxcnn.derive.functions import NUMERIC
from jaxcnn.derive.quantities import Entries, Quantity

Values = dict[Any, Any]
"""A number for each symbol: an int or Fraction where it is exact, else a float."""


def drawn(symbols: Entries, rng: np.random.Generator, *, whole: bool) -> list[Any]:
    """A number for each: whole ones from -3 to 9 without 0, or tenths from -2 to 2."""
    if whole:
        numbers = [n for n in range(-3, 10) if n]
        return [int(rng.choice(numbers)) for _ in range(symbols.size)]
    return [round(float(n), 1) for n in rng.uniform(-2, 2, symbols.size)]


def given(symbols: Entries, array: Any, name: str) -> list[Any]:
    """The numbers of an array, which has the shape of the symbols, or as many entries.

    Raises:
      ValueError: if it has another number of entries, or what is no number.
    """
    try:
        flat = np.asarray(array, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values[{name!r}] must be numbers, got {array!r}") from error
    if flat.size != symbols.size:
        raise ValueError(
            f"values[{name!r}] must have {symbols.size} numbers, for shape {symbols.shape}, got"
            f" {flat.size}"
        )
    return [int(n) if n == round(n) else float(n) for n in flat.ravel()]


def add_values(values: Values, quantities: Iterable[Quantity]) -> None:
    """Compute each, in order, from those before."""
    for quantity in quantities:
        values[quantity.symbol] = simplest(value_of(quantity, values))


def value_of(quantity: Quantity, values: Mapping[Any, Any]) -> Any:
    """What a sum comes to."""
    total: Any = 0
    for each in quantity.terms:
        product: Any = 1
        for factor in each.factors:
            product *= factor_value(factor, values)
        total += product
    return total


def factor_value(factor: Any, values: Mapping[Any, Any]) -> Any:
    """A number for a symbol, a number or an expression."""
    if factor.is_Symbol:
        return values[factor]
    if factor.is_Rational:
        return Fraction(int(factor.p), int(factor.q))
    arguments, function = _compiled(factor)
    return function(*(values[argument] for argument in arguments))


@lru_cache(maxsize=4096)
def _compiled(expression: Any) -> tuple[list[Any], Any]:
    arguments = sorted(expression.free_symbols, key=str)
    return arguments, sympy.lambdify(arguments, expression, [NUMERIC, "math"])


def simplest(number: Any) -> Any:
    """An int where that is what it is.

    >>> simplest(Fraction(4, 2)), simplest(0.5)
    (2, 0.5)
    """
    if isinstance(number, Fraction):
        return int(number) if number.denominator == 1 else number
    return number


def array_of(symbols: Entries, values: Mapping[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers of an array of symbols."""
    found = np.empty(symbols.shape)
    for index in np.ndindex(*symbols.shape):
        found[index] = float(values[symbols[index]])
    return found


def is_whole(definition: Definition) -> bool:
    """Whether whole numbers suit an operation: it has no function but the maximum."""
    factors = (
        factor
        for step in definition.steps
        for quantity in step.quantities
        for each in quantity.terms
        for factor in each.factors
    )
    return len(definition.steps) == 1 and all(
        factor.is_Symbol or factor.is_Rational or type(factor).__name__ in ("largest", "positive")
        for factor in factors
    )
