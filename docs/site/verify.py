"""Checks of the built site: every link inside it leads to a page and an anchor, nothing
is loaded from elsewhere, and every link to elsewhere is on the list of external.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from docs.site.links import EXTERNAL
from docs.site.llms import llms_text
from docs.site.markdown import links
from docs.site.pages import ROOT, load_pages
from docs.site.staging import COMPUTED

LIST = ROOT / "docs/site/external.txt"
OF_THE_THEME = ("https://pradyunsg.me", "https://github.com/pradyunsg/furo")
"""Links in the theme's footer."""


class Html(NamedTuple):
    """A page: the anchors that it has, its links, and what it loads."""

    anchors: set[str]
    linked: list[str]
    loaded: list[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Html(set(), [], [])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.found.anchors.update(values[name] for name in ("id", "name") if name in values)
        if "src" in values:
            self.found.loaded.append(values["src"])
        if "href" in values:
            where = self.found.linked if tag == "a" else self.found.loaded
            where.append(values["href"])


def read_html(text: str) -> Html:
    """The anchors and links of a page.

    >>> read_html('<p id="a"><a href="b#c">d</a><img src="e">')
    Html(anchors={'a'}, linked=['b#c'], loaded=['e'])
    """
    reader = _Reader()
    reader.feed(text)
    return reader.found


def external() -> list[str]:
    """The list of links to elsewhere."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a built site, a line each."""
    pages = {
        file.relative_to(site).as_posix(): read_html(file.read_text(encoding="utf-8"))
        for file in sorted(site.rglob("*.html"))
        if not file.relative_to(site).as_posix().startswith(("_downloads", "_static"))
    }
    seen: set[str] = set()
    for name, page in pages.items():
        for target in page.linked:
            if target.startswith(EXTERNAL):
                if not target.startswith(OF_THE_THEME):
                    seen.add(target.partition("#")[0])
            elif why := _broken(name, target, site, pages):
                yield f"{name}: {target} {why}"
        for target in page.loaded:
            if target.startswith(("https:", "http:", "//")):
                yield f"{name} loads {target}"
            elif not target.startswith("data:") and (why := _broken(name, target, site, pages)):
                yield f"{name}: {target} {why}"
    known = {line.partition("#")[0] for line in external()}
    yield from (f"{target} is not in docs/site/external.txt" for target in sorted(seen - known))
    yield from (f"docs/site/external.txt has {target}, no page" for target in sorted(known - seen))
    yield from _faults_of_styles(site)
    yield from _faults_of_list(site)


def _broken(name: str, target: str, site: Path, pages: dict[str, Html]) -> str:
    file, _, anchor = target.partition("#")
    path = (site / name).parent / unquote(file.partition("?")[0]) if file else site / name
    if not path.is_file() or not path.resolve().is_relative_to(site.resolve()):
        return "is not there"
    linked = pages.get(path.resolve().relative_to(site.resolve()).as_posix())
    if path.name in COMPUTED:  # their addresses say what they show
        return ""
    if anchor and linked and unquote(anchor) not in linked.anchors:
        return "has no such anchor"
    return ""


def _faults_of_styles(site: Path) -> Iterator[str]:
    for file in sorted(site.rglob("*.css")):
        for target in re.findall(r"(?:url\(|@import)\s*[\"']?(https?:[^\"')]+)", file.read_text()):
            yield f"{file.relative_to(site)} loads {target}"


def _faults_of_list(site: Path) -> Iterator[str]:
    """llms.txt has every page, and every page of it is there."""
    text = (site / "llms.txt").read_text(encoding="utf-8")
    if text != llms_text():
        yield "llms.txt is not the list of pages.toml"
    listed = {target.removesuffix(".html") for target in links(text)}
    for page in load_pages()[1:]:
        if page.path not in listed:
            yield f"llms.txt lacks {page.path}"
        if not (site / f"{page.path}.html").is_file():
            yield f"llms.txt has {page.path}, which was not built"
