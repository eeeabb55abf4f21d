"""README.md: its code runs as it is printed, its tables are those that the programs
write, and it stays short."""

from pathlib import Path

from experiments import markdown
from experiments.benchmark.reports import load_reports
from experiments.benchmark.short_table import short_table
from experiments.trust import load, trust
from tests.documents import run_code

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "experiments" / "results"
LINES, WORDS = 100, 720
"""At most so many, because whoever opens the repository reads all of it."""


def test_code(capsys):
    names = run_code(README)
    assert int(names["state"].step) == 300
    assert float(names["metrics"]["accuracy"]) > 0.85
    assert capsys.readouterr().out.startswith("accuracy ")


def test_tables_are_written_by_the_programs():
    """CONTRIBUTING.md has the two commands that write them."""
    text = README.read_text(encoding="utf-8")
    assert markdown.marked("speed", short_table(load_reports(RESULTS / "benchmark"))) in text
    assert markdown.marked("trust", trust(load(RESULTS / "certify.json.gz"))) in text


def test_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    assert len(text.split()) <= WORDS
