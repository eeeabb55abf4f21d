"""What several files of tests of `jaxcnn certify` share: the program run in this
process, what came out of it, and rows made by hand."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import jax
import pytest
from rich.console import Console

from jaxcnn.programs.certify import program
from jaxcnn.programs.certify.program import command_line


class Run(NamedTuple):
    """What came out of the program."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))

    @property
    def html(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")

    @property
    def page(self) -> str:
        """The words of the page."""
        words = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", self.html, flags=re.DOTALL)
        return " ".join(unescape(words).split())

    @property
    def table(self) -> list[list[str]]:
        """The cells of the printed table."""
        lines = [line for line in self.out.splitlines() if line.startswith("│")]
        return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]

    @property
    def names(self) -> list[tuple[str, str, str]]:
        return [(row["operation"], row["case"], row["dtype"]) for row in self.report["rows"]]


def run(folder: Path, *options: str, processes: int = 1) -> Run:
    """The program in this process, so that what is patched holds; its output as where
    there is no terminal. Optax mixes dtypes, which the tests' strict promotion refuses.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        jax.numpy_dtype_promotion("standard"),
    ):
        patch.setattr(program, "Console", partial(Console, force_terminal=False))
        status = command_line([*options, "--processes", str(processes), "--output", str(folder)])
    return Run(status, out.getvalue(), err.getvalue(), folder)


def checks_of(row: dict[str, Any]) -> set[str]:
    return {check["name"] for check in row["checks"]}


def named_row(operation: str, case: str, dtype: str, kind: str, **changes: Any) -> dict[str, Any]:
    """A row as `judging.judge` makes it, which passed without any check."""
    row = {
        "operation": operation,
        "case": case,
        "dtype": dtype,
        "kind": kind,
        "description": "",
        "passed": True,
        "error": None,
        "checks": [],
        "left_out": {},
        "not_compared": [],
        "autodiff_wrong": [],
        "costs": None,
        "time": None,
        "seconds": 0.0,
    }
    assert changes.keys() <= row.keys()
    return {**row, **changes}


def nothing_is_judged(config: Any, todo: Any) -> Any:
    """In the place of `report.judged`."""
    raise AssertionError(f"{len(todo)} cases would be judged")
