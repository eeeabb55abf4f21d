"""llms.txt: a plain list of the pages, with a sentence each."""

from __future__ import annotations

from docs.site.pages import load_parts

HEAD = """\
# jaxcnn

> Convolutional networks in JAX with their backward pass written out: every operation is a pure
> function with a derived `custom_vjp` rule, and one argument exchanges it for JAX's own gradient.
"""


def llms_text() -> str:
    """The list, with addresses relative to its own."""
    lines = [HEAD]
    for part in load_parts():
        lines += [f"## {part.title}", ""]
        lines += [
            f"- [{page.title.replace('`', '')}]({page.path}.html): {page.says}"
            for page in part.pages
        ]
        lines.append("")
    return "\n".join(lines)
