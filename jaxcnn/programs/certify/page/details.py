"""The details of one case on the page: its checks line by line, its costs, its
programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from jaxcnn.programs.certify.page.accuracy import accuracy
from jaxcnn.programs.certify.page.words import COSTS
from jaxcnn.programs.certify.rows import Check, Row
from jaxcnn.programs.readable import flops, number, seconds, size, ulps


class Line(NamedTuple):
    """A check in words, or several that passed alike."""

    name: str
    passed: bool
    cells: list[str]
    """Of what, error, allowed error; and, where the check has them, its ulps and
    autodiff's error and ulps."""
    detail: str
    diagnosis: str


def lines(checks: Iterable[Check]) -> list[Line]:
    """One line for each check. Checks of one name share a line if they passed with
    nothing more to say."""

    def alike(check: Check) -> object:
        alone = (
            not check["passed"]
            or check["name"] == "accuracy"
            or check["detail"]
            or check["diagnosis"]
        )
        return id(check) if alone else (check["name"], check["data"], check["tolerance"])

    lines = []
    for _, group in groupby(checks, alike):
        found = list(group)

        def column(
            key: str, words: Callable[[float | None], str], found: list[Check] = found
        ) -> str:
            several = [words(check[key]) for check in found]
            return several[0] if len(set(several)) == 1 else ", ".join(several)

        first = found[0]
        allowed = "any" if first["tolerance"] == math.inf else number(first["tolerance"])
        cells = [", ".join(check["of"] for check in found), column("error", number), allowed]
        if any(
            check[key] is not None
            for check in found
            for key in ("ulps", "autodiff_error", "autodiff_ulps")
        ):
            cells += [
                column("ulps", ulps),
                column("autodiff_error", number),
                column("autodiff_ulps", ulps),
            ]
        lines.append(
            Line(first["name"], first["passed"], cells, first["detail"], first["diagnosis"])
        )
    return lines


def worst_errors(row: Row) -> tuple[float | None, float | None]:
    """The largest error of a gradient in "accuracy", explicit and autodiff's."""
    worst = accuracy("", "", [row])
    return worst.explicit.worst, worst.autodiff.worst


def costs(row: Row) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Lines (what, explicit, autodiff), and the names of what neither has any of."""
    lines = []
    if row["time"] is not None:
        ours, theirs = (row["time"][side] for side in ("explicit", "autodiff"))
        lines += [
            (f"time, {key}", seconds(ours[key]), seconds(theirs[key]))
            for key in ("median", "low", "high")
        ]
        lines.append(("cores busy", f"{ours['utilisation']:.1f}", f"{theirs['utilisation']:.1f}"))
    if row["costs"] is not None:
        ours, theirs = (row["costs"][side] for side in ("explicit", "autodiff"))
        words: dict[str, Callable[[Any], str]] = {"count": str, "size": size, "flops": flops}
        lines += [
            (label, words[unit](ours[key]), words[unit](theirs[key]))
            for key, (label, unit) in COSTS.items()
        ]
    absent = [what for what, ours, theirs in lines if ours == theirs == "0"]
    return [line for line in lines if line[0] not in absent], absent


def texts(row: Row) -> list[str]:
    """The row's programs: both jaxprs, both excerpts of what was compiled."""
    return [
        row["costs"][side][key] for key in ("jaxpr", "excerpt") for side in ("explicit", "autodiff")
    ]
