"""The pages of the site, as pages.toml lists them. Needs neither Sphinx nor JAX."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import NamedTuple

from docs.site import notebooks
from docs.site.docstrings import first_sentence
from docs.site.markdown import title

ROOT = Path(__file__).parents[2]
FRONT = "index"


class Page(NamedTuple):
    """A page of the site.

    Attributes:
      path: its address, without .html.
      source: the file that it is made of, from the repository's root: Markdown, a
        notebook, or code whose docstring is the page.
      part: the part of the site that it stands in; "" for the front page.
      says: a sentence about it.
      under: the address of the page that it stands under; "" if none.
    """

    path: str
    source: str
    part: str
    says: str
    under: str = ""

    @property
    def text(self) -> str:
        text = (ROOT / self.source).read_text(encoding="utf-8")
        return notebooks.as_markdown(text) if self.is_notebook else text

    @property
    def is_notebook(self) -> bool:
        return self.source.endswith(".ipynb")

    @property
    def is_code(self) -> bool:
        return self.source.endswith(".py")

    @property
    def title(self) -> str:
        """The first heading; of code, the name of its file."""
        return f"`{self.source}`" if self.is_code else title(self.text)


class Part(NamedTuple):
    title: str
    pages: tuple[Page, ...]

    @property
    def tops(self) -> tuple[Page, ...]:
        """The pages that stand under no other."""
        return tuple(page for page in self.pages if not page.under)


def load_parts() -> tuple[Part, ...]:
    """The parts of the site with all their pages, those of code too."""
    table = tomllib.loads((ROOT / "docs/site/pages.toml").read_text(encoding="utf-8"))
    parts = []
    for part in table["part"]:
        pages = [Page(part=part["title"], **entry) for entry in part["pages"]]
        if table["files"]["under"] in (page.path for page in pages):
            pages += [_of_code(source, part["title"], table["files"]) for source in _sources(table)]
        parts.append(Part(part["title"], tuple(pages)))
    return tuple(parts)


def load_pages() -> tuple[Page, ...]:
    """All pages, the front page first."""
    front = Page(FRONT, "docs/site/index.md", "", "What jaxcnn is, and where to begin.")
    return (front, *(page for part in load_parts() for page in part.pages))


def module_docstring(source: str) -> str:
    """The docstring of a file of code, without importing it."""
    return ast.get_docstring(ast.parse((ROOT / source).read_text(encoding="utf-8"))) or ""


def _sources(table: dict) -> list[str]:
    return table["files"]["sources"]


def _of_code(source: str, part: str, files: dict) -> Page:
    under = files["under"]
    inside = source.removeprefix("jaxcnn/").removesuffix(".py").replace("__init__", "package")
    path = f"{under}/{inside.replace('/_', '/')}"
    return Page(path, source, part, first_sentence(module_docstring(source)), under=under)
