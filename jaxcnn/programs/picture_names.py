"""Class names in pictures: short, on one line, and in a font that has their script."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

DEFAULT = "DejaVu Sans"  # comes with matplotlib
BOXES = "lastresort"  # fonts that have a box for each character of Unicode
MOST_FONTS = 2000  # looked at, of those that are installed


class PictureNames(NamedTuple):
    """Names for a picture.

    Attributes:
      names: short and printable; "#7" for the class 7 if no font has its name.
      style: how matplotlib draws them: as they are, never as a formula, in these fonts.
      without_font: how many have a number for their name.
    """

    names: tuple[str, ...]
    style: dict[str, Any]
    without_font: int

    @property
    def note(self) -> str:
        """A line for under the title; empty if all names are shown."""
        if not self.without_font:
            return ""
        return "#: the number of a class, from 0, whose name no installed font can show"


def picture_names(names: Sequence[str], most: int = 24) -> PictureNames:
    """The names as a picture can show them, at most `most` characters wide.

    >>> picture_names(["cat", "$5 note"]).names
    ('cat', '$5 note')
    """
    short = [shortened(name, most) for name in names]
    families, missing = _families(frozenset("".join(short)) - {"\N{ZERO WIDTH JOINER}"})
    shown = tuple(
        f"#{number}" if missing.intersection(name) else name for number, name in enumerate(short)
    )
    lost = sum(bool(missing.intersection(name)) for name in short)
    return PictureNames(shown, {"fontfamily": list(families), "parse_math": False}, lost)


def shortened(name: str, most: int) -> str:
    """The name on one line of at most `most` widths of a Latin letter, its middle left
    out if it is longer; what cannot be printed is escaped.

    >>> shortened("Hundertfünfzig sehr kleine Blumen", 16), shortened("a\\nb", 16)
    ('Hundertf… Blumen', 'a\\\\nb')
    """
    name = "".join(c if c.isprintable() or _joins(c) else ascii(c)[1:-1] for c in name)
    if width(name) <= most:
        return name
    head, tail = most // 2, most - most // 2 - 1
    return f"{_fitting(name, head)}…{_fitting(name[::-1], tail)[::-1]}"


def width(name: str) -> int:
    """In widths of a Latin letter: Chinese characters have 2, combining marks 0.

    >>> width("Hund"), width("犬")
    (4, 2)
    """
    return sum(_width(c) for c in name)


def _width(c: str) -> int:
    if unicodedata.combining(c) or _joins(c):
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _joins(c: str) -> bool:
    """Whether it is an invisible character that scripts and emoji need."""
    return c in "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}\N{VARIATION SELECTOR-16}"


def _fitting(name: str, most: int) -> str:
    """As much of the beginning as fits."""
    end, total = 0, 0
    for c in name:
        total += _width(c)
        if total > most:
            break
        end += 1
    return name[:end]


# It tells of each font whose weight it does not know.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


@lru_cache(maxsize=8)
def _families(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Font families that have the characters between them, the default one first, and
    the characters that none has."""
    families = [DEFAULT]
    missing = characters - _covered(findfont(FontProperties(family=DEFAULT)), characters)
    if not missing:
        return (DEFAULT,), frozenset()
    for family, file in _installed():
        found = _covered(file, missing)
        if found:
            families.append(family)
            missing -= found
        if not missing:
            break
    return tuple(families), frozenset(missing)


def _installed() -> Iterable[tuple[str, str]]:
    """Installed families, each with the file that matplotlib draws it with."""
    for family in dict.fromkeys(entry.name for entry in fontManager.ttflist[:MOST_FONTS]):
        if BOXES not in family.replace(" ", "").lower():
            yield family, findfont(FontProperties(family=family))


def _covered(file: str, characters: frozenset[str]) -> frozenset[str]:
    try:
        font = get_font(file)
    except (OSError, RuntimeError):  # a file that is no font, or a damaged one
        return frozenset()
    return frozenset(c for c in characters if font.get_char_index(ord(c)))
