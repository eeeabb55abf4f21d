"""The page of tables: the one in the repository is what the program writes from the
stored reports, and the short table goes into a README."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments import markdown
from experiments.benchmark import page, short_table, show
from experiments.benchmark.program import command_line
from experiments.benchmark.reports import load_reports
from jaxcnn.programs.readable import NONE

STORED = Path(__file__).parents[2] / "experiments" / "results" / "benchmark"


@pytest.fixture(scope="module")
def reports():
    return load_reports(STORED)


@pytest.fixture(scope="module")
def short(reports):
    return short_table.short_table(reports)


def test_the_stored_page_is_what_the_program_writes(reports):
    """Run --summarise on the folder if this fails, and commit the page."""
    printed = {part: show.tables_of(part, report) for part, report in reports.items()}
    written = (STORED / "README.md").read_text(encoding="utf-8")
    assert page.page(reports, printed) == written
    for name in ("operations.png", "peak.png", "growth.png", "steps.png"):
        assert f"({name})" in written
        assert (STORED / name).is_file()


def test_the_short_table(short):
    """By hand, from the printed tables."""
    rows = short.splitlines()
    assert rows[0] == "| time / ours | plain JAX | plain JAX, in a `scan` | PyTorch |"
    assert rows[2] == "| dense convolutions | 1.2 | 4.8 | 1.0 |"
    assert rows[5] == "| depthwise convolutions | 28 | 21 | 1.0 |"
    assert rows[9] == "| MobileNet training step, 64 images of 32x32x3 | 12 | 146 | 1.0 |"
    assert len([row for row in rows if row.startswith("|")]) == 2 + 8
    for words in ("2 cores", "jax 0.10.2", "PyTorch 2.13.0", "2026-11-25", "in jaxcnn 0.2.0."):
        assert words in rows[-1]


def test_parts_that_are_missing_are_left_out(reports):
    assert short_table.short_table({"growth": reports["growth"]}) is None
    steps = short_table.short_table({"steps": reports["steps"]})
    assert "LeNet" in steps
    assert "dense" not in steps
    row = reports["steps"]["rows"][0]
    found = short_table.step_rows([{**row, "ratios": {"plain/explicit": {"median": 2.04}}}])
    assert found == [["LeNet training step, 128 images of 28x28x1", "2.0", NONE, NONE]]


@pytest.mark.parametrize(
    ("version", "older"),
    [(None, True), ("0.1.0", True), ("0.2.0.dev1", False), ("0.2.0", False), ("1.0", False)],
)
def test_a_report_of_an_older_version_says_so(reports, version, older):
    described = {**reports["growth"]["environment"], "jaxcnn": version}
    assert ("were measured before the methods" in page.measured(described)) == older
    assert ("Measured before the methods" in short_table.conditions([described])) == older
    assert (f"versions: jaxcnn {version}, jax" in page.measured(described)) == (version is not None)


# Into a README.


@pytest.mark.slow
def test_the_short_table_goes_into_a_readme(short, tmp_path, capsys):
    folder, readme = tmp_path / "stored", tmp_path / "README.md"
    folder.mkdir()
    for name in ("operations.json", "steps.json"):
        shutil.copy(STORED / name, folder)
    readme.write_text("# Mine\n\n<!-- speed -->\nold\n<!-- /speed -->\n\nThe rest.\n")
    assert command_line(["--summarise", str(folder), "--readme", str(readme)]) == 0
    whole = f"# Mine\n\n<!-- speed -->\n{short}\n<!-- /speed -->\n\nThe rest.\n"
    assert readme.read_text() == whole
    written = (folder / "README.md").read_text()
    assert f"## In short\n\n{markdown.marked('speed', short)}\n" in written
    assert "Time of plain over that of explicit" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no marks", "<!-- speed --> and <!-- /speed --> must be there once each"),
        ("<!-- /speed --><!-- speed -->", "in this order"),
        ("<!-- speed --><!-- speed --><!-- /speed -->", "once each"),
        (None, "No such file"),
    ],
)
def test_a_readme_that_cannot_take_it_is_status_2(text, words, tmp_path, capsys):
    shutil.copy(STORED / "steps.json", tmp_path)
    readme = tmp_path / "mine.md"
    if text is not None:
        readme.write_text(text)
    assert command_line(["--summarise", str(tmp_path), "--readme", str(readme)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"benchmark: --readme {readme} cannot take the table: ")
    assert words in error
    assert text is None or readme.read_text() == text


def test_a_readme_without_a_table_for_it_is_status_2(tmp_path, capsys):
    shutil.copy(STORED / "growth.json", tmp_path)
    assert command_line(["--summarise", str(tmp_path), "--readme", "README.md"]) == 2
    assert "--readme needs operations or steps" in capsys.readouterr().err
    assert command_line(["--readme", "README.md"]) == 2
    assert "--readme goes with --summarise" in capsys.readouterr().err
