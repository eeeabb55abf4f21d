"""How much more an explicit gradient may cost than plain JAX's, and where it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxcnn.programs.readable import ratio, size

BYTES, MEMORY = 1.02, 1.05
"""The most that explicit may move, and take for a while, over plain JAX's."""
SMALL = 64 * 1024
"""Bytes of temporary memory that do not count: less than one array of a network."""
DATA_PARALLEL = {"all-reduce": 1}
"""The collectives of a step whose batch is split over chips."""


def exceeded(row: Mapping[str, Any]) -> list[str]:
    """Each limit that a row of `compared` exceeds, in words; none if all hold."""
    explicit, plain = row["explicit"], row["plain"]
    failed = [
        f"{side} does not compile: {row[side]['error']}"
        for side in ("explicit", "plain")
        if "error" in row[side]
    ]
    if failed:
        return failed
    found = []
    if explicit["bytes_moved"] > BYTES * plain["bytes_moved"]:
        more = ratio(explicit["bytes_moved"] / max(1, plain["bytes_moved"]))
        found.append(f"moves {more} the bytes")
    if explicit["temp_bytes"] > MEMORY * plain["temp_bytes"] + SMALL:
        more = size(explicit["temp_bytes"] - plain["temp_bytes"])
        found.append(f"takes {more} more of temporary memory, {_ratio(row, 'temp_bytes')}")
    if explicit["kernels"] > plain["kernels"]:
        found.append(f"runs {explicit['kernels']} kernels instead of {plain['kernels']}")
    if explicit["scatters"]:
        found.append(f"scatters {explicit['scatters']} times")
    if explicit["library"] != plain["library"]:
        found.append(f"calls {_calls(explicit)} instead of {_calls(plain)}")
    if row["chips"] > 1 and row["kind"] == "step" and explicit["collectives"] != DATA_PARALLEL:
        found.append(f"communicates by {explicit['collectives']} instead of one all-reduce")
    return found


def _ratio(row: Mapping[str, Any], name: str) -> str:
    return ratio(row["explicit"][name] / max(1, row["plain"][name]))


def _calls(side: Mapping[str, Any]) -> str:
    # As code: Markdown takes what stands between two dollars for an equation.
    return ", ".join(f"{count} `{name}`" for name, count in side["library"].items()) or "nothing"
