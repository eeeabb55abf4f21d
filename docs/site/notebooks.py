"""Notebooks as text: what is kept of one, and the page that it becomes, all without
Jupyter.

    python -m docs.site.notebooks    # drop from docs/notebooks what Jupyter added

A notebook is kept without outputs. They would be old as soon as the code changes,
differ from machine to machine, and fill a diff with pictures. What a cell has to show,
it asserts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def code_cells(text: str) -> Iterator[tuple[str, str]]:
    """The id and the code of each cell of code."""
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            yield cell["id"], "".join(cell["source"])


def as_markdown(text: str) -> str:
    """The notebook as a page, with its code in fences.

    >>> book = {"cells": [{"cell_type": "markdown", "source": ["# A"]},
    ...                   {"cell_type": "code", "source": ["b = 1\\n", "c = 2"]}]}
    >>> print(as_markdown(json.dumps(book)))
    # A
    <BLANKLINE>
    ```python
    b = 1
    c = 2
    ```
    """
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts)


def tidied(text: str) -> str:
    """The notebook without outputs, counts and metadata of a cell or an editor, in the
    layout that Jupyter writes."""
    book = json.loads(text)
    for cell in book["cells"]:
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    book["metadata"] = METADATA
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file in FOLDER.glob("*.ipynb"):
        file.write_text(tidied(file.read_text(encoding="utf-8")), encoding="utf-8")
