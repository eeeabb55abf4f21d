"""What the page counts over all cases: verdicts, gradients that autodiff got wrong,
checks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jaxcnn.programs.certify.page.accuracy import badness
from jaxcnn.programs.certify.page.words import HOLDS, KINDS
from jaxcnn.programs.certify.rows import Check, Row, name
from jaxcnn.programs.readable import NONE


class Summary(NamedTuple):
    """What the head of the page says. A row that raised is "unjudged"; `wrong` counts
    what autodiff got wrong; a time ratio is autodiff's time over the explicit one's,
    the first one their geometric mean."""

    passed: bool
    operations: list[str]
    kinds: dict[str, int]
    checks: int
    failed_checks: int
    failed_rows: int
    unjudged_rows: int
    wrong_gradients: int
    wrong_rows: int
    timed: int
    faster: int
    time_ratio: float | None
    time_ratio_low: float
    time_ratio_high: float


class Wrong(NamedTuple):
    """A gradient that autodiff got wrong, in row number `row`; `passed` is what the
    checks say of the explicit one."""

    row: int
    name: str
    of: str
    detail: str
    autodiff_error: float | None
    explicit_error: float | None
    passed: bool


class Seen(NamedTuple):
    """All verdicts of one check: in words what it holds, on which data, how often."""

    name: str
    holds: str
    data: str
    checks: int
    rows: int
    failed: int


def summary(report: Mapping[str, Any]) -> Summary:
    """Counts over all rows and the network of a report."""
    rows = report["rows"]
    checks = [check for row in rows for check in row["checks"]]
    ratios = [row["time"]["ratio"]["median"] for row in rows if row["time"] is not None]
    ratios = [r for r in ratios if 0 < r < math.inf]
    kinds = [row["kind"] for row in rows]
    return Summary(
        passed=all(row["passed"] for row in rows)
        and (report["model"] is None or report["model"]["passed"]),
        operations=list(dict.fromkeys(row["operation"] for row in rows)),
        kinds={
            kind: kinds.count(kind) for kind in dict.fromkeys([*KINDS, *kinds]) if kind in kinds
        },
        checks=len(checks),
        failed_checks=sum(not check["passed"] for check in checks),
        failed_rows=sum(not row["passed"] for row in rows),
        unjudged_rows=sum(row["error"] is not None for row in rows),
        wrong_gradients=sum(len(row["autodiff_wrong"]) for row in rows),
        wrong_rows=sum(bool(row["autodiff_wrong"]) for row in rows),
        timed=len(ratios),
        faster=sum(r > 1 for r in ratios),
        time_ratio=math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None,
        time_ratio_low=min(ratios, default=math.nan),
        time_ratio_high=max(ratios, default=math.nan),
    )


def wrong_gradients(rows: Iterable[tuple[int, Row]]) -> Iterable[Wrong]:
    """What autodiff got wrong in numbered rows, with its largest error there."""
    for i, row in rows:
        for wrong in row["autodiff_wrong"]:
            checks = [check for check in row["checks"] if check["of"] == wrong["of"]]
            judged = [check for check in checks if check["autodiff_error"] is not None]
            worst = max(judged, key=lambda check: badness(check["autodiff_error"]), default=None)
            yield Wrong(
                i,
                name(row),
                wrong["of"],
                wrong["detail"],
                worst["autodiff_error"] if worst else None,
                worst["error"] if worst else None,
                all(check["passed"] for check in checks),
            )


def checks_seen(rows: Iterable[Row]) -> list[Seen]:
    """Each check that was made in some row, in the order of `HOLDS`."""
    checks: dict[str, list[tuple[int, Check]]] = {}
    for i, row in enumerate(rows):
        for check in row["checks"]:
            checks.setdefault(check["name"], []).append((i, check))
    order = [*HOLDS, *checks]
    return [
        Seen(
            check_name,
            HOLDS.get(check_name, ""),
            ", ".join(dict.fromkeys(check["data"] for _, check in found if check["data"])) or NONE,
            len(found),
            len({i for i, _ in found}),
            sum(not check["passed"] for _, check in found),
        )
        for check_name, found in sorted(checks.items(), key=lambda item: order.index(item[0]))
    ]
