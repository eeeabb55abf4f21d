"""What the tests of README.md and docs/ share: the code in a page, and its links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax

FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANY_FENCE = re.compile(r"^(```|~~~).*?^\1$", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
NAME = re.compile(r"\bjaxcnn(?:\.[A-Za-z_]\w*)+")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def run_code(page: Path) -> dict[str, Any]:
    """The names that the page's Python blocks define, run in order in one namespace.

    A line in an error's traceback is the page's own line.
    """
    text = page.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    assert blocks, f"{page} has no code"
    names: dict[str, Any] = {"__name__": page.stem}
    with jax.numpy_dtype_promotion("standard"):  # JAX's default
        for block in blocks:
            above = "\n" * text.count("\n", 0, block.start(1))
            exec(compile(above + block[1], str(page), "exec"), names)
    return names


def links(text: str) -> list[str]:
    """The targets of all links and pictures of a page, code left out.

    >>> links("[a](b.md#c), ![d](e.png), `[f](g)`")
    ['b.md#c', 'e.png']
    """
    return LINK.findall(INLINE_CODE.sub("", ANY_FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page.

    >>> sorted(anchors("# A `b` of c, d\\n\\n## A `b` of c, d"))
    ['a-b-of-c-d', 'a-b-of-c-d-1']
    """
    found: set[str] = set()
    for heading in HEADING.findall(ANY_FENCE.sub("", text)):
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
