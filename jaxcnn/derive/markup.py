"""A derivation in HTML, with its equations in MathML, which browsers draw themselves:
nothing is loaded, and no script runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from html.entities import html5
from typing import Any

from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.precedence import PRECEDENCE, precedence

from jaxcnn.derive.derivation import Comparison, Derivation, Section
from jaxcnn.derive.latex import parts
from jaxcnn.derive.quantities import Quantity
from jaxcnn.derive.text import number, said, signed, verdict

LETTERS = {
    "x_hat": "<mover><mi>x</mi><mo>^</mo></mover>",
    "mean": "<mi>&#956;</mi>",
    "var": "<msup><mi>&#963;</mi><mn>2</mn></msup>",
    "inv_std": "<mi>r</mi>",
    "scale": "<mi>&#947;</mi>",
    "bias": "<mi>&#946;</mi>",
    "loss": "<mi>L</mi>",
    "total": "<mi>S</mi>",
}


def symbol_markup(name: str) -> str:
    """A symbol by its name.

    >>> symbol_markup("x12")
    '<msub><mi>x</mi><mn>12</mn></msub>'
    """
    if name.startswith("dJ/d"):
        below = f"<mrow><mo>∂</mo>{symbol_markup(name[4:])}</mrow>"
        return f"<mfrac><mrow><mo>∂</mo><mi>J</mi></mrow>{below}</mfrac>"
    word, index = parts(name)
    base = LETTERS.get(word, f"<mi>{escape(word)}</mi>")
    return f"<msub>{base}<mn>{escape(index)}</mn></msub>" if index else base


class Printer(MathMLPresentationPrinter):
    """Expressions; those of SymPy's functions are SymPy's."""

    def __init__(self) -> None:
        super().__init__({"order": "none"})

    def _raw(self, text: str) -> Any:
        node = self.dom.createElement("mrow")
        node.appendChild(self.dom.createTextNode(f"\0{text}\0"))
        return node

    def _print_Symbol(self, sym: Any, style: str = "plain") -> Any:  # noqa: N802
        return self._raw(symbol_markup(sym.name))

    def markup(self, expression: Any) -> str:
        """MathML, with the raw parts put in."""
        pieces = self._print(expression).toxml().split("\0")
        return "".join(_plain(p) if i % 2 == 0 else _unescaped(p) for i, p in enumerate(pieces))

    def _print_largest(self, e: Any) -> Any:
        inside = "<mo>,</mo>".join(map(self.markup, e.args))
        return self._raw(f"<mi>max</mi><mo>(</mo>{inside}<mo>)</mo>")

    def _print_wins(self, e: Any) -> Any:
        index, *entries = e.args
        shown = list(map(self.markup, entries))
        largest = f"<mi>max</mi><mo>(</mo>{'<mo>,</mo>'.join(shown)}<mo>)</mo>"
        return self._raw(f"<mo>[</mo>{shown[int(index)]}<mo>=</mo>{largest}<mo>]</mo>")

    def _print_positive(self, e: Any) -> Any:
        return self._raw(f"<mo>[</mo>{self.markup(e.args[0])}<mo>&gt;</mo><mn>0</mn><mo>]</mo>")

    def factors(self, factors: Sequence[Any]) -> list[str]:
        """Those of a product, in brackets where they are sums."""
        return [
            f"<mo>(</mo>{shown}<mo>)</mo>"
            if len(factors) > 1 and precedence(factor) < PRECEDENCE["Mul"]
            else shown
            for factor, shown in ((factor, self.markup(factor)) for factor in factors)
        ]


def _plain(text: str) -> str:
    """Without the names of characters that only HTML knows; Euler's number is an e."""
    text = text.replace("&ExponentialE;", "e")
    return re.sub(r"&(?!lt;|gt;|amp;|quot;)(\w+;)", lambda found: html5[found[1]], text)


def _unescaped(text: str) -> str:
    return (
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    )


def equation_markup(quantity: Quantity) -> str:
    """A symbol and its sum, as one <math>."""
    printer = Printer()
    shown: list[str] = []
    for each in quantity.terms:
        minus, factors = signed(each)
        if minus or shown:
            shown.append(f"<mo>{'&#8722;' if minus else '+'}</mo>")
        shown.append("<mo>&#8290;</mo>".join(printer.factors(factors)) or "<mn>1</mn>")
    right = "".join(shown) or "<mn>0</mn>"
    return f"<math>{symbol_markup(quantity.symbol.name)}<mo>=</mo><mrow>{right}</mrow></math>"


def to_html(derivation: Derivation) -> str:
    """A part of a page: a table for each kind of sums, and one for each comparison.

    >>> from jaxcnn.derive import derive
    >>> to_html(derive("relu", size=1)).count("<table>")
    3
    """
    blocks = [
        _section(section, derivation.values)
        for section in (*derivation.forward, *derivation.backward)
    ]
    blocks += map(_comparison, derivation.comparisons)
    ends = (*derivation.notes, verdict(derivation))
    return "\n".join([*blocks, *(f"<p>{escape(note)}</p>" for note in ends)])


def _section(section: Section, values: Mapping[Any, Any]) -> str:
    source = section.source
    where = (
        f"<p class='soft'><code>{escape(source.code)}</code><br/>{escape(source.path)}, line"
        f" {source.line}</p>"
        if source
        else ""
    )
    rows = (
        f"<tr><td>{equation_markup(q)}</td><td>{_in_numbers(q, values)}</td></tr>"
        for q in section.quantities
    )
    title = section.title
    return _table(title if "_" in title else title.capitalize(), where, rows)


def _in_numbers(quantity: Quantity, values: Mapping[Any, Any]) -> str:
    result, shown = number(values[quantity.symbol]), said(quantity, values)
    return escape(result if shown == result else f"{shown} = {result}")


def _comparison(comparison: Comparison) -> str:
    statement = comparison.statement
    title = f"The gradient of {statement.name} is {statement.text}"
    note = "<p class='soft'>Left as it was collected, right as the sentence says.</p>"
    rows = (
        f"<tr><td>{equation_markup(collected)}</td><td>{equation_markup(found)}</td></tr>"
        for collected, found in comparison.pairs
    )
    return _table(title, note, rows)


def _table(title: str, below: str, rows: Iterator[str]) -> str:
    box = "<div class='box' tabindex='0' role='region' aria-label='{}'>".format
    head, table = f"<h2>{escape(title)}</h2>", "\n".join(rows)
    return f"{head}\n{below}\n{box(escape(title, quote=True))}<table>\n{table}\n</table></div>"
