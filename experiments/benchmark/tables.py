"""The tables of single passes and of growth, as the program prints them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table

from experiments.benchmark.case import PLACES
from experiments.benchmark.cases import CONV_FAMILIES
from experiments.benchmark.columns import OPS, PYTORCH
from experiments.benchmark.means import (
    CONVOLUTIONS,
    SLOWER,
    TARGETS,
    columns_of,
    dtypes_of,
    families_of,
    family_spread,
    has,
    judge,
    slower,
)
from experiments.benchmark.operations import disagreement
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import NONE, ratio, seconds

Row = dict[str, Any]


def operation_tables(rows: Sequence[Row]) -> list[Table | str]:
    """All that was measured of single passes: a table for each column, the targets, and
    where jaxcnn is the slower one."""
    found: list[Table | str] = [family_table(rows, column) for column in columns_of(rows)]
    found.append(target_table(rows))
    for column in ("plain", *(c for c in columns_of(rows) if c not in (*OPS, PYTORCH))):
        lost = slower(rows, column)
        verb = "is" if len(lost) == 1 else "are"
        title = (
            f"{len(lost)} of {len(rows)} passes {verb} slower than {column}: the interval ends"
            f" below {SLOWER}"
        )
        found.append(slower_table(lost, column, title) if lost else title)
    return [*found, *agreement(rows)]


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
    for heading in ("case", "pass", "place", "dtype"):
        table.add_column(heading)
    for heading in (f"{column}/explicit", "interval", column, "explicit"):
        table.add_column(heading, justify="right")
    for row in rows:
        r = row["ratios"][f"{column}/explicit"]
        times = (seconds(row["columns"][name]["median"]) for name in (column, "explicit"))
        table.add_row(
            *(row[key] for key in ("case", "pass", "place", "dtype")),
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


def agreement(rows: Sequence[Row]) -> list[str]:
    """A line that says whether all columns agree, and one for each that does not."""
    wrong = [disagreement(row, column) for row in rows for column in row["disagrees"]]
    if not wrong:
        return ["all columns agree"]
    verb = "disagrees" if len(wrong) == 1 else "disagree"
    return [
        f"{plural(len(wrong), 'column')} of these passes {verb} with plain JAX in float32",
        *(f"  {line}" for line in wrong),
    ]
