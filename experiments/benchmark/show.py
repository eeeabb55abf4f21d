"""All that a folder of reports tells: tables in the terminal, charts, and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.benchmark import charts
from experiments.benchmark.accuracy import accuracy_table
from experiments.benchmark.page import page
from experiments.benchmark.reports import Report
from experiments.benchmark.step_charts import draw_steps
from experiments.benchmark.step_tables import step_tables
from experiments.benchmark.tables import growth_table, operation_tables
from jaxcnn.stored.files import write_whole


def show(reports: Mapping[str, Report], folder: Path, console: Console) -> None:
    """Print the tables; write the charts and README.md into the folder."""
    reports = {part: report for part, report in reports.items() if report["rows"]}
    printed = {part: tables_of(part, report) for part, report in reports.items()}
    for entry in (entry for entries in printed.values() for entry in entries):
        if isinstance(entry, Table):
            console.print(entry)
        else:
            console.print(entry, markup=False, highlight=False)
    for part, report in reports.items():
        draw(part, report, folder)
    text = page(reports, printed)
    write_whole(folder / "README.md", lambda partial: partial.write_text(text, encoding="utf-8"))


def tables_of(part: str, report: Report) -> list[Table | str]:
    """What is printed of a part: tables, and lines of text."""
    rows = report["rows"]
    if part == "operations":
        return operation_tables(rows)
    if part == "accuracy":
        return [accuracy_table(rows)]
    if part == "growth":
        return [growth_table(rows)]
    return [*step_tables(_with_memory(report))]


def draw(part: str, report: Report, folder: Path) -> None:
    """The charts of a part."""
    rows, environment = report["rows"], report["environment"]
    where = f"{environment['device']} with {environment['cores']} cores, jax {environment['jax']}"
    if part == "operations":
        charts.draw_operations(rows, f"Operations by jaxcnn, {where}", folder / "operations.png")
        charts.draw_peak(rows, f"Convolutions by jaxcnn, {where}", folder / "peak.png")
    if part == "growth":
        charts.draw_growth(
            rows, f"Forward and both gradients, float32, {where}", folder / "growth.png"
        )
    if part == "steps":
        draw_steps(_with_memory(report), folder / "steps.png")


def _with_memory(report: Report) -> dict[str, list]:
    return {"steps": report["rows"], "memory": report.get("memory", [])}
