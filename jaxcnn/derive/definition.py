"""What a derivation begins with: the definition of an operation, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.derive.quantities import Entries, Quantity, cotangent, quantities


class Step(NamedTuple):
    """Quantities of one kind, such as the means of a norm."""

    title: str
    symbols: Entries
    sums: Entries

    @property
    def quantities(self) -> list[Quantity]:
        return quantities(self.symbols, self.sums)


class Statement(NamedTuple):
    """That a gradient is something else too.

    Attributes:
      name: of the input whose gradient it is.
      text: what it is.
      found: the same gradients, computed as the text says, in the shape of the input.
      how: "terms" if both must have the same terms, "value" if only the same value.
    """

    name: str
    text: str
    found: Entries
    how: str


class Definition(NamedTuple):
    """An operation on arrays of symbols.

    Attributes:
      inputs: the arrays that it has gradients of, by name.
      steps: what is computed, in order; the last are the outputs.
      statements: made of the cotangents of the outputs.
      run: the function of the library, of arrays by name.
      sources: the module and a part of the line of code that computes the output, "y",
        and the gradient of each input.
    """

    inputs: Mapping[str, Entries]
    steps: Sequence[Step]
    statements: Sequence[Statement]
    run: Callable[[Mapping[str, Any]], Any]
    sources: Mapping[str, tuple[str, str]]

    @property
    def outputs(self) -> Entries:
        return self.steps[-1].symbols


def cotangents(symbols: Entries) -> Entries:
    """dJ/d of each."""
    found = np.empty(symbols.shape, object)
    for index in np.ndindex(*symbols.shape):
        found[index] = cotangent(symbols[index])
    return found


def sums_of(shape: Sequence[int], terms: Callable[..., Any]) -> Entries:
    """An array of lists of terms: those that the function gives for each index."""
    found = np.empty(tuple(shape), object)
    for index in np.ndindex(*found.shape):
        found[index] = list(terms(*index))
    return found
