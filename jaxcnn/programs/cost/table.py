"""The table that the program prints: a line for each pair, plain JAX's figure and then
explicit's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from jaxcnn.programs.cost.limits import exceeded
from jaxcnn.programs.cost.platforms import PLATFORMS
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import NONE, ratio, size

ARROW = "\N{RIGHTWARDS ARROW}"


def costs_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `compared`, all of one platform."""
    chips = ", ".join(plural(n, "chip") for n in dict.fromkeys(row["chips"] for row in rows))
    title = PLATFORMS[rows[0]["platform"]].title
    found = Table(
        title=f"Compiled for {title}, {chips}: plain JAX {ARROW} explicit", title_justify="left"
    )
    found.add_column("pair")
    for heading in (
        *("kernels", "library calls", "scatters", "bytes moved", "temporary memory"),
        "collectives",
    ):
        found.add_column(heading, justify="right")
    found.add_column("limits")
    for row in rows:
        found.add_row(*(escape(cell) for cell in _cells(row)))
    return found


def _cells(row: Mapping[str, Any]) -> list[str]:
    explicit, plain = row["explicit"], row["plain"]
    verdict = "; ".join(exceeded(row)) or "met"
    if "error" in explicit or "error" in plain:
        return [row["pair"], *[NONE] * 6, verdict]

    def both(name: str) -> str:
        return f"{plain[name]} {ARROW} {explicit[name]}"

    def total(name: str) -> str:
        counts = [sum(side[name].values()) for side in (plain, explicit)]
        return f"{counts[0]} {ARROW} {counts[1]}" if any(counts) else NONE

    def sizes(name: str) -> str:
        text = f"{size(plain[name])} {ARROW} {size(explicit[name])}"
        return f"{text}, {ratio(explicit[name] / plain[name])}" if plain[name] else text

    return [
        row["pair"],
        both("kernels"),
        total("library"),
        both("scatters"),
        sizes("bytes_moved"),
        sizes("temp_bytes"),
        total("collectives"),
        verdict,
    ]
