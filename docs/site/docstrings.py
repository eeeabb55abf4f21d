"""A docstring of this package as Markdown.

Its conventions: prose in paragraphs; what stands deeper than the prose is literal, a
formula or a table; a line alone above deeper prose is a heading ("Derivation"); `Args:`
and its kin are lists of "name: text"; >>> begins an example.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from docs.site.markdown import escaped

LISTS = {
    "Args:": "Arguments",
    "Returns:": "Returns",
    "Raises:": "Raises",
    "Attributes:": "Attributes",
}
_TITLE = re.compile(r"[A-Z][\w ,()'-]*")
_ITEM = re.compile(r"(\*{0,2}[A-Za-z_]\w*(?:, \*{0,2}[A-Za-z_]\w*)*): (.*)", re.DOTALL)


def as_markdown(text: str, level: int = 2) -> str:
    """The docstring, without its indentation, as Markdown; its headings of this level.

    >>> print(as_markdown("Adds.\\n\\nRule\\n    By (1),\\n\\n        y = x  (1)\\n"))
    Adds.
    <BLANKLINE>
    ## Rule
    <BLANKLINE>
    By (1),
    <BLANKLINE>
    ```text
    y = x  (1)
    ```
    >>> print(as_markdown("Args:\\n  x, y: two\\n    images."))
    **Arguments**
    <BLANKLINE>
    `x`, `y`
    : two images.
    """
    return "\n\n".join(_parts(text, level))


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line.

    >>> first_sentence('Windows of `a.py`, in\\nintegers. And more.')
    'Windows of `a.py`, in integers.'
    """
    paragraph = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    sentence = re.match(r".*?[.?!](?= [A-Z]|$)", paragraph)
    return sentence[0] if sentence else paragraph


def _parts(text: str, level: int) -> Iterator[str]:
    base = 0
    for block in re.split(r"\n{2,}", text):
        lines = block.splitlines()
        if _indent(lines[0]) == 0:
            base = 0
            rest = [line for line in lines[1:] if line]
            if lines[0] in LISTS:
                yield f"**{LISTS[lines[0]]}**"
                yield _listed(lines[1:])
                continue
            if rest and _TITLE.fullmatch(lines[0]) and min(map(_indent, rest)) >= 4:
                yield f"{'#' * level} {lines[0]}"
                base, lines = 4, rest
        yield from _block(lines, base)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _block(lines: list[str], base: int) -> Iterator[str]:
    """Prose and what is literal in it, by how deep a line stands."""
    if lines[0].lstrip().startswith(">>>"):
        yield _fenced("pycon", lines)
        return
    run: list[str] = []
    for line in lines:
        if run and _is_literal(line, base) != _is_literal(run[-1], base):
            yield _run(run, base)
            run = []
        run.append(line)
    yield _run(run, base)


def _is_literal(line: str, base: int) -> bool:
    return _indent(line) >= base + 4


def _run(lines: list[str], base: int) -> str:
    if _is_literal(lines[0], base):
        return _fenced("text", lines)
    prose = " ".join(line.strip() for line in lines)
    return escaped(re.sub(r" (?=- )", "\n", prose) if prose.startswith("- ") else prose)


def _fenced(language: str, lines: list[str]) -> str:
    least = min(_indent(line) for line in lines)
    return "\n".join([f"```{language}", *(line[least:] for line in lines), "```"])


def _listed(lines: list[str]) -> str:
    """Items of "name: text", or of text alone."""
    items: list[list[str]] = []
    for line in lines:
        if _indent(line) <= 2 or not items:
            items.append([])
        items[-1].append(line.strip())
    entries = []
    for item in map(" ".join, items):
        named = _ITEM.fullmatch(item)
        if named is None:
            entries.append(escaped(item))
        else:
            names = ", ".join(f"`{name}`" for name in named[1].split(", "))
            entries.append(f"{names}\n: {escaped(named[2])}")
    return "\n\n".join(entries)
