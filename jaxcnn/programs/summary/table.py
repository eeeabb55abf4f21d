"""A summary as a table for the console, with notes below it."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from jaxcnn.ops.convolution.methods.rules import Choice
from jaxcnn.programs.messages import times
from jaxcnn.programs.summary.rows import BATCH, Row, Summary


def fitting_table(title: str, rows: Sequence[Row], console: Console) -> Table:
    """A line for each row, and the totals. Where the lines would be wider than the
    console, the methods of a convolution are below one another."""
    found = _table(title, rows, "/")
    unlimited = console.options.update(max_width=10_000)
    fits = Measurement.get(console, unlimited, found).maximum <= console.width
    return found if fits else _table(title, rows, "/\n")


def _table(title: str, rows: Sequence[Row], between: str) -> Table:
    found = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_footer=True, padding=0)
    totals = {
        "param-\neters": sum(row.parameters for row in rows),
        "multiply-\nadds": sum(row.multiply_adds for row in rows),
    }
    found.add_column("layer", "total", overflow="fold")
    found.add_column("output", no_wrap=True)
    for name, total in totals.items():
        found.add_column(name, f"{total:,}", justify="right", no_wrap=True)
    found.add_column("recep.\nfield", justify="right", no_wrap=True)
    found.add_column("its\nstride", justify="right", no_wrap=True)
    found.add_column("method", no_wrap=True)
    for row in rows:
        field = row.field
        neighbours = set(field.output_size) != {1}
        found.add_row(
            row.path,
            times(row.shape),
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            _per_axis(field.size) + ("" if field.aligned else "*"),
            _per_axis(field.stride) if neighbours else "",
            "" if row.choices is None else between.join(_names(row.choices)),
        )
    return found


def notes(summary: Summary) -> list[str]:
    """What the table does not say, in sentences."""
    lines = []
    if summary.state_size:
        lines.append(
            f"State, such as running statistics, which no optimizer changes: {summary.state_size:,}"
            " values."
        )
    if not all(row.field.aligned for row in summary.rows):
        lines.append("* Branches met whose outputs see the image around different centres.")
    reasons = dict.fromkeys(
        (c.name, c.reason) for row in summary.rows if row.choices for c in row.choices.values()
    )
    if reasons:
        lines.append(
            f"Methods compute forward/input gradient/kernel gradient of {BATCH} images on"
            f" {jax.default_backend()}:"
        )
    lines += [f"  {name}: {reason}." for name, reason in reasons]
    return lines


def _per_axis(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else times(values)


def _names(choices: dict[str, Choice]) -> list[str]:
    """One name if one method computes all maps, else one for each map."""
    names = [choice.name for choice in choices.values()]
    return names[:1] if len(set(names)) == 1 else names
