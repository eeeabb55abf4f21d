"""The tables of training steps, as the program prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from experiments.benchmark.columns import OPS, PYTORCH
from experiments.benchmark.networks import NETWORKS
from experiments.benchmark.step_targets import Result, Row, Verdict, interval, verdicts
from jaxcnn.programs.readable import NONE, TIMES, size


def step_tables(result: Result) -> list[Table]:
    """Time, memory where it was measured, and targets."""
    tables = [_time_table(result["steps"])] if result["steps"] else []
    if result["memory"]:
        tables.append(_memory_table(result["memory"]))
    return [*tables, target_table(verdicts(result))]


def target_table(judged: Iterable[Verdict]) -> Table:
    table = Table(title="Targets of training steps", title_justify="left")
    for heading in ("of", "target", "got", "met"):
        table.add_column(heading)
    for verdict in judged:
        met = "[green]yes[/]" if verdict.met else "[red]no[/]"
        table.add_row(verdict.subject, verdict.target, verdict.got, met)
    return table


def _time_table(rows: Sequence[Row]) -> Table:
    """Milliseconds per step, ratios to explicit with their intervals, and seconds to
    compile."""
    columns = columns_of(rows)
    bases = [column for column in columns if column != "explicit"]
    table = Table(
        title="Milliseconds per step; times as long as explicit; cores busy; seconds to compile",
        title_justify="left",
    )
    table.add_column("network, mode, devices")
    for heading in (
        *columns,
        *(f"{base} / explicit" for base in bases),
        "busy",
        "compile, / plain's",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        times = (
            f"{row['columns'][column]['ms']:.1f}" if column in row["columns"] else NONE
            for column in columns
        )
        ratios = (row["ratios"].get(f"{base}/explicit") for base in bases)
        explicit = row["columns"]["explicit"]
        table.add_row(
            f"{NETWORKS[row['network']].title}, {row['mode']}, {row['devices']}",
            *times,
            *(interval(found) if found else NONE for found in ratios),
            f"{explicit['utilisation']:.1f}",
            f"{explicit['compile_seconds']:.1f}, {row['compile_ratio']:.2f}{TIMES}",
        )
    return table


def _memory_table(rows: Sequence[Row]) -> Table:
    """What a process had at most while it trained, above what it had before; XLA's own
    figure in brackets."""
    columns = columns_of(rows)
    table = Table(
        title="Peak memory of the steps, one device (in brackets: temporary, by XLA's own account)",
        title_justify="left",
    )
    table.add_column("network, mode")
    for heading in (*columns, "explicit / plain"):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = []
        for column in columns:
            found = row["columns"].get(column)
            own = (
                ""
                if found is None or found["temp_bytes"] is None
                else f" ({size(found['temp_bytes'])})"
            )
            cells.append(NONE if found is None else f"{size(found['steps_bytes'])}{own}")
        table.add_row(
            f"{NETWORKS[row['network']].title}, {row['mode']}", *cells, f"{row['ratio']:.2f}{TIMES}"
        )
    return table


def columns_of(rows: Sequence[Row]) -> list[str]:
    """All columns that were measured, in order."""
    return [column for column in (*OPS, PYTORCH) if any(column in row["columns"] for row in rows)]
