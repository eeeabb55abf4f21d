"""Where a link of a file leads on the site."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from docs.site.markdown import rewritten
from docs.site.pages import ROOT, Page

EXTERNAL = ("https://", "http://", "mailto:")
FILES = "files"
"""The folder of the site for what is linked and is no page: pictures and data."""


class Links(NamedTuple):
    """The links of one file, as they stand on one page.

    Attributes:
      pages: all pages of the site.
      names: the public names that have an entry in the reference.
      page: the address of the page that the text goes to.
      source: the file that the text comes from.
      shipped: gets each file that the site has to ship.
    """

    pages: Sequence[Page]
    names: Collection[str]
    page: str
    source: str
    shipped: set[str]

    def rewrite(self, text: str) -> str:
        """The text with its links, and its names of files and functions, leading to
        pages of the site."""
        return rewritten(text, self.of_target, self.of_code)

    def of_target(self, target: str) -> str:
        """A link's target on the site.

        A page of the list is linked as a page. Any other file is shipped.

        Raises:
          ValueError: if there is no such file in the repository.
        """
        if target.startswith((*EXTERNAL, "#")):
            return target
        file, _, anchor = target.partition("#")
        path = (ROOT / self.source).parent / file
        if not path.is_file() or not path.resolve().is_relative_to(ROOT):
            raise ValueError(f"{self.source}: {target} is no file of the repository")
        named = path.resolve().relative_to(ROOT).as_posix()
        for page in self.pages:
            if page.source == named:
                return self.to(page) + (f"#{anchor}" if anchor else "")
        return self.of_file(named)

    def of_file(self, named: str) -> str:
        """The copy of a file of the repository, which is shipped."""
        self.shipped.add(named)
        return self.beside(f"{FILES}/{named}")

    def of_code(self, span: str) -> str | None:
        """The page of a file, or the entry of a public name; None for other code."""
        if span in self.names:
            return f"#{span}"
        if not span.endswith((".py", ".md")):
            return None
        beside = (Path(self.source).parent / span).as_posix()
        by_source = {page.source: page for page in self.pages}
        page = by_source.get(span) or by_source.get(beside)
        alike = [page for page in self.pages if f"/{page.source}".endswith(f"/{span}")]
        if page is None and len(alike) == 1:
            page = alike[0]
        return None if page is None or page.path == self.page else self.to(page)

    def to(self, page: Page) -> str:
        return self.beside(f"{page.path}.md")

    def beside(self, path: str) -> str:
        """A path of the site, from this page."""
        return posixpath.relpath(path, posixpath.dirname(self.page) or ".")
