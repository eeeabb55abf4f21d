"""`python -m tests.notebooks FILE` runs the code of a notebook, cell by cell."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import Any

from docs.site.notebooks import code_cells


def run(text: str) -> dict[str, Any]:
    """The names that the cells define. An error's traceback shows the line of the cell
    that it names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell, code in code_cells(text):
        linecache.cache[cell] = (len(code), None, code.splitlines(keepends=True), cell)
        exec(compile(code, cell, "exec"), names)
    return names


if __name__ == "__main__":
    run(Path(sys.argv[1]).read_text(encoding="utf-8"))
