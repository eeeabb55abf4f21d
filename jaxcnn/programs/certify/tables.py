"""The tables that the program prints: all cases by operation and dtype, or a network
parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.table import Table

from jaxcnn.programs.certify.rows import Row
from jaxcnn.programs.messages import times
from jaxcnn.programs.readable import NONE


def cases_table(rows: Sequence[Row]) -> Table:
    """One line for each operation and dtype."""
    found = _table(
        "Gradients, explicit against autodiff",
        ("operation", "dtype"),
        ("cases", "checks", "failed", "worst error", "autodiff's", "time ratio"),
    )
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["operation"], row["dtype"]), []).append(row)
    for (operation, dtype), members in groups.items():
        checks = [check for row in members for check in row["checks"]]
        failed = sum(not check["passed"] for check in checks) + sum(
            row["error"] is not None for row in members
        )
        # "accuracy" has the errors of exact gradients; of those that differ on purpose,
        # "bias" tells how far. In float64 autodiff has no error.
        errors = [check["error"] for check in checks if check["name"] in ("accuracy", "bias")]
        others = [check["autodiff_error"] for check in checks if check["name"] == "accuracy"]
        ratios = [row["time"]["ratio"]["median"] for row in members if row["time"]]
        ratios = [ratio for ratio in ratios if 0 < ratio < math.inf]
        found.add_row(
            operation,
            dtype,
            str(len(members)),
            str(len(checks)),
            f"[red]{failed}[/]" if failed else "0",
            _worst(errors),
            _worst([error for error in others if error is not None]),
            f"{np.exp(np.mean(np.log(ratios))):.2f}" if ratios else "",
        )
    return found


def network_table(model: dict[str, Any]) -> Table:
    """One line for each parameter, then one for each layer that is not compared."""
    found = _table(
        f"Gradients of {model['name']} against float64, {model['data']}",
        ("parameter", "shape"),
        ("explicit error", "autodiff's", "explicit in float64"),
    )
    for g in model["gradients"]:
        errors = (
            f"{g[name]:.1e}" for name in ("explicit_error", "autodiff_error", "explicit64_error")
        )
        found.add_row(g["path"], times(g["shape"]), *errors)
    for layer in model["not_compared"]:
        found.add_row(layer["path"], NONE, "not compared", NONE, NONE)
    return found


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    found = Table(title=title, title_justify="left")
    for heading in words:
        found.add_column(heading)
    for heading in numbers:
        found.add_column(heading, justify="right")
    return found


def _worst(errors: Sequence[float]) -> str:
    """The largest error, where NaN is worse than infinity; a dash if there is none,
    such as when a function raised."""
    worst = max(errors, key=lambda error: (math.isnan(error), error), default=None)
    return NONE if worst is None else f"{worst:.1e}"
