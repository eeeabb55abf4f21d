"""What the tests of README.md and docs/ share: the code in a page, and its anchors."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import jax

from docs.site.markdown import headings

FENCE = re.compile(r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"\bjaxcnn(?:\.[A-Za-z_]\w*)+")


def run_code(page: Path) -> dict[str, Any]:
    """The names that the page's Python blocks define, run in order in one namespace.

    A block of text right after one has to be what it prints. A line in an error's
    traceback is the page's own line.
    """
    text = page.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    assert blocks, f"{page} has no code"
    names: dict[str, Any] = {"__name__": page.stem}
    with jax.numpy_dtype_promotion("standard"):  # JAX's default
        for block in blocks:
            above = "\n" * text.count("\n", 0, block.start(1))
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(above + block[1], str(page), "exec"), names)
            print(printed.getvalue(), end="")
            assert block[2] in (None, printed.getvalue()), f"{page} prints {printed.getvalue()}"
    return names


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page.

    >>> sorted(anchors("# A `b` of c, d\\n\\n## A `b` of c, d"))
    ['a-b-of-c-d', 'a-b-of-c-d-1']
    """
    found: set[str] = set()
    for _, heading, *_ in headings(text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (numbered := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(numbered)
    return found


def names_of_today(text: str) -> list[str]:
    """The dotted names of jaxcnn in a page, without the left columns of tables whose
    heading is "old".

    >>> names_of_today("`jaxcnn.conv`\\n| old | new |\\n| `jaxcnn.a` | `jaxcnn.b` |")
    ['jaxcnn.conv', 'jaxcnn.b']
    """
    kept, in_table = [], False
    for line in text.splitlines():
        in_table = line.startswith("| old |") or (in_table and line.startswith("|"))
        kept.append(line.rstrip(" |").rpartition(" | ")[2] if in_table else line)
    return NAME.findall("\n".join(kept))
