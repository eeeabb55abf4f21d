"""A derivation as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from jaxcnn.derive.derivation import Comparison, Derivation, Section
from jaxcnn.derive.quantities import Quantity, Term


class Printer(StrPrinter):
    """Symbols by their names, or by their numbers."""

    def __init__(self, values: Mapping[Any, Any] | None = None) -> None:
        super().__init__({"order": "none"})
        self.values = values

    def _print_Symbol(self, symbol: Any) -> str:  # noqa: N802  SymPy's name
        if self.values is None:
            return symbol.name
        shown = number(self.values[symbol])
        return f"({shown})" if shown.startswith("-") else shown

    def _print_largest(self, e: Any) -> str:
        return f"max({', '.join(map(self._print, e.args))})"

    def _print_wins(self, e: Any) -> str:
        index, *entries = e.args
        shown = list(map(self._print, entries))
        return f"[{shown[int(index)]} is the first max({', '.join(shown)})]"

    def _print_positive(self, e: Any) -> str:
        return f"[{self._print(e.args[0])} > 0]"

    def factors(self, factors: Sequence[Any]) -> list[str]:
        """Those of a product, in brackets where they are sums or quotients."""
        if len(factors) == 1:
            return [self._print(factors[0])]
        return [
            f"({self._print(f)})" if is_loose(f) else self.parenthesize(f, PRECEDENCE["Mul"])
            for f in factors
        ]


def number(value: Any) -> str:
    """Four digits, or all of a whole number.

    >>> number(12), number(1 / 3), number(0.25)
    ('12', '0.3333', '0.25')
    """
    return f"{float(value):.4g}" if not isinstance(value, int) else str(value)


def said(quantity: Quantity, values: Mapping[Any, Any] | None = None) -> str:
    """The sum, of symbols, or of numbers if they are given."""
    printer = Printer(values)
    parts: list[str] = []
    for each in quantity.terms:
        minus, factors = signed(each)
        between = " " if values is None else "·"
        shown = between.join(printer.factors(factors)) or "1"
        if parts:
            parts.append("-" if minus else "+")
        parts.append(shown if parts or not minus else f"-{shown}")
    return re.sub(r"\(\((-[^()]*)\)\)", r"(\1)", " ".join(parts)) or "0"


def is_loose(factor: Any) -> bool:
    """Whether a factor is written as a quotient, which needs brackets beside others."""
    return bool(factor.is_Rational and factor.q != 1) or (
        (factor.is_Pow or factor.is_Mul) and factor.as_numer_denom()[1] != 1
    )


def signed(each: Term) -> tuple[bool, tuple[Any, ...]]:
    """Whether a term has a minus before it, and its factors without it."""
    minus, factors = False, []
    for factor in each.factors:
        if factor.is_Number and factor < 0:
            minus, factor = not minus, -factor
        if factor != 1:
            factors.append(factor)
    return minus, tuple(factors)


def to_text(derivation: Derivation, *, with_numbers: bool = True) -> str:
    """All sums, each with the line of code that computes it, and the comparisons.

    >>> from jaxcnn.derive import derive
    >>> lines = to_text(derive("relu", size=1, values={"x": 3, "dy": 2})).splitlines()
    >>> lines[3].strip()
    'y1 = [x1 > 0] x1 = [3 > 0]·3 = 3'
    >>> lines[6].strip()
    'dJ/dx1 = dJ/dy1 [x1 > 0] = 2·[3 > 0] = 2'
    """
    options = ", ".join(f"{name}={value}" for name, value in derivation.options.items())
    lines = [", ".join(filter(None, (derivation.operation, options)))]
    values = derivation.values if with_numbers else None
    for section in (*derivation.forward, *derivation.backward):
        lines += ["", *_section(section, values)]
    for comparison in derivation.comparisons:
        lines += ["", *_comparison(comparison)]
    if derivation.notes:
        lines += ["", *derivation.notes]
    lines += ["", verdict(derivation)]
    return "\n".join(lines)


def verdict(derivation: Derivation) -> str:
    """What was checked."""
    if derivation.difference == 0:
        return "The code computes the same numbers."
    return (
        "The code computes the same numbers, up to the rounding of float32"
        f" ({derivation.difference:.0e} of the largest)."
    )


def _section(section: Section, values: Mapping[Any, Any] | None) -> Iterator[str]:
    source = section.source
    where = f"    {source.path}:{source.line}: {source.code}" if source else ""
    yield f"{section.title}{where}"
    for quantity in section.quantities:
        yield f"  {quantity.symbol.name} = {equation(quantity, values)}"


def equation(quantity: Quantity, values: Mapping[Any, Any] | None) -> str:
    """What stands right of the symbol: the sum, and with numbers the sum of numbers and
    what it comes to."""
    sides = [said(quantity)]
    if values is not None:
        result = number(values[quantity.symbol])
        with_numbers = said(quantity, values)
        sides += [result] if with_numbers == result else [with_numbers, result]
    return " = ".join(dict.fromkeys(sides))


def _comparison(comparison: Comparison) -> Iterator[str]:
    statement = comparison.statement
    same = "with the same terms" if statement.how == "terms" else "with the same values"
    yield f"The gradient of {statement.name} is {statement.text}; {same}:"
    for _, found in comparison.pairs:
        yield f"  {found.symbol.name} = {said(found)}"
