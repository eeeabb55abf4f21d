"""All tables of a folder as one page, README.md.

The page has what the program prints, with the conditions of each part: the command, the
machine, versions and date. It is made from the stored reports alone, so it can be made
again at any time, and nobody copies a number by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from experiments import markdown
from experiments.benchmark.short_table import METHODS_CHANGED_IN, predates_methods, short_table
from jaxcnn.programs.messages import plural

Report = Mapping[str, Any]

HEAD = """\
# How fast jaxcnn is

This page is written by `python -m experiments.benchmark --summarise FOLDER`. Change
`experiments/benchmark/`, not the page.
"""

COLUMNS = """\
## What is compared

| column | forward passes | gradients |
| --- | --- | --- |
| plain | lax and jax.nn, as people write them (`jaxcnn/programs/plain.py`) | JAX's autodiff |
| autodiff | jaxcnn's | JAX's autodiff |
| explicit | jaxcnn's | jaxcnn's own rules |
| pytorch | PyTorch, channels last, one thread per core | PyTorch's |

The columns take turns, and their values are compared before they are timed. A ratio is
the median over repetitions of one column's time over explicit's in the same repetition.
Its interval holds the true median with a probability of 95 %. Where XLA made the same
program of plain and explicit, the ratio counts as 1. "Top level" is a compiled program
of one operation, "scan" the body of a `lax.scan` of two steps. PyTorch has no scan.
"""

SECTIONS = {
    "operations": (
        "Operations",
        "![Families of operations](operations.png)\n\n"
        "The share of a matrix product's rate that convolutions reach is in [peak.png](peak.png).",
    ),
    "accuracy": ("Accuracy of convolutions", ""),
    "growth": ("Growth with batch, image and channels", "![Time against size](growth.png)"),
    "steps": ("Training steps", "![Milliseconds per training step](steps.png)"),
}
"""Heading and pictures of each part."""


def page(reports: Mapping[str, Report], printed: Mapping[str, Sequence[Table | str]]) -> str:
    """The text of README.md.

    Args:
      reports: by part.
      printed: what the program prints of each part: tables, and lines of text.
    """
    blocks = [HEAD]
    short = short_table(reports)
    if short is not None:
        blocks.append(f"## In short\n\n{markdown.marked('speed', short)}\n")
    blocks.append(COLUMNS)
    for part, report in reports.items():
        heading, pictures = SECTIONS[part]
        blocks.append(f"## {heading}\n\n{measured(report['environment'])}\n")
        if pictures:
            blocks.append(f"{pictures}\n")
        blocks.append(f"{body(printed[part])}\n")
    return "\n".join(blocks)


def body(printed: Sequence[Table | str]) -> str:
    """Tables, and lines of text, of which those that are indented are a list."""

    def text(entry: Table | str) -> str:
        if isinstance(entry, Table):
            return markdown.from_rich(entry)
        return f"- {entry.strip()}" if entry.startswith(" ") else f"{entry[0].upper()}{entry[1:]}"

    return "\n\n".join(map(text, printed)).replace("\n\n- ", "\n- ")


def measured(environment: Mapping[str, Any]) -> str:
    """By which command, where, when and with what a part was measured."""
    versions = [
        f"{title} {environment[name]}"
        for name, title in (
            ("jaxcnn", "jaxcnn"),
            ("jax", "jax"),
            ("jaxlib", "jaxlib"),
            ("torch", "PyTorch"),
            ("python", "Python"),
        )
        if environment.get(name)
    ]
    lines = [
        f"- command: `{environment['command']}`",
        f"- date: {environment['date']}",
        f"- hardware: {environment['device'].upper()} ({environment['machine']}),"
        f" {plural(environment['cores'], 'core')}{_rates(environment)}",
        f"- versions: {', '.join(versions)}",
        f"- repetitions: {environment['repetitions']}",
    ]
    if environment.get("malloc"):
        lines.append(f"- memory: `GLIBC_TUNABLES={environment['malloc']}`")
    if environment.get("note"):
        lines.append(f"- note: {environment['note']}")
    if predates_methods(environment):
        lines.append(
            "- These numbers were measured before the methods of convolutions, or the choice among"
            f" them, last changed, in jaxcnn {'.'.join(map(str, METHODS_CHANGED_IN))}."
        )
    return "\n".join(lines)


def _rates(environment: Mapping[str, Any]) -> str:
    rates = environment["matrix_product_gflops"]
    told = ", ".join(f"{rate:.0f} GFLOP/s in {dtype}" for dtype, rate in rates.items())
    return f"; a 1024 x 1024 matrix product makes {told}" if told else ""
