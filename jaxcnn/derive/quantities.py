"""Named numbers, and the gradients of all of them by the chain rule, term by term.

A `Quantity` is a symbol and the terms that add up to it: y11 = x11 k11 + x12 k12 + ...
The forward pass of an operation is a list of them, in which each stands after those
that it is made of. J is a number that depends on the last ones, the outputs. For a
quantity q,

    dJ/dq = sum over the terms, of every quantity p, in which q stands:
            dJ/dp d(term)/dq

so each term in which q stands gives one term of dJ/dq, and nothing is lost or counted
twice. This is reverse mode, with its work shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy

Entries = np.ndarray[Any, np.dtype[Any]]
"""An array of symbols, or of lists of terms."""

MOST_TERMS = 20_000


class TooLargeError(ValueError):
    """Nobody reads so many sums."""


class Term(NamedTuple):
    """A product, with its factors in the order in which people write them."""

    factors: tuple[Any, ...]

    @property
    def value(self) -> Any:
        return sympy.Mul(*self.factors)

    @property
    def symbols(self) -> set[Any]:
        return set().union(*(factor.free_symbols for factor in self.factors))

    def derivative(self, symbol: Any) -> tuple[Any, ...]:
        """The factors of its derivative; that of a product of symbols leaves one out.

        >>> x, k = sympy.symbols("x k")
        >>> Term((x, k)).derivative(x), Term((x**3, k)).derivative(x)
        ((k,), (3, x**2, k))
        """
        holding = [i for i, f in enumerate(self.factors) if symbol in f.free_symbols]
        if len(holding) > 1:
            return factors_of(sympy.diff(self.value, symbol))
        (i,) = holding
        slope = factors_of(sympy.factor_terms(sympy.diff(self.factors[i], symbol)))
        return (*self.factors[:i], *slope, *self.factors[i + 1 :])


class Quantity(NamedTuple):
    """A symbol, and the terms of the sum that it stands for; an empty sum is 0."""

    symbol: Any
    terms: tuple[Term, ...]


def term(*factors: Any) -> Term:
    """A term of symbols, expressions and numbers."""
    return Term(tuple(part for factor in factors for part in factors_of(sympy.sympify(factor))))


def number_first(*factors: Any) -> Term:
    """A term whose numbers are one, in front."""
    numbers = [factor for factor in factors if factor.is_Rational]
    return term(sympy.Mul(*numbers), *(factor for factor in factors if not factor.is_Rational))


def factors_of(expression: Any) -> tuple[Any, ...]:
    """A product's number and the rest, without a 1."""
    coefficient, rest = expression.as_coeff_Mul()
    return tuple(part for part in (coefficient, rest) if part != 1)


def named(letter: str, shape: Sequence[int], groups: Sequence[Sequence[int]]) -> Entries:
    """An array of symbols, numbered from 1. The axes of a group are written together,
    and groups that have one entry are left out.

    >>> named("x", (1, 2, 2, 1), ((0,), (1, 2), (3,)))[0, 1, 0, 0]
    x21
    >>> named("x", (2, 2, 2, 1), ((0,), (1, 2), (3,)))[0, 1, 0, 0]
    x[1;21]
    """
    shown = [axes for axes in groups if any(shape[axis] > 1 for axis in axes)]
    shown = shown or [axes for axes in groups if len(axes)][-1:]
    entries = np.empty(tuple(shape), object)
    for index in np.ndindex(*shape):
        parts = []
        for axes in shown:
            apart = "," if any(shape[axis] > 9 for axis in axes) else ""
            parts.append(apart.join(str(index[axis] + 1) for axis in axes))
        plain = len(parts) == 1 and "," not in parts[0]
        entries[index] = sympy.Symbol(
            f"{letter}{parts[0]}" if plain else f"{letter}[{';'.join(parts)}]", real=True
        )
    return entries


def quantities(entries: Entries, sums: Entries) -> list[Quantity]:
    """Each symbol with its list of terms."""
    return [Quantity(entries[i], tuple(sums[i])) for i in np.ndindex(*entries.shape)]


def cotangent(symbol: Any) -> Any:
    """The symbol for dJ/d of another.

    >>> cotangent(sympy.Symbol("y11"))
    dJ/dy11
    """
    return sympy.Symbol(f"dJ/d{symbol.name}", real=True)


def gradients(forward: Sequence[Quantity], of: Iterable[Any]) -> Iterator[Quantity]:
    """dJ/d of each symbol, in terms of dJ/d of the quantities that it stands in.

    >>> x, k, y = sympy.symbols("x k y")
    >>> [found] = gradients([Quantity(y, (term(x, k),))], [x])
    >>> found.symbol, found.terms[0].factors
    (dJ/dx, (dJ/dy, k))
    """
    asked = list(of)
    found: dict[Any, list[Term]] = {symbol: [] for symbol in asked}
    for quantity in forward:
        outer = cotangent(quantity.symbol)
        for each in quantity.terms:
            for symbol in sorted(each.symbols & found.keys(), key=str):
                found[symbol].append(number_first(outer, *each.derivative(symbol)))
    for symbol in asked:
        yield Quantity(cotangent(symbol), tuple(found[symbol]))


def check_size(count: int) -> None:
    """Raises TooLargeError where nobody would read so many terms."""
    if count > MOST_TERMS:
        raise TooLargeError(
            f"these shapes have {count:,} terms; derive writes out at most {MOST_TERMS:,}: take a"
            " smaller input, kernel or batch"
        )
