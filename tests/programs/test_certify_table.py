"""The printed table, of rows made by hand: the worst error of each operation and
dtype."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from certify_helpers import Run, named_row
from rich.console import Console

from jaxcnn.programs.certify.tables import cases_table
from jaxcnn.programs.readable import NONE


def judged_row(dtype: str, *checks: tuple[Any, ...], **changes: Any) -> dict[str, Any]:
    """A row with checks (name, of, error, error of autodiff)."""
    keys = ("name", "of", "error", "autodiff_error")
    more = {
        "tolerance": 1e-6,
        "data": "",
        "detail": "off",
        "diagnosis": "",
        "ulps": None,
        "autodiff_ulps": None,
    }
    made = [
        {**dict(zip(keys, check, strict=True)), **more, "passed": check[2] < 1e-6}
        for check in checks
    ]
    return named_row("conv", "2d", dtype, "table", description="x (3,)", checks=made, **changes)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [judged_row("float64", ("accuracy", "x", 1.2, None))],
            ["1", "1.2e+00", NONE],
            id="float64",
        ),
        pytest.param(
            [
                judged_row(
                    "float64", ("accuracy", "value", 0.0, None), ("accuracy", "x", 3e-16, None)
                )
            ],
            ["0", "3.0e-16", NONE],
            id="right in float64",
        ),
        *(
            pytest.param(
                [judged_row(dtype, ("accuracy", "x", 2e-8, 3e-8), ("accuracy", "w", 0.5, 1e-8))],
                ["1", "5.0e-01", "3.0e-08"],
                id=dtype,
            )
            for dtype in ("float32", "bfloat16", "float16")
        ),
        pytest.param(
            [
                judged_row("float64", error="ValueError: no", passed=False),
                judged_row("float64", ("accuracy", "x", 1e-15, None)),
            ],
            ["1", "1.0e-15", NONE],
            id="one raised",
        ),
        pytest.param(
            [judged_row("float32", error="ValueError: no", passed=False)],
            ["1", NONE, NONE],
            id="all raised",
        ),
        pytest.param(
            [judged_row("float32", ("structure", "value", float("inf"), None))],
            ["1", NONE, NONE],
            id="another shape",
        ),
        pytest.param(
            [
                judged_row(
                    "float64",
                    *(
                        ("accuracy", of, e, None)
                        for of, e in (("x", 1.0), ("w", float("nan")), ("b", 2.0))
                    ),
                )
            ],
            ["3", "nan", NONE],
            id="NaN",
        ),
        pytest.param(
            [judged_row("float32", ("accuracy", "x", float("inf"), float("inf")))],
            ["1", "inf", "inf"],
            id="infinite",
        ),
        pytest.param(
            [judged_row("float32", ("accuracy", "value", 0.0, 0.0), ("bias", "x", 0.43, None))],
            ["1", "4.3e-01", "0.0e+00"],
            id="biased",
        ),
    ],
)
def test_the_table_has_the_worst_error_in_every_dtype_and_case(rows, expected):
    out = io.StringIO()
    Console(file=out, width=140).print(cases_table(rows))
    (cells,) = Run(0, out.getvalue(), "", Path()).table
    assert cells[4:7] == expected
