"""Markdown as text: its headings, its sections, and its links, code left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = r"^ *(?P<ticks>```+|~~~+).*?^ *(?P=ticks)`*$"
_LINK = r"(?P<picture>!?)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^)\s]+)\)"
_CODE = r"`(?P<code>[^`]+)`"
_TOKEN = re.compile(f"{_FENCE}|{_LINK}|{_CODE}", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) +(.+?) *$", re.MULTILINE)


def rewritten(
    text: str, link: Callable[[str], str], code: Callable[[str], str | None] = lambda _: None
) -> str:
    """The page with the target of each link replaced by `link(target)`.

    A code span becomes a link to `code(span)`, unless that is None or the span stands
    in a link or a heading. What is fenced is left as it is.

    >>> rewritten("[a](b) `c` `[a](b)`", str.upper, {"c": "d"}.get)
    '[a](B) [`c`](d) `[a](b)`'
    """

    def replaced(match: re.Match[str]) -> str:
        if match["target"]:
            return f"{match['picture']}[{match['words']}]({link(match['target'])})"
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if match["code"] and not line.startswith("#"):
            target = code(match["code"])
            return match[0] if target is None else f"[{match[0]}]({target})"
        return match[0]

    return _TOKEN.sub(replaced, text)


def links(text: str) -> list[str]:
    """The targets of all links and pictures.

    >>> links("[a](b.md#c), ![d](e.png), `[f](g)`")
    ['b.md#c', 'e.png']
    """
    return [match["target"] for match in _TOKEN.finditer(text) if match["target"]]


def headings(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Of each heading its level, its words, where it begins, and where it ends.

    >>> [(level, words) for level, words, *_ in headings("# A\\n\\n## B `c`\\n")]
    [(1, 'A'), (2, 'B `c`')]
    """
    fenced = [match.span() for match in re.finditer(_FENCE, text, re.DOTALL | re.MULTILINE)]
    for match in _HEADING.finditer(text):
        if not any(first <= match.start() < last for first, last in fenced):
            yield len(match[1]), match[2], match.start(), match.end()


def title(text: str) -> str:
    """The words of the first heading.

    Raises:
      ValueError: if there is none.
    """
    for _, words, *_ in headings(text):
        return words
    raise ValueError("the page has no heading")


def section(text: str, words: str) -> str:
    """What stands below the heading with these words, up to the next of its level.

    Raises:
      ValueError: if there is no such heading.

    >>> section("# A\\nb\\n## C\\nd\\n# E", "A")
    'b\\n## C\\nd'
    """
    found = list(headings(text))
    for place, (level, of_this, _, end) in enumerate(found):
        if of_this == words:
            after = (start for other, _, start, _ in found[place + 1 :] if other <= level)
            return text[end : next(after, len(text))].strip()
    raise ValueError(f"there is no heading {words!r}")


def escaped(text: str) -> str:
    """Plain text as Markdown that shows it letter by letter, code spans left alone.

    >>> escaped("(n, *space, c) of `a_b`")
    '(n, \\\\*space, c) of `a_b`'
    """
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part if place % 2 else re.sub(r"([\\*_<>\[\]$~#|{}])", r"\\\1", part)
        for place, part in enumerate(parts)
    )
