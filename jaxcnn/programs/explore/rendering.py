"""`computing_page`: one HTML file whose script computes in the browser.

Its frame, `pages/computing.html`, the looks of its controls and two scripts are shared;
a folder has the rest of a page: `page.html`, `page.css` and its scripts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxcnn.programs.pages.environment import page_environment
from jaxcnn.version import __version__

MARK = '<meta name="generator" content="jaxcnn explore '
"""What every such page has near its beginning, of whatever version."""

SHARED = ("dom", "axis")
"""The scripts of `jaxcnn/programs/pages` that every page begins with."""


def computing_page(
    folder: Path, scripts: Sequence[str], site: Mapping[str, str] | None = None, **values: str
) -> str:
    """The page of a folder.

    Args:
      folder: with page.html, page.css and the scripts.
      scripts: their names without .js, in the order in which they become one script.
      site: if the page lies in the folder of a site, links to that site's pages: words,
        and the address from this folder. A page by itself has none.
      **values: what page.html takes.
    """
    template = page_environment(folder).get_template("page.html")
    names = [f"{name}.js" for name in (*SHARED, *scripts)]
    generator = f"jaxcnn explore {__version__}"
    return template.render(generator=generator, scripts=names, site=site or {}, **values)
