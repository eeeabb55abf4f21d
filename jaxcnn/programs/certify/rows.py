"""Rows of the report: one for each case that was judged, as plain data."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
"""What `judging.judge` returns."""
Check = dict[str, Any]
"""One of a row's "checks": the fields of `jaxcnn.check.Check`."""


def name(row: Row) -> str:
    """The case of a row: "conv 2d float32"."""
    return f"{row['operation']} {row['case']} {row['dtype']}"


def why(row: Row) -> str:
    """What went wrong first in a row that did not pass, in one line."""
    if row["error"]:
        return row["error"].splitlines()[0]
    worst = next(check for check in row["checks"] if not check["passed"])
    return f"{worst['name']} of {worst['of']}: {worst['diagnosis'] or worst['detail']}"


def comparable(row: Row) -> bool:
    """Whether both functions gave values and gradients, of one structure: then they can
    be timed."""
    return row["error"] is None and all(
        check["passed"] for check in row["checks"] if check["name"] == "structure"
    )
