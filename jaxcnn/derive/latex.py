"""A derivation in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE

from jaxcnn.derive.derivation import Derivation
from jaxcnn.derive.quantities import Quantity
from jaxcnn.derive.text import signed, verdict

LETTERS = {
    "x_hat": r"\hat{x}",
    "mean": r"\mu",
    "var": r"\sigma^2",
    "inv_std": "r",
    "scale": r"\gamma",
    "bias": r"\beta",
    "loss": "L",
    "total": "S",
}
"""What is written for the names that are words."""


def letter(name: str) -> str:
    r"""A symbol by its name.

    >>> letter("x12"), letter("dJ/dk11"), letter("x[1;12;3]")
    ('x_{12}', '\\frac{\\partial J}{\\partial k_{11}}', 'x_{1,12,3}')
    """
    if name.startswith("dJ/d"):
        return rf"\frac{{\partial J}}{{\partial {letter(name[4:])}}}"
    word, index = parts(name)
    shown = LETTERS.get(word, word)
    return (
        f"{{{shown}}}_{{{index}}}" if "^" in shown else f"{shown}_{{{index}}}" if index else shown
    )


def parts(name: str) -> tuple[str, str]:
    """The letters of a name, and its index.

    >>> parts("x_hat[2;11]"), parts("loss")
    (('x_hat', '2,11'), ('loss', ''))
    """
    found = re.fullmatch(r"([A-Za-z_]+?)(?:\[(.*)\]|(\d+))?", name)
    assert found is not None, name
    word, bracketed, digits = found.groups()
    return word, (bracketed or digits or "").replace(";", ",")


class Printer(LatexPrinter):
    def __init__(self) -> None:
        super().__init__({"order": "none"})

    def _print_Symbol(self, symbol: Any) -> str:  # noqa: N802
        return letter(symbol.name)

    def _print_largest(self, e: Any, exp: Any = None) -> str:
        return rf"\max({', '.join(map(self._print, e.args))})"

    def _print_wins(self, e: Any, exp: Any = None) -> str:
        index, *entries = e.args
        shown = list(map(self._print, entries))
        return rf"[{shown[int(index)]} = \max({', '.join(shown)})]"

    def _print_positive(self, e: Any, exp: Any = None) -> str:
        return f"[{self._print(e.args[0])} > 0]"

    def factors(self, factors: Sequence[Any]) -> list[str]:
        if len(factors) == 1:
            return [self._print(factors[0])]
        return [self.parenthesize(factor, PRECEDENCE["Mul"]) for factor in factors]


def sum_in_latex(quantity: Quantity) -> str:
    """The terms of a sum."""
    printer = Printer()
    shown: list[str] = []
    for each in quantity.terms:
        minus, factors = signed(each)
        sign = "- " if minus else "+ " if shown else ""
        shown.append(sign + (r" \, ".join(printer.factors(factors)) or "1"))
    return " ".join(shown) or "0"


def to_latex(derivation: Derivation) -> str:
    r"""The sums, in `gather*` environments of amsmath, under a comment each.

    >>> from jaxcnn.derive import derive
    >>> text = to_latex(derive("dense", features=2, outputs=1, bias=False))
    >>> print(text.split("\n\n")[0])
    % outputs
    \begin{gather*}
    y_{1} = x_{1} \, w_{11} + x_{2} \, w_{21}
    \end{gather*}
    """
    blocks = [
        (section.title, section.quantities)
        for section in (*derivation.forward, *derivation.backward)
    ]
    blocks += [
        (f"the gradient of {c.statement.name} is {c.statement.text}", tuple(q for _, q in c.pairs))
        for c in derivation.comparisons
    ]
    found = []
    for title, quantities in blocks:
        equations = " \\\\\n".join(
            f"{letter(q.symbol.name)} = {sum_in_latex(q)}" for q in quantities
        )
        found.append(f"% {title}\n\\begin{{gather*}}\n{equations}\n\\end{{gather*}}")
    return "\n\n".join(
        [*found, *(f"% {note}" for note in (*derivation.notes, verdict(derivation)))]
    )
