"""What training steps should cost, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.networks import MODES, NETWORKS
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import TIMES

Row = Mapping[str, Any]
Result = Mapping[str, Sequence[Row]]
"""Rows of `steps.py` under "steps", and of `memory_processes.py` under "memory"."""

PLAIN_OVER_EXPLICIT = {"lenet": 2.0, "resnet20": 2.0, "mobilenet": 7.0}  # one by one, at least
SCAN_OVER_ONE_BY_ONE = 1.1  # of explicit, at most
NEVER_BELOW = 0.95  # the upper end of the interval of any column's time over explicit's
COMPILE_RATIO = 1.5  # explicit over plain, at most
MEMORY_RATIO = 1.0  # explicit over plain, at most


class Verdict(NamedTuple):
    """A stated target and what came of it."""

    subject: str
    target: str
    got: str
    met: bool


def verdicts(result: Result) -> list[Verdict]:
    """Of every target that something was measured for; those of a ratio are judged by
    its median, unless they say otherwise."""
    found: list[Verdict] = []
    for network in dict.fromkeys(row["network"] for rows in result.values() for row in rows):
        steps = [row for row in result["steps"] if row["network"] == network]
        memory = [row for row in result["memory"] if row["network"] == network]
        for judge in (_against_plain, _in_a_scan, _against_pytorch, _never_slower, _compile_time):
            found += judge(NETWORKS[network].title, steps)
        found += _memory(NETWORKS[network].title, memory)
    return found


def _against_plain(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        if row["mode"] == "one by one":
            found, target = row["ratios"]["plain/explicit"], PLAIN_OVER_EXPLICIT[row["network"]]
            subject = f"{title}, one by one, {plural(row['devices'], 'device')}: plain / explicit"
            yield Verdict(
                subject, f"at least {target:g}", interval(found), found["median"] >= target
            )


def _in_a_scan(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        if row["scan_ratio"] is not None:
            found = row["scan_ratio"]
            subject = (
                f"{title}, explicit, {plural(row['devices'], 'device')}: in a scan / one by one"
            )
            yield Verdict(
                subject,
                f"at most {SCAN_OVER_ONE_BY_ONE:g}",
                interval(found),
                found["median"] <= SCAN_OVER_ONE_BY_ONE,
            )


def _against_pytorch(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    """With the number of devices on which explicit is the faster, because PyTorch takes
    all cores by itself."""
    name = f"{PYTORCH}/explicit"
    for mode in MODES:
        measured = [row for row in rows if row["mode"] == mode and name in row["ratios"]]
        if measured:
            best = min(measured, key=lambda row: row["columns"]["explicit"]["ms"])
            found = best["ratios"][name]
            got = f"{interval(found)}, {plural(best['devices'], 'device')}"
            yield Verdict(
                f"{title}, {mode}: PyTorch / explicit", "at least 1", got, found["median"] >= 1
            )


def _never_slower(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for base in ("plain", "autodiff"):
        name = f"{base}/explicit"
        if rows:
            worst = min(rows, key=lambda row: row["ratios"][name]["high"])
            found = worst["ratios"][name]
            subject = f"{title}, everywhere: {base} / explicit, upper end"
            got = f"{interval(found)}, {_where(worst)}"
            yield Verdict(subject, f"at least {NEVER_BELOW:g}", got, found["high"] >= NEVER_BELOW)


def _compile_time(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    if rows:
        worst = max(rows, key=lambda row: row["compile_ratio"])
        found = worst["compile_ratio"]
        got = f"{found:.2f}{TIMES}, {_where(worst)}"
        yield Verdict(
            f"{title}, everywhere: compile time / plain's",
            f"at most {COMPILE_RATIO:g}",
            got,
            found <= COMPILE_RATIO,
        )


def _memory(title: str, rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        subject = f"{title}, {row['mode']}: peak memory / plain's"
        found = row["ratio"]
        met = round(found, 2) <= MEMORY_RATIO  # of pages, which are not counted to the last one
        yield Verdict(subject, f"at most {MEMORY_RATIO:g}", f"{found:.2f}{TIMES}", met)


def _where(row: Row) -> str:
    return f"{row['mode']}, {plural(row['devices'], 'device')}"


def interval(found: Row) -> str:
    """2.14× (2.02 to 2.31)."""
    return f"{found['median']:.2f}{TIMES} ({found['low']:.2f} to {found['high']:.2f})"
