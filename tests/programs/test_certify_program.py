"""The program `jaxcnn certify` where everything is right: its exit status, what it
prints and what it writes."""

from __future__ import annotations

import json
import re

import jax
import pytest
from certify_helpers import Run, checks_of, run

from jaxcnn.programs.certify import program
from jaxcnn.programs.certify.cases import chosen
from jaxcnn.programs.certify.cases import drawn as drawn_cases
from jaxcnn.programs.certify.cases.case import simple
from jaxcnn.programs.certify.judging import IN_FLOAT64, IN_LOOPS
from jaxcnn.programs.certify.page.render import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def options() -> list[str]:
    """For a case from the table, in two dtypes, and one at random."""
    seed = next(
        seed for seed in range(200) if next(drawn_cases.random(seed, 1)).operation == "dense"
    )
    chosen = [
        "--operations",
        "relu",
        "dense",
        "--cases",
        "[2rt]*[d0y]",
        "--random",
        "1",
        "--seed",
        str(seed),
    ]
    return [*chosen, "--dtypes", "float32", "float64", "--repetitions", "1"]


@pytest.fixture(scope="module")
def small(tmp_path_factory, options) -> Run:
    """With a case of a real network's size that is tiny."""
    tiny = simple("relu", "tiny", (3, 5), kind="sized")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "sized", lambda: [tiny])
        return run(tmp_path_factory.mktemp("gradients") / "not" / "there yet", *options)


def test_all_passed(small):
    assert (small.status, small.err) == (0, "")
    assert sorted(path.name for path in small.folder.iterdir()) == ["report.html", "report.json"]
    assert "FAIL" not in small.out
    assert small.out.endswith(f"\nwritten to {small.folder / 'report.html'} and report.json\n")


def test_rows_are_in_the_order_of_the_cases(small):
    assert small.names == [
        ("relu", "2d", "float32"),
        ("relu", "2d", "float64"),
        ("dense", "random-0", "float32"),
        ("relu", "tiny", "float32"),
    ]
    assert [row["kind"] for row in small.report["rows"]] == ["table", "table", "random", "sized"]


def test_the_json_has_every_verdict_and_cost(small):
    report = small.report
    assert report.keys() == {"environment", "seconds", "rows", "model"}
    assert report["model"] is None
    assert report["environment"]["jax"] == jax.__version__
    command = "jaxcnn certify --operations relu dense --cases '[2rt]*[d0y]' --random 1 "
    assert report["environment"]["command"].startswith(command), "as a shell takes it"
    for row in report["rows"]:
        assert row.keys() == {
            *(
                "operation",
                "case",
                "dtype",
                "kind",
                "description",
                "passed",
                "error",
                "checks",
                "left_out",
                "not_compared",
                "autodiff_wrong",
            ),
            *("costs", "time", "seconds"),
        }
        assert row["passed"] is True
        assert row["error"] is None
        assert row["autodiff_wrong"] == []
        assert row["description"].startswith("x (")
        for check in row["checks"]:
            assert check.keys() >= {
                "name",
                "of",
                "passed",
                "error",
                "tolerance",
                "data",
                "detail",
                "diagnosis",
            }
            assert check.keys() >= {"ulps", "autodiff_error", "autodiff_ulps", "autodiff_detail"}
            assert check["passed"] is True
        assert row["costs"].keys() == {"explicit", "autodiff"}
        for side in row["costs"].values():
            assert side.keys() >= {
                "jaxpr",
                "excerpt",
                "residual_bytes",
                "temp_bytes",
                "flops",
                "dots",
            }
            assert "hlo" not in side
    dense = report["rows"][2]
    assert {check["of"] for check in dense["checks"] if check["name"] == "accuracy"} == {
        "value",
        "x",
        "w",
    }
    assert dense["costs"]["explicit"]["dots"] == dense["costs"]["autodiff"]["dots"] == 3


