"""docs/course.md has every heading, formula and example of the document "Deep Learning
- CNN Basics", which `course.toml` lists."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest

from docs.site.markdown import headings
from tests.documents import FENCE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/course.md").read_text(encoding="utf-8")
LISTED = tomllib.loads((ROOT / "tests/course.toml").read_text(encoding="utf-8"))["heading"]
EQUATION = re.compile(r"^\$\$\n(.*?)^\$\$$", re.DOTALL | re.MULTILINE)
DOCUMENT = ROOT.parent / "shared/cnn-basics.md"


def squeezed(text: str) -> str:
    return "".join(text.split())


def sections(text: str) -> list[tuple[int, str, str]]:
    """Of each heading its level, its words, and what stands before the next."""
    found = [*headings(text), (0, "", len(text), 0)]
    return [
        (level, words, text[end : after[2]])
        for (level, words, _, end), after in itertools.pairwise(found)
    ]


def listed() -> list[tuple[int, str]]:
    return [(heading["level"], heading["words"]) for heading in LISTED]


def test_each_heading_is_in_the_page_in_order():
    _, *below = sections(PAGE)
    assert [(level, words) for level, words, _ in below] == listed()


@pytest.mark.parametrize("number", range(len(LISTED)), ids=[h["words"] for h in LISTED])
def test_its_formulas_are_equations_and_its_examples_are_run(number):
    """tests/test_docs.py runs the blocks and compares what they print."""
    text = sections(PAGE)[1 + number][2]
    equations = squeezed(" ".join(EQUATION.findall(text)))
    for formula in LISTED[number]["formulas"].values():
        assert squeezed(formula) in equations
    run = squeezed(" ".join(f"{block[1]} {block[2] or ''}" for block in FENCE.finditer(text)))
    for example in LISTED[number]["examples"].values():
        assert squeezed(example) in run


@pytest.mark.skipif(not DOCUMENT.is_file(), reason="the document is not at ../shared/cnn-basics.md")
def test_the_list_leaves_nothing_of_the_document_out():
    """Each of its headings is listed, and a piece of each line of its equations and of
    each of its literal blocks; and what is listed is there."""
    document = sections(DOCUMENT.read_text(encoding="utf-8"))
    assert [(level, words) for level, words, _ in document] == listed()
    for heading, (_, words, text) in zip(LISTED, document, strict=True):
        pieces = [*map(squeezed, heading["formulas"]), *map(squeezed, heading["examples"])]
        for piece in pieces:
            assert piece in squeezed(text), words
        blocks = re.findall(r"^ *```.*?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
        for equations in re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL):
            lines = re.sub(r"\\(begin|end)\{\w+\*?\}", "", equations).split(r"\\")
            blocks += [line for line in lines if line.strip(" .\n")]
        for block in blocks:
            assert any(piece in squeezed(block) for piece in pieces), (words, block)
