"""`render_fields`: the page in which the receptive fields of a stack of layers are
calculated and drawn, after the calculator of Araujo, Norris and Sim (Distill 2019).

`stack.js` is what the address says, `fields.js` computes by the equations of
`jaxcnn/receptive.py`, `drawing.js`, `words.js` and `editor.js` are what is seen, and
`check.js` gives results to the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jaxcnn.programs.explore.rendering import computing_page

SCRIPTS = ("stack", "fields", "check", "layout", "drawing", "words", "editor", "main")
"""The parts of the page's one script, in this order."""


def render_fields(site: Mapping[str, str] | None = None) -> str:
    """The page; `site` is as in `computing_page`.

    >>> "<h1>Receptive fields, layer by layer</h1>" in render_fields()
    True
    """
    return computing_page(Path(__file__).parent, SCRIPTS, site)
