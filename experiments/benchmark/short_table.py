"""The short table of speed, which stands in the README of the repository too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from experiments import markdown
from experiments.benchmark.cases import CONV_FAMILIES
from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.means import family_spread
from experiments.benchmark.networks import NETWORKS
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.readable import NONE

Row = dict[str, Any]
Report = Mapping[str, Any]

HEADINGS = ("time / ours", "plain JAX", "plain JAX, in a `scan`", "PyTorch")
METHODS_CHANGED_IN = (0, 2, 0)
"""The version of jaxcnn in which the choice among methods of convolutions last
changed."""

FAMILIES = {
    "dense convolutions": ("dense",),
    "1x1 convolutions": ("1x1",),
    "grouped convolutions": ("grouped",),
    "depthwise convolutions": ("depthwise",),
    "all convolutions": CONV_FAMILIES,
}


def short_table(reports: Mapping[str, Report]) -> str | None:
    """Geometric means of a few families, whole training steps, and a sentence that says
    where they were measured. None where nothing was measured that belongs there."""
    rows = family_rows(reports["operations"]["rows"]) if "operations" in reports else []
    rows += step_rows(reports["steps"]["rows"]) if "steps" in reports else []
    if not rows:
        return None
    environments = [
        reports[part]["environment"] for part in ("operations", "steps") if part in reports
    ]
    return f"{markdown.table(HEADINGS, rows)}\n\n{conditions(environments)}"


def family_rows(rows: Sequence[Row]) -> list[list[str]]:
    found = []
    for title, members in FAMILIES.items():
        spreads = [
            family_spread(rows, members, place, "float32", column)
            for place, column in (("top level", "plain"), ("scan", "plain"), ("top level", PYTORCH))
        ]
        if any(spreads):
            found.append([title, *(short(spread.mean) if spread else NONE for spread in spreads)])
    return found


def step_rows(rows: Sequence[Row]) -> list[list[str]]:
    """Whole training steps on one device."""
    found = []
    for network in NETWORKS:
        there = {
            row["mode"]: row for row in rows if (row["network"], row["devices"]) == (network, 1)
        }
        if "one by one" in there:
            one = there["one by one"]
            several = there.get("in a scan", {"ratios": {}})
            title = (
                f"{NETWORKS[network].title} training step,"
                f" {plural(one['batch'], 'image')} of {times(one['image'])}"
            )
            cells = (one, "plain"), (several, "plain"), (one, PYTORCH)
            found.append([title, *(median(row, column) for row, column in cells)])
    return found


def median(row: Mapping[str, Any], column: str) -> str:
    ratio = row["ratios"].get(f"{column}/explicit")
    return NONE if ratio is None else short(ratio["median"])


def short(ratio: float) -> str:
    """0.9, 3.2, 12."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def conditions(environments: Sequence[Mapping[str, Any]]) -> str:
    """One sentence on machine, versions and date."""
    first = environments[0]
    dates = sorted({environment["date"] for environment in environments})
    torch = f", PyTorch {first['torch']}" if first.get("torch") else ""
    cores = plural(first["cores"], "core")
    changed = ".".join(map(str, METHODS_CHANGED_IN))
    before = (
        f" Measured before the methods of convolutions last changed, in jaxcnn {changed}."
        if any(map(predates_methods, environments))
        else ""
    )
    return (
        "Time over jaxcnn's, float32: geometric means over forward and gradients, and medians of"
        f" whole training steps on one device. {first['device'].upper()}, {cores}, jax"
        f" {first['jax']}{torch}, {' and '.join(dates)}.{before}"
    )


def predates_methods(environment: Mapping[str, Any]) -> bool:
    """Whether a report is of an older jaxcnn than `METHODS_CHANGED_IN`. The oldest
    reports have no version."""
    numbers = re.findall(r"\d+", environment.get("jaxcnn") or "0")
    return tuple(map(int, numbers[:3])) < METHODS_CHANGED_IN
