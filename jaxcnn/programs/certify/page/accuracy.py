"""How accurate the gradients are: medians and worst errors, explicit and autodiff
side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxcnn.programs.certify.page.words import is_gradient
from jaxcnn.programs.certify.rows import Row


class Errors(NamedTuple):
    """Errors of some gradients in one implementation, None where none has one."""

    median: float | None
    worst: float | None
    median_ulps: float | None
    worst_ulps: float | None


class Accuracy(NamedTuple):
    """The gradients of the "accuracy" checks of some rows. The last three fields count
    the explicit errors that are smaller than autodiff's, equal to it, larger."""

    dtype: str
    operation: str
    gradients: int
    explicit: Errors
    autodiff: Errors
    smaller: int
    equal: int
    larger: int

    @property
    def compared(self) -> int:
        """Gradients that autodiff has an error of too."""
        return self.smaller + self.equal + self.larger

    @property
    def at_least(self) -> int:
        """Those of which the explicit one is at least as accurate."""
        return self.smaller + self.equal


def accuracy(dtype: str, operation: str, rows: Iterable[Row]) -> Accuracy:
    """Of all gradients in the "accuracy" checks of the rows; the names go into the
    result as they are."""
    checks = [
        c for row in rows for c in row["checks"] if c["name"] == "accuracy" and is_gradient(c["of"])
    ]
    pairs = [(c["error"], c["autodiff_error"]) for c in checks if c["autodiff_error"] is not None]
    order = [
        (badness(mine) > badness(other)) - (badness(mine) < badness(other)) for mine, other in pairs
    ]

    def errors(error: str, in_ulps: str) -> Errors:
        whole, units = ([c[key] for c in checks if c[key] is not None] for key in (error, in_ulps))
        return Errors(_median(whole), _worst(whole), _median(units), _worst(units))

    return Accuracy(
        dtype,
        operation,
        len(checks),
        errors("error", "ulps"),
        errors("autodiff_error", "autodiff_ulps"),
        order.count(-1),
        order.count(0),
        order.count(1),
    )


def by_dtype(rows: Sequence[Row]) -> list[tuple[Accuracy, list[Accuracy]]]:
    """For each dtype: all its gradients together, and those of each operation."""
    found = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        of_dtype = [row for row in rows if row["dtype"] == dtype]
        operations = dict.fromkeys(row["operation"] for row in of_dtype)
        parts = [
            accuracy(dtype, name, [row for row in of_dtype if row["operation"] == name])
            for name in operations
        ]
        found.append((accuracy(dtype, "", of_dtype), [part for part in parts if part.gradients]))
    return [(whole, parts) for whole, parts in found if parts]


def badness(value: float) -> tuple[bool, float]:
    """A key to sort errors by: NaN is worse than infinity."""
    return (True, 0.0) if math.isnan(value) else (False, value)


def _median(values: Iterable[float]) -> float | None:
    ordered = sorted(values, key=badness)
    if not ordered:
        return None
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else (low + high) / 2


def _worst(values: Iterable[float]) -> float | None:
    return max(values, key=badness, default=None)
