"""The functions that SymPy lacks, with the derivatives that this library takes: kinks
and ties have one answer, and not a delta function.

    largest(a, b, ...)      their maximum
    wins(i, a, b, ...)      1 if entry i is the first that is as large as any, else 0
    positive(x)             1 if x > 0, else 0
"""

from __future__ import annotations

from typing import Any

import sympy


class largest(sympy.Function):  # noqa: N801  a function, as SymPy writes them
    """The maximum of its arguments. Its derivative by one of them is `wins`."""

    def fdiff(self, argindex: int = 1) -> Any:
        return wins(sympy.Integer(argindex - 1), *self.args)


class wins(sympy.Function):  # noqa: N801
    """1 if the argument of this number is the first of the largest, else 0."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.Integer(0)


class positive(sympy.Function):  # noqa: N801
    """1 if its argument is greater than 0, else 0."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.Integer(0)


def _first_largest(*values: float) -> int:
    return max(range(len(values)), key=lambda i: (values[i], -i))


NUMERIC = {
    "largest": lambda *values: max(values),
    "wins": lambda i, *values: int(_first_largest(*values) == i),
    "positive": lambda x: int(x > 0),
}
"""The same for numbers."""
