"""What the rows say: means of families, whether the targets are met, and where jaxcnn
is the slower one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console, RenderableType
from rich.table import Table

from experiments.benchmark.cases import CONV_FAMILIES, CONV_MAPS, FAMILIES, PLACES
from experiments.benchmark.columns import OPS
from experiments.benchmark.operations import disagreement
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import NONE, ratio, seconds

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
    maps: tuple[str, ...] = CONV_MAPS


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
        (row for row in rows if row["map"] in target.maps), target.families, target.place, dtype
    )
    return Verdict(target, found.mean if found else None)


# Tables.


def tables(rows: Sequence[Row]) -> list[RenderableType]:
    """Of all that was measured of single maps."""
    found: list[RenderableType] = [family_table(rows, column) for column in columns_of(rows)]
    found.append(target_table(rows))
    for column in ("plain", *(c for c in columns_of(rows) if c not in (*OPS, "pytorch"))):
        lost = slower(rows, column)
        title = (
            f"{plural(len(lost), 'map')} of {len(rows)} slower than {column}: the interval ends"
            f" below {SLOWER}"
        )
        found.append(slower_table(lost, column, title) if lost else title)
    return found


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Other than explicit, plain first."""
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


def family_table(rows: Sequence[Row], column: str) -> Table:
    table = Table(
        title=f"Time of {column} over that of explicit: geometric mean, least to most",
        title_justify="left",
    )
    table.add_column("family")
    kinds = [(place, dtype) for place in PLACES for dtype in dtypes_of(rows)]
    kinds = [
        kind
        for kind in kinds
        if any((r["place"], r["dtype"]) == kind and has(r, column) for r in rows)
    ]
    for place, dtype in kinds:
        table.add_column(f"{place}, {dtype}", justify="right")
    families = families_of(rows)
    lines: list[tuple[str, tuple[str, ...]]] = [(family, (family,)) for family in families]
    if len(set(families) & set(CONV_FAMILIES)) > 1:
        lines.append((CONVOLUTIONS, CONV_FAMILIES))
    for name, members in lines:
        spreads = [family_spread(rows, members, place, dtype, column) for place, dtype in kinds]
        if any(spreads):
            table.add_row(
                name,
                *(
                    f"{ratio(s.mean)} ({ratio(s.low)} to {ratio(s.high)})" if s else NONE
                    for s in spreads
                ),
            )
    return table


def target_table(rows: Sequence[Row]) -> Table:
    dtypes = dtypes_of(rows)
    table = Table(title="Targets: time of plain over that of explicit", title_justify="left")
    table.add_column("target")
    table.add_column("at least", justify="right")
    for dtype in dtypes:
        table.add_column(dtype, justify="right")
        table.add_column("met")
    for target in TARGETS:
        cells = []
        for dtype in dtypes:
            verdict = judge(target, rows, dtype)
            cells.append(NONE if verdict.got is None else ratio(verdict.got))
            cells.append({None: "not measured", True: "yes", False: "no"}[verdict.met])
        table.add_row(target.name, ratio(target.goal), *cells)
    return table


def slower_table(rows: Iterable[Row], column: str, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("case", "map", "place", "dtype"):
        table.add_column(heading)
    for heading in (f"{column}/explicit", "interval", column, "explicit"):
        table.add_column(heading, justify="right")
    for row in rows:
        r = row["ratios"][f"{column}/explicit"]
        times = (seconds(row["columns"][name]["median"]) for name in (column, "explicit"))
        table.add_row(
            *(row[key] for key in ("case", "map", "place", "dtype")),
            ratio(r["median"]),
            f"{ratio(r['low'])} to {ratio(r['high'])}",
            *times,
        )
    return table


def growth_table(rows: Sequence[Row]) -> Table:
    """The exponent with which the time grows, from the smallest size to the largest,
    and the ratio at both ends."""
    table = Table(title="Growth of forward and both gradients, float32", title_justify="left")
    for heading in ("convolution", "axis"):
        table.add_column(heading)
    for heading in (
        "from",
        "to",
        "exponent of explicit",
        "of plain",
        "plain/explicit, first",
        "last",
    ):
        table.add_column(heading, justify="right")
    for kind, axis in dict.fromkeys((row["kind"], row["axis"]) for row in rows):
        line = sorted(
            (row for row in rows if (row["kind"], row["axis"]) == (kind, axis)),
            key=lambda row: row[axis],
        )
        first, last = line[0], line[-1]
        exponents = []
        for column in ("explicit", "plain"):
            grown = last["columns"][column]["median"] / first["columns"][column]["median"]
            exponents.append(
                f"{math.log(grown) / math.log(last[axis] / first[axis]):.2f}"
                if last[axis] > first[axis]
                else NONE
            )
        ends = (ratio(row["ratios"]["plain/explicit"]["median"]) for row in (first, last))
        table.add_row(kind, axis, str(first[axis]), str(last[axis]), *exponents, *ends)
    return table


def print_maps(rows: Sequence[Row], console: Console) -> None:
    for table in tables(rows):
        console.print(table)
    wrong = [disagreement(row, column) for row in rows for column in row["disagrees"]]
    verb = "disagrees" if len(wrong) == 1 else "disagree"
    console.print(
        f"{plural(len(wrong), 'column')} of these maps {verb} with plain JAX in float32"
        if wrong
        else "all columns agree"
    )
    for line in wrong:
        console.print(f"  {line}", markup=False, highlight=False)
