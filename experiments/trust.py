"""The table of trust: how many gradients were checked, and how accurate they are beside
JAX's own.

    python -m experiments.trust README.md experiments/results/gradients.md

It reads the report that `jaxcnn certify` wrote, prints the table, and writes it into
the given files between <!-- trust --> and <!-- /trust -->.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments import markdown
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.readable import number, share

HEADINGS = ("dtype", "gradients", "jaxcnn", "JAX's autodiff", "jaxcnn at least as accurate")
KINDS = {"table": "picked by hand", "random": "drawn at random", "sized": "of real networks' size"}


@dataclass(frozen=True)
class Config:
    """Write the table of trust, from a report of jaxcnn certify."""

    files: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Markdown files with <!-- trust --> and <!-- /trust -->."""
    report: Path = Path("experiments/results/certify.json.gz")
    """The report, packed by gzip."""


def load(path: Path) -> list[dict[str, Any]]:
    """The cases of a report. Raises ConfigError if it is none."""
    try:
        return json.loads(gzip.decompress(path.read_bytes()))["rows"]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise ConfigError(f"--report {path} is no report of jaxcnn certify: {error}") from error


def trust(rows: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on cases and checks, and a line of errors for each dtype."""
    checks = [check for row in rows for check in row["checks"]]
    failed = sum(not check["passed"] for check in checks)
    kinds = [(sum(row["kind"] == kind for row in rows), words) for kind, words in KINDS.items()]
    told = ", ".join(f"{count} {words}" for count, words in kinds if count)
    dtypes = dict.fromkeys(row["dtype"] for row in rows)
    lines = [line(dtype, [row for row in rows if row["dtype"] == dtype]) for dtype in dtypes]
    return (
        f"{plural(len(rows), 'case')} ({told}): **{len(checks):,} checks, {failed or 'none'}"
        " failed**. Errors of gradients against float64, median and worst, over the largest"
        f" entry:\n\n{markdown.table(HEADINGS, lines)}\n\n"
        "Bold: JAX's own gradient is wrong there."
    )


def line(dtype: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Errors of all gradients of a dtype. In float64 autodiff is the reference."""
    checks = [
        check
        for row in rows
        for check in row["checks"]
        if check["name"] == "accuracy" and not check["of"].startswith("value")
    ]
    ours = [check["error"] for check in checks]
    theirs = [check["autodiff_error"] for check in checks if check["autodiff_error"] is not None]
    told = [dtype, str(len(checks)), f"{number(float(np.median(ours)))}, {number(max(ours))}"]
    if len(theirs) < len(ours):
        return [*told, "the reference", ""]
    mark = "**" if any(row["autodiff_wrong"] for row in rows) else ""
    at_least = sum(mine <= other for mine, other in zip(ours, theirs, strict=True))
    errors = f"{number(float(np.median(theirs)))}, {mark}{number(max(theirs))}{mark}"
    return [*told, errors, share(at_least, len(ours))]


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Print the table and write it into the files; the exit status."""

    def body() -> None:
        config = parse(Config, "python -m experiments.trust", arguments)
        require_paths(config)
        print(table := trust(load(config.report)))
        for path in config.files:
            markdown.write_between_marks("the file", path, "trust", table)

    return run_program("trust", body)


if __name__ == "__main__":
    leave(command_line())
