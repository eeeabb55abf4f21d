"""What the yardstick says: times by network, and whether the targets are met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.table import Table

from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.means import Spread, spread
from experiments.benchmark.networks import network_of
from experiments.benchmark.step_tables import target_table
from experiments.benchmark.step_targets import (
    COMPILE_RATIO,
    MEMORY_RATIO,
    SCAN_OVER_ONE_BY_ONE,
    Verdict,
)
from jaxcnn.programs.readable import NONE, TIMES, size

Row = dict[str, Any]

BASES = ("plain", "option", PYTORCH)
AGAINST_PLAIN = (4.0, 0.95)
AGAINST_PYTORCH = {"float32": (1.0, 0.85), "bfloat16": (0.9, 0.7)}
"""How many times as long as explicit: the least in the geometric mean, and of any
network."""
FLOAT32_OVER_BFLOAT16 = 0.95  # of explicit, the least of any network


def said(row: Row) -> str:
    """The times of a row as one line."""
    times = ", ".join(f"{column} {ms:.1f}" for column, ms in row["ms"].items())
    wrong = "".join(f"; {column} computes something else" for column in row["disagrees"])
    return f"{network_of(row['network']).title}, {row['dtype']}, ms: {times}{wrong}"


def tables(rows: Sequence[Row]) -> list[Table]:
    """For each kind of machine the times and the targets, from the last row of each
    network and dtype."""
    found = []
    for machine in dict.fromkeys(map(machine_of, rows)):
        latest = {(row["network"], row["dtype"]): row for row in rows if machine_of(row) == machine}
        measured = sorted(latest.values(), key=lambda row: row["dtype"], reverse=True)
        found += [time_table(measured, machine), target_table(verdicts(measured))]
    return found


def machine_of(row: Row) -> str:
    features = " ".join(row["features"]) or "no features known"
    return f"{row['cores']} cores, {row['machine']} with {features}, jax {row['jax']}"


def time_table(rows: Sequence[Row], machine: str) -> Table:
    table = Table(
        title=f"Milliseconds per step; times as long as explicit; seconds to compile ({machine})",
        title_justify="left",
    )
    table.add_column("network, dtype")
    headings = (
        *("plain", "option", "explicit", "pytorch"),
        *(f"{base} / explicit" for base in BASES),
        "alone: explicit, pytorch",
        "in a scan: plain, explicit",
        "compile, / plain's",
        "memory, / plain's",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            f"{network_of(row['network']).title}, {row['dtype']}",
            *(_ms(row["ms"].get(column)) for column in ("plain", "option", "explicit", PYTORCH)),
            *(
                NONE if _against(row, base) is None else f"{_against(row, base):.2f}"
                for base in BASES
            ),
            ", ".join(_ms(row["alone_ms"].get(column)) for column in ("explicit", PYTORCH)),
            f"{_ms(row['scan']['plain_ms'])}, {_ms(row['scan']['explicit_ms'])}",
            f"{row['compile_seconds']['explicit']:.1f}, {compile_ratio(row):.2f}{TIMES}",
            f"{size(row['memory_bytes']['explicit'])}, {memory_ratio(row):.2f}{TIMES}",
        )
    return table


def verdicts(rows: Sequence[Row]) -> Iterator[Verdict]:
    """Of every target that something was measured for."""
    for dtype, (mean, least) in AGAINST_PYTORCH.items():
        of_dtype = [row for row in rows if row["dtype"] == dtype]
        for base, goals in ((PYTORCH, (mean, least)), ("plain", AGAINST_PLAIN)):
            ratios = [found for row in of_dtype if (found := _against(row, base)) is not None]
            yield from _mean_and_worst(f"{dtype}: {base} / explicit", spread(ratios), *goals)
    yield from _least(
        "explicit: float32 / bfloat16", list(_both_dtypes(rows)), FLOAT32_OVER_BFLOAT16
    )
    for subject, ratio_of, most in (
        ("explicit in a scan / one by one", scan_ratio, SCAN_OVER_ONE_BY_ONE),
        ("compile time, explicit / plain", compile_ratio, COMPILE_RATIO),
        ("peak memory, explicit / plain", memory_ratio, MEMORY_RATIO),
    ):
        yield from _most(subject, rows, ratio_of, most)


def _mean_and_worst(
    subject: str, found: Spread | None, mean: float, least: float
) -> Iterator[Verdict]:
    if found:
        got = f"{found.mean:.2f}, {found.low:.2f} to {found.high:.2f}, n = {found.n}"
        met = found.mean >= mean and found.low >= least
        yield Verdict(subject, f"at least {mean:g} in the mean, {least:g} at worst", got, met)


def _least(subject: str, ratios: Sequence[float], least: float) -> Iterator[Verdict]:
    if ratios:
        yield Verdict(subject, f"at least {least:g}", f"{min(ratios):.2f}", min(ratios) >= least)


def _most(
    subject: str, rows: Sequence[Row], ratio_of: Callable[[Row], float], most: float
) -> Iterator[Verdict]:
    if rows:
        worst = max(rows, key=ratio_of)
        got = f"{ratio_of(worst):.2f}, {network_of(worst['network']).title}, {worst['dtype']}"
        yield Verdict(subject, f"at most {most:g}", got, round(ratio_of(worst), 2) <= most)


def _both_dtypes(rows: Sequence[Row]) -> Iterator[float]:
    """Explicit's time in float32 over that in bfloat16."""
    times = {(row["network"], row["dtype"]): row["ms"]["explicit"] for row in rows}
    for (network, dtype), ms in times.items():
        if dtype == "float32" and (network, "bfloat16") in times:
            yield ms / times[network, "bfloat16"]


def scan_ratio(row: Row) -> float:
    return row["scan"]["explicit_over_one_by_one"]["median"]


def compile_ratio(row: Row) -> float:
    return row["compile_seconds"]["explicit"] / row["compile_seconds"]["plain"]


def memory_ratio(row: Row) -> float:
    return row["memory_bytes"]["explicit"] / max(1, row["memory_bytes"]["plain"])


def _against(row: Row, base: str) -> float | None:
    found = row["ratios"].get(f"{base}/explicit")
    return found and found["median"]


def _ms(milliseconds: float | None) -> str:
    return NONE if milliseconds is None else f"{milliseconds:,.1f}"
