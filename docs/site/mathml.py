"""Equations as MathML, which browsers draw without a script: an extension of Sphinx."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

NOT_UNDERSTOOD = re.compile(r"<m[io]>(?:&|&amp;|\\\w+)</m[io]>|linebreak=")
"""What is left in the result of a command or an environment that is unknown."""


def inline(writer: Any, node: nodes.Element) -> None:
    writer.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.Element) -> None:
    writer.body.append(f'<div class="equation">{mathml(node, "block")}</div>\n')
    raise nodes.SkipNode


def mathml(node: nodes.Element, display: str) -> str:
    """The equation, with a warning if a part of it was not understood."""
    result = convert(node.astext(), display=display)
    if found := NOT_UNDERSTOOD.search(result):
        logger = logging.getLogger(__name__)
        logger.warning(f"latex2mathml does not understand {found[0]} here", location=node)
    return result


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