def test_each_kind_of_case_has_its_checks(small):
    """What is made in float64 is made once, in the row of the first dtype."""
    first, second, drawn, sized = small.report["rows"]
    assert {
        "integers",
        "accuracy",
        "adjoint",
        "differences",
        "second order",
        *IN_LOOPS,
    } <= checks_of(first)
    assert {"integers", "accuracy", *IN_LOOPS} <= checks_of(second)
    assert not checks_of(second) & {*IN_FLOAT64}
    assert second["left_out"]["differences"] == "skipped"
    assert {"integers", "linearity", "differences"} <= checks_of(drawn)
    assert not checks_of(drawn) & {*IN_LOOPS}
    assert checks_of(sized) == {"structure", "accuracy", "zeros", "repeats"}


def test_only_cases_of_a_real_size_are_timed(small):
    *others, sized = small.report["rows"]
    assert all(row["time"] is None for row in others)
    assert sized["time"].keys() == {"explicit", "autodiff", "ratio"}
    assert "timing: 1 of 1" in small.out


def test_the_page_has_the_counts_of_the_json(small):
    rows = small.report["rows"]
    count = sum(len(row["checks"]) for row in rows)
    assert count > 50
    assert f"Passed. All {count} checks on 4 cases of 2 operations; none failed." in small.page
    assert "Operations: relu, dense." in small.page
    for words in ("2 table (", "1 random (", "1 sized ("):
        assert words in small.page
    assert "geometric mean of 1 timed case" in small.page
    assert small.html.count('<details class="row"') == len(rows)
    for row in rows:
        assert f"{row['operation']} {row['case']}" in small.page
        assert row["description"] in small.page
    assert small.html == render(small.report)


def test_the_table_and_the_sentence_have_them_too(small):
    rows = small.report["rows"]
    groups = [("relu", "float32", (0, 3)), ("relu", "float64", (1,)), ("dense", "float32", (2,))]
    for cells, (operation, dtype, numbers) in zip(small.table, groups, strict=True):
        count = sum(len(rows[i]["checks"]) for i in numbers)
        assert cells[:5] == [operation, dtype, str(len(numbers)), str(count), "0"]
    ratio = rows[3]["time"]["ratio"]["median"]
    assert [cells[7] for cells in small.table] == [f"{ratio:.2f}", "", ""]
    worst = max(check["error"] for check in rows[2]["checks"] if check["name"] == "accuracy")
    assert small.table[2][5] == f"{worst:.1e}"
    count = sum(len(row["checks"]) for row in rows)
    assert re.search(rf"^{count} checks on 4 cases in \d+ s: all passed$", small.out, re.MULTILINE)
    for done in range(1, 5):
        assert f"judging: {done} of 4" in small.out


def test_two_processes_give_the_same_rows_in_the_same_order(small, options, tmp_path):
    both = run(tmp_path, *options, processes=2)
    assert both.status == 0
    rows, expected = (
        [{**row, "seconds": 0} for row in result.report["rows"]] for result in (both, small)
    )
    assert rows == expected[:3]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_page_that_cannot_be_made_leaves_nothing_half_written(
    earlier, small, tmp_path, monkeypatch
):
    def broken(report):
        raise RuntimeError("no page")

    monkeypatch.setattr(program, "make_report", lambda *_: small.report)
    monkeypatch.setattr(program, "render", broken)
    before = {"report.html": "an old page", "report.json": "its data"} if earlier else {}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RuntimeError, match="no page"):
        run(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_the_json_is_json_though_errors_are_infinite(tmp_path, small, monkeypatch):
    """RFC 8259 has neither NaN nor Infinity, and other programs refuse them."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    report = small.report
    report["rows"][0]["checks"][0].update(error=float("inf"), autodiff_error=float("nan"))
    monkeypatch.setattr(program, "make_report", lambda *_: report)
    run(tmp_path)
    json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
