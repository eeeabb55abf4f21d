"""A font for equations, so that they look alike everywhere: an extension of Sphinx.

The package ziamath carries STIX Two Math, whose licence is in
`static/STIXTwoMath-license.txt`. The site ships the characters that its equations have,
with the taller brackets and the smaller indices that belong to them.
"""

from __future__ import annotations

import html
import logging
import re
import unicodedata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fontTools import subset

FONT = "_static/STIXTwoMath.woff"
ITALIC = (*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C), 0x210E)
"""The letters that browsers draw for single letters of an equation."""
EQUATION = re.compile(r"<math\b.*?</math>", re.DOTALL)


def characters(pages: list[str]) -> set[int]:
    """Those of the equations in the pages, as they are drawn.

    >>> sorted(map(chr, characters(["a <math><mi>x</mi><mo>&#x0003D;</mo></math>"])))
    ['=', 'x', '\\U0001d465']
    """
    equations = " ".join(found for page in pages for found in EQUATION.findall(page))
    written = set(html.unescape(re.sub(r"<[^>]*>", "", equations))) - {" ", "\n"}
    drawn = {code for code in ITALIC if unicodedata.normalize("NFKC", chr(code)) in written}
    return drawn | set(map(ord, written))


def write(app: Any, exception: Exception | None) -> None:
    """Write the font beside the styles."""
    if exception is not None or app.builder.name != "html":
        return
    pages = [page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html")]
    package = find_spec("ziamath")
    assert package and package.origin
    file = Path(package.origin).parent / "fonts/STIXTwoMath-Regular.ttf"
    logging.getLogger(subset.__name__).setLevel(logging.WARNING)
    options = subset.Options(flavor="woff", hinting=False, layout_features=["*"], name_IDs=["*"])
    font = subset.load_font(file, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters(pages))
    subsetter.subset(font)
    subset.save_font(font, Path(app.outdir) / FONT, options)


def setup(app: Any) -> dict[str, Any]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
