"""The table of trust: counts and errors of the stored report, and the files that it is
written into."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from experiments import markdown
from experiments.trust import command_line, line, load, trust
from jaxcnn.programs.readable import SPACE

RESULTS = Path(__file__).parents[2] / "experiments" / "results"
REPORT = RESULTS / "certify.json.gz"


def check(of="x", error=1e-8, autodiff_error=2e-8, name="accuracy", passed=True):
    return {"name": name, "of": of, "error": error, "autodiff_error": autodiff_error} | {
        "passed": passed
    }


def case(*checks, dtype="float32", kind="table", autodiff_wrong=()):
    return {"dtype": dtype, "kind": kind, "checks": checks, "autodiff_wrong": autodiff_wrong}


def test_a_line():
    """Median and worst of gradients, not of values; equal errors are as accurate."""
    rows = [
        case(check("value", 1.0, 1.0), check("x", 1e-8, 2e-8), check("w", 2e-8, 2e-8)),
        case(check("x", 6e-8, 3e-8), check("x", 9.0, 9.0, name="integers")),
    ]
    errors = "2.0e-08, 6.0e-08", "2.0e-08, 3.0e-08"
    assert line("float32", rows) == ["float32", "3", *errors, f"67{SPACE}%"]
    rows[0]["autodiff_wrong"] = [{"of": "x"}]
    assert line("float32", rows)[3] == "2.0e-08, **3.0e-08**"
    double = [case(check(error=0.0, autodiff_error=None), dtype="float64")]
    assert line("float64", double) == ["float64", "1", "0, 0", "the reference", ""]


def test_counts():
    rows = [case(check(), check(passed=False)), case(check(), kind="random")]
    told = trust(rows)
    assert told.startswith("2 cases (1 picked by hand, 1 drawn at random): **3 checks, 1 failed**.")


def test_the_stored_report():
    told = trust(load(REPORT))
    assert "679 cases" in told
    assert "**14,346 checks, none failed**" in told
    assert "| float32 | 385 | 4.3e-08, 2.8e-06 | 4.3e-08, **7.7e+20** | 88 % |" in told


def test_the_stored_page_is_what_the_program_writes():
    """Run the program on the page if this fails, and commit the page."""
    page = (RESULTS / "gradients.md").read_text(encoding="utf-8")
    assert markdown.between_marks(page, "trust", trust(load(REPORT))) == page


def test_it_is_printed_and_written(tmp_path, capsys):
    page, report = tmp_path / "page.md", tmp_path / "report.json.gz"
    report.write_bytes(gzip.compress(json.dumps({"rows": [case(check(), check())]}).encode()))
    page.write_text("a\n<!-- trust --><!-- /trust -->\nb\n")
    assert command_line([str(page), "--report", str(report)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("1 case (1 picked by hand): **2 checks, none failed**.")
    assert page.read_text() == f"a\n<!-- trust -->\n{printed}<!-- /trust -->\nb\n"


@pytest.mark.parametrize(
    "content",
    [b"nothing", gzip.compress(b"[]"), gzip.compress(b"{"), None],
    ids=["not packed", "a list", "not JSON", "missing"],
)
def test_a_report_that_is_none_is_status_2(content, tmp_path, capsys):
    report = tmp_path / "report.json.gz"
    if content is not None:
        report.write_bytes(content)
    assert command_line(["--report", str(report)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"trust: --report {report} is no report of jaxcnn certify: ")
    assert error.count("\n") == 1


def test_a_page_without_marks_is_status_2(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    assert command_line([str(page), "--report", str(REPORT)]) == 2
    assert f"the file {page} cannot take the table" in capsys.readouterr().err
