"""What the rows of single passes say: means of families, whether the targets are met,
and where jaxcnn is the slower one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.benchmark.case import CONV_PASSES
from experiments.benchmark.cases import CONV_FAMILIES, FAMILIES

Row = dict[str, Any]

SLOWER = 0.95  # a ratio whose whole interval is below this is one that jaxcnn loses
CONVOLUTIONS = "all convolutions"


# Arithmetic.


class Spread(NamedTuple):
    """Of ratios: their geometric mean, the smallest, the largest, and how many there
    are."""

    mean: float
    low: float
    high: float
    n: int


def spread(values: Iterable[float]) -> Spread | None:
    """None of none.

    >>> spread([1.0, 4.0])
    Spread(mean=2.0, low=1.0, high=4.0, n=2)
    """
    found = np.array(list(values))
    if not found.size:
        return None
    return Spread(
        float(np.exp(np.mean(np.log(found)))), float(found.min()), float(found.max()), found.size
    )


def times_as_long(row: Row, column: str = "plain") -> float:
    """How many times as long as explicit a column takes; 1 where plain JAX's program is
    the same."""
    return (
        1.0
        if column == "plain" and row["identical"]
        else row["ratios"][f"{column}/explicit"]["median"]
    )


def has(row: Row, column: str) -> bool:
    return f"{column}/explicit" in row["ratios"]


def family_spread(
    rows: Iterable[Row], families: Sequence[str], place: str, dtype: str, column: str = "plain"
) -> Spread | None:
    return spread(
        times_as_long(row, column)
        for row in rows
        if row["family"] in families
        and (row["place"], row["dtype"]) == (place, dtype)
        and has(row, column)
    )


def slower(rows: Iterable[Row], column: str = "plain") -> list[Row]:
    """Where explicit is slower than the column beyond doubt, the worst first."""
    found = [
        row
        for row in rows
        if has(row, column)
        and not (column == "plain" and row["identical"])
        and row["ratios"][f"{column}/explicit"]["high"] < SLOWER
    ]
    return sorted(found, key=lambda row: row["ratios"][f"{column}/explicit"]["median"])


class Target(NamedTuple):
    """How many times as long as explicit plain JAX should take."""

    name: str
    goal: float
    families: tuple[str, ...]
    place: str
    passes: tuple[str, ...] = CONV_PASSES


TARGETS = (
    *(
        Target(f"{family}, top level", goal, (family,), "top level")
        for family, goal in (
            ("dense", 1.0),
            ("few channels", 2.0),
            ("1x1", 3.0),
            ("strided", 3.0),
            ("grouped", 10.0),
            ("depthwise", 30.0),
        )
    ),
    Target("all convolutions, in a scan", 10.0, CONV_FAMILIES, "scan"),
    Target("max pool, gradient, top level", 12.0, ("max pool",), "top level", ("gradient",)),
    Target("average pool, gradient, top level", 3.0, ("average pool",), "top level", ("gradient",)),
)


class Verdict(NamedTuple):
    target: Target
    got: float | None
    """The geometric mean; None where nothing was measured."""

    @property
    def met(self) -> bool | None:
        return None if self.got is None else self.got >= self.target.goal


def judge(target: Target, rows: Iterable[Row], dtype: str) -> Verdict:
    found = family_spread(
        (row for row in rows if row["pass"] in target.passes), target.families, target.place, dtype
    )
    return Verdict(target, found.mean if found else None)


# What there is.


def columns_of(rows: Iterable[Row]) -> list[str]:
    """All columns but explicit, plain first."""
    return list(
        dict.fromkeys(key.removesuffix("/explicit") for row in rows for key in row["ratios"])
    )


def dtypes_of(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["dtype"] for row in rows))


def families_of(rows: Iterable[Row]) -> list[str]:
    there = {row["family"] for row in rows}
    return [
        *(family for family in FAMILIES if family in there),
        *sorted(there.difference(FAMILIES)),
    ]
