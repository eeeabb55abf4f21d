"""A derivation: every sum of an operation and of its gradients, with numbers, beside
the lines of code that compute them, and checked against what they compute."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn.derive import numbers
from jaxcnn.derive.definition import Definition, Statement, cotangents
from jaxcnn.derive.quantities import (
    Quantity,
    Term,
    check_size,
    cotangent,
    gradients,
    quantities,
)

TOLERANCE = 2e-5
"""Of what the code computes in float32, over the largest entry."""
ROOT = Path(__file__).parents[2]


class Source(NamedTuple):
    """A line of code."""

    path: str
    line: int
    code: str


class Section(NamedTuple):
    """Sums of one kind, and the line that computes them, if it is one line."""

    title: str
    quantities: tuple[Quantity, ...]
    source: Source | None


class Comparison(NamedTuple):
    """A statement, with each gradient as it was collected and as the statement says."""

    statement: Statement
    pairs: tuple[tuple[Quantity, Quantity], ...]


class DisagreementError(AssertionError):
    """A derivation and the code differ, or a statement is wrong."""


@dataclass(frozen=True)
class Derivation:
    """All that `jaxcnn.derive.derive` found.

    Attributes:
      operation: its name.
      options: those that were passed.
      forward, backward: the sections, in the order of computation.
      comparisons: what the gradients are besides.
      notes: sentences about it.
      values: a number for each symbol.
      difference: the largest between these numbers and what the code computed in
        float32, over the largest of its array.
    """

    operation: str
    options: Mapping[str, Any]
    forward: tuple[Section, ...]
    backward: tuple[Section, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    values: Mapping[Any, Any]
    difference: float

    def sum_of(self, name: str) -> Quantity:
        """The sum of a symbol, by its name, such as "y11" or "dJ/dk12".

        Raises:
          KeyError: if there is none.
        """
        for section in (*self.forward, *self.backward):
            for quantity in section.quantities:
                if quantity.symbol.name == name:
                    return quantity
        raise KeyError(f"there is no {name} in this derivation of {self.operation}")


def derived(
    operation: str,
    options: Mapping[str, Any],
    definition: Definition,
    notes: Sequence[str],
    values: Mapping[str, Any] | None,
    seed: int,
) -> Derivation:
    """Collect the gradients, put in numbers, and check everything.

    Raises:
      DisagreementError: if the code computes something else, or a statement is wrong.
      TooLargeError: if nobody would read so many sums.
      ValueError: on values that do not fit.
    """
    forward = [quantity for step in definition.steps for quantity in step.quantities]
    check_size(sum(len(quantity.terms) for quantity in forward))
    kinds = [
        (f"gradient: {step.title}", step.symbols, None) for step in reversed(definition.steps[:-1])
    ] + [
        (f"gradient: {name}", symbols, source_of(definition, name))
        for name, symbols in definition.inputs.items()
    ]
    every = [symbol for _, symbols, _ in kinds for symbol in symbols.ravel()]
    sums = {quantity.symbol: quantity for quantity in gradients(forward, every)}
    backward = tuple(
        Section(title, tuple(sums[cotangent(s)] for s in symbols.ravel()), source)
        for title, symbols, source in kinds
    )
    comparisons = tuple(
        _compared(definition, statement, sums) for statement in definition.statements
    )
    by_value = any(statement.how == "value" for statement in definition.statements)

    def evaluated(values: Mapping[str, Any], seed: int) -> numbers.Values:
        found = _start(definition, values, seed)
        numbers.add_values(found, forward)
        for section in backward:
            numbers.add_values(found, section.quantities)
        return found

    found = evaluated(values or {}, seed)
    difference = _difference(definition, found)
    points = [found, *(evaluated({}, seed + i) for i in (1, 2))] if by_value else []
    for comparison in comparisons:
        _check(comparison, points)
    last = len(definition.steps) - 1
    return Derivation(
        operation,
        options,
        tuple(
            Section(
                step.title,
                tuple(step.quantities),
                source_of(definition, "y") if i == last else None,
            )
            for i, step in enumerate(definition.steps)
        ),
        backward,
        comparisons,
        tuple(notes),
        found,
        difference,
    )


def source_of(definition: Definition, name: str) -> Source:
    """The line of the library that computes the output "y", or the gradient of an
    input.

    Raises:
      LookupError: if the line that was there is not, or stands there twice.
    """
    module, part = definition.sources[name]
    file = inspect.getsourcefile(import_module(module))
    assert file is not None
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    found = [(number, line.strip()) for number, line in enumerate(lines, 1) if part in line]
    if len(found) != 1:
        raise LookupError(f"{part!r} stands {len(found)} times in {module}, and must stand once")
    return Source(Path(file).relative_to(ROOT).as_posix(), *found[0])


def _compared(
    definition: Definition, statement: Statement, sums: Mapping[Any, Quantity]
) -> Comparison:
    there = quantities(definition.inputs[statement.name], statement.found)
    return Comparison(
        statement,
        tuple((sums[dq], Quantity(dq, q.terms)) for q in there for dq in (cotangent(q.symbol),)),
    )


def _start(definition: Definition, values: Mapping[str, Any], seed: int) -> numbers.Values:
    """Numbers for the inputs, and for dJ/d of the outputs."""
    rng, whole = np.random.default_rng(seed), numbers.is_whole(definition)
    outputs = definition.outputs
    found: numbers.Values = {}
    unknown = sorted(values.keys() - {*definition.inputs, "dy"})
    if unknown:
        there = ", ".join((*definition.inputs, "dy"))
        raise ValueError(f"values has {', '.join(map(repr, unknown))}; there are {there}")
    for name, symbols in (*definition.inputs.items(), ("dy", outputs)):
        some = (
            numbers.given(symbols, values[name], name)
            if name in values
            else numbers.drawn(symbols, rng, whole=whole)
        )
        keys = cotangents(symbols) if name == "dy" else symbols
        found.update(zip(keys.ravel(), some, strict=True))
    return found


def _difference(definition: Definition, values: numbers.Values) -> float:
    """Between the sums and the code: output and gradients."""
    arrays = {
        name: numbers.array_of(symbols, values).astype(np.float32)
        for name, symbols in definition.inputs.items()
    }
    dy = numbers.array_of(cotangents(definition.outputs), values).astype(np.float32)
    y, pull = jax.vjp(lambda arrays: definition.run(arrays), arrays)
    found = {"y": y, **pull(jax.numpy.asarray(dy, y.dtype))[0]}
    worst = 0.0
    for name, array in found.items():
        keys = definition.outputs if name == "y" else cotangents(definition.inputs[name])
        expected = numbers.array_of(keys, values)
        error = np.abs(np.asarray(array, np.float64) - expected).max(initial=0.0)
        worst = max(worst, float(error / max(1.0, np.abs(expected).max(initial=0.0))))
        if worst > TOLERANCE:
            raise DisagreementError(
                f"the sums of {'the output' if name == 'y' else f'the gradient of {name}'} and the"
                f" code differ by {worst:.1e} of the largest entry"
            )
    return worst


def _check(comparison: Comparison, points: Sequence[numbers.Values]) -> None:
    """That both sides of a statement are the same."""
    statement, equal = comparison.statement, _same_terms
    if statement.how == "value":

        def equal(left: Quantity, right: Quantity) -> bool:
            return all(
                np.isclose(
                    float(numbers.value_of(left, values)),
                    float(numbers.value_of(right, values)),
                    rtol=1e-9,
                    atol=1e-9,
                )
                for values in points
            )

    wrong = [left.symbol.name for left, right in comparison.pairs if not equal(left, right)]
    if wrong:
        raise DisagreementError(f"not {statement.text}: {', '.join(wrong)}")


def _same_terms(left: Quantity, right: Quantity) -> bool:
    return _counted(left.terms) == _counted(right.terms)


def _counted(terms: Sequence[Term]) -> Counter[tuple[str, ...]]:
    """Terms, whatever their order and that of their factors."""
    return Counter(tuple(sorted(map(str, each.factors))) for each in terms)
