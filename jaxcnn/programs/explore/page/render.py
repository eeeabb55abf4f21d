"""`render`: the page in which a backward pass is looked at entry by entry.

The page needs nothing beside it, as `pages.environment` says, but it computes in the
browser. `windows.js`, `conv.js`, `pool.js` and `norm.js` are the operations in plain
loops, with the letters and the conventions of `jaxcnn/window.py` and `jaxcnn/ops`.
`planes.js` has the images, channels and outputs of a convolution. `state.js` is what
the address says, `scenes.js`, `grids.js`, `words.js` and `controls.js` are what is
seen, and `check.js` gives results to the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jaxcnn.programs.explore.rendering import computing_page

SCRIPTS = (
    "numbers",
    "planes",
    "state",
    "windows",
    "conv",
    "pool",
    "norm",
    "check",
    "scenes",
    "grids",
    "words",
    "controls",
    "main",
)
"""The parts of the page's one script, in this order."""


def render(operation: str, site: Mapping[str, str] | None = None) -> str:
    """The page, which begins with that operation where its address says nothing; `site`
    is as in `computing_page`.

    >>> "<h1>The backward pass, entry by entry</h1>" in render("conv")
    True
    """
    return computing_page(Path(__file__).parent, SCRIPTS, site, operation=operation)
