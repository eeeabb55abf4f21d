"""The text of all pages in one script, for the excerpts of the search: an extension of
Sphinx.

Sphinx's search asks the server for each page that it has found, to show the words
around a match. A page that was opened from disk may not ask for others, so the text
stands in `excerpts.js`, which only the page of the search loads. The script
`static/excerpts-search.js` takes it from there. Equations, code and signatures are left
out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

SCRIPT = "excerpts.js"
NO_PROSE = (
    addnodes.desc_signature,
    nodes.comment,
    nodes.doctest_block,
    nodes.literal_block,
    nodes.math_block,
    nodes.raw,
)
BELOW = (nodes.section, nodes.title)


def sections(doctree: nodes.document) -> dict[str, str]:
    """The prose of each section, without those below it, by its anchor."""
    found = {}
    for section in doctree.findall(nodes.section):
        own = [child for child in section.children if not isinstance(child, BELOW)]
        text = " ".join(block for child in own for block in _prose(child))
        found[section["ids"][0]] = " ".join(text.split())
    return found


def _prose(node: nodes.Node) -> list[str]:
    if isinstance(node, NO_PROSE):
        return []
    if isinstance(node, nodes.TextElement):
        return ["".join(node.findall(nodes.Text))]
    return [text for child in node.children for text in _prose(child)]


def write(app: Any, exception: Exception | None) -> None:
    """Write the script beside the index of the search."""
    if exception is None and app.builder.name == "html":
        pages = {name: sections(app.env.get_doctree(name)) for name in sorted(app.env.found_docs)}
        text = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
        (Path(app.outdir) / SCRIPT).write_text(f"const EXCERPTS = {text};\n", encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
