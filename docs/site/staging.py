"""The pages as Sphinx reads them: one folder of Markdown, with the site's addresses.

Marks of a page are replaced, each on a line of its own:

    <!-- entry: jaxcnn.conv -->                 what the reference says of this name
    <!-- command: train -->                     what `jaxcnn train --help` says
    <!-- section: README.md, Speed -->          the text below a heading of a file
    <!-- list: Learn -->                        the pages of a part, or under a page
    <!-- open: explore.html#op=conv, Words -->  a link to a page of `jaxcnn explore`
"""

from __future__ import annotations

import ast
import html
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from docs.site.commands import command
from docs.site.docstrings import as_markdown
from docs.site.entries import entry
from docs.site.links import FILES, Links
from docs.site.markdown import escaped, section
from docs.site.pages import FRONT, ROOT, Page, load_pages, load_parts, module_docstring
from jaxcnn.programs.explore.fields.render import render_fields
from jaxcnn.programs.explore.page.render import render

MARK = re.compile(r"^<!-- (entry|command|section|list|open): (.+?) -->$", re.MULTILINE)
BACK = {"jaxcnn": "index.html", "About this page": "explorer.html"}
COMPUTED: dict[str, Callable[[], str]] = {
    "explore.html": lambda: render("conv", BACK),
    "receptive-field.html": lambda: render_fields(
        BACK | {"About this page": "explorer.html#receptive-fields-of-a-stack"}
    ),
}
"""The pages of `jaxcnn explore` that the site ships beside its front page, with links
back to it."""


def marked(pages: Iterable[Page], kind: str) -> list[str]:
    """What the marks of a kind name, in the order of the pages."""
    return [
        what
        for page in pages
        if not page.is_code
        for of_this, what in MARK.findall(page.text)
        if of_this == kind
    ]


def stage(folder: Path) -> None:
    """Write all pages, and the files that they link, to an empty folder.

    Raises:
      ValueError: on a link to nothing, or a mark that means nothing.
    """
    pages = load_pages()
    names, shipped = frozenset(marked(pages, "entry")), set[str]()
    for page in pages:
        links = Links(pages, names, page.path, page.source, shipped)
        text = _code_page(page, links) if page.is_code else laid_out(page.text, links)
        if page.is_notebook:
            heading, _, rest = text.partition("\n")
            file = links.of_file(page.source)
            text = (
                f"{heading}\n\nThis page is a notebook, which you can [download]({file}).\n{rest}"
            )
        path = folder / f"{page.path}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text.rstrip()}\n{_contents(page, links)}", encoding="utf-8")
    for file in shipped:
        copy = folder / FILES / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, copy)


def computed(address: str) -> str:
    """The address of a page of `jaxcnn explore`: its file, and what it shows.

    Raises:
      ValueError: if there is no such page.
    """
    file = address.partition("#")[0]
    if file not in COMPUTED:
        raise ValueError(f"there is no page {file!r} of jaxcnn explore: {', '.join(COMPUTED)}")
    return address


def laid_out(text: str, links: Links) -> str:
    """A page of Markdown with the site's addresses, and its marks replaced."""

    def replaced(match: re.Match[str]) -> str:
        kind, what = match[1], match[2]
        if kind == "entry":
            return entry(what, links)
        if kind == "command":
            return command(what)
        if kind == "list":
            return _listed(what, links)
        file, _, heading = what.partition(", ")
        if kind == "open":
            address = html.escape(links.beside(computed(file)))
            return f'<p class="computed"><a href="{address}">{html.escape(heading)}</a></p>'
        theirs = links._replace(source=file)
        return theirs.rewrite(section((ROOT / file).read_text(encoding="utf-8"), heading))

    return MARK.sub(replaced, links.rewrite(text))


def _listed(what: str, links: Links) -> str:
    found = [
        page for page in links.pages if page.under == what or (page.part == what and not page.under)
    ]
    if not found:
        raise ValueError(f"{links.source}: there is no part or page {what!r}")
    lines = []
    for page in found:
        colon = "" if page.title.endswith("?") else ":"
        lines.append(f"- [{page.title}]({links.to(page)}){colon} {escaped(page.says)}")
    return "\n".join(lines)


def _code_page(page: Page, links: Links) -> str:
    """The docstring, and the code below it with the line numbers of the file."""
    code = page.text
    first = ast.parse(code).body[0].end_lineno or 0
    lines = code.splitlines()
    while first < len(lines) and not lines[first]:
        first += 1
    said = links.rewrite(as_markdown(module_docstring(page.source)))
    shown = "\n".join(lines[first:])
    return (
        f"# {page.title}\n\n{said}\n\n## The code\n\n"
        f"``````{{code-block}} python\n:lineno-start: {first + 1}\n\n{shown}\n``````"
    )


def _contents(page: Page, links: Links) -> str:
    """The part of the table of contents that hangs on a page."""
    if page.path == FRONT:
        trees = [(part.title, part.tops) for part in load_parts()]
    else:
        trees = [("", tuple(below for below in links.pages if below.under == page.path))]
    return "".join(_tree(caption, below, links) for caption, below in trees if below)


def _tree(caption: str, below: Iterable[Page], links: Links) -> str:
    lines = ["", "```{toctree}", ":hidden:", ":maxdepth: 2"]
    lines += [f":caption: {caption}"] if caption else []
    lines += [
        "",
        *(f"{_nav(page)} <{links.to(page).removesuffix('.md')}>" for page in below),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _nav(page: Page) -> str:
    """A page's name in the table of contents."""
    if page.is_code:  # the file and its folder, which have room beside the page
        return "/".join(page.source.split("/")[-2:]).removeprefix("jaxcnn/")
    return page.title.replace("`", "")
