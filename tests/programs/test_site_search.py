"""The search of the documentation's site in a browser, from disk: it shows what stands
around a match, and a page first that is about all that was asked."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import opened
from html_page import Page, spaced

ROOT = Path(__file__).parents[2]
TOOLS = ("furo", "myst_parser", "sphinx", "sphinx_copybutton", "ziamath")
INDEX = """\
# Horses

A horse is brown, or black, and never striped.

```{toctree}
zebras
quagga
```
"""
ZEBRAS = """\
# Zebras

A zebra is a horse with stripes, $x$.

## Stripes

They are black and white.
"""
QUAGGA = """\
# Why some striped horses were brown and died out

They were hunted.
"""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(find_spec, TOOLS)), reason="the extra jaxcnn[docs] is not installed"
    ),
]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    source, html = (tmp_path_factory.mktemp(name) for name in ("source", "html"))
    for name, text in (("index", INDEX), ("zebras", ZEBRAS), ("quagga", QUAGGA)):
        (source / f"{name}.md").write_text(text, encoding="utf-8")
    options = ["-b", "html", "-W", "-q", "-c", "docs/site", str(source), str(html)]
    subprocess.run([sys.executable, "-m", "sphinx", *options], cwd=ROOT, check=True)
    return html


def results(html, query, tmp_path):
    found = opened(html / "search.html", f"?q={query}", tmp_path / "browser")
    listed = re.search(r'<ul role="list" class="search">.*?</ul>', found, re.DOTALL)
    assert listed
    return spaced(Page(listed[0]).text)


def test_a_search_from_disk_has_excerpts(html, tmp_path):
    said = results(html, "stripes", tmp_path)
    assert "A zebra is a horse with stripes" in said  # of the page
    assert "Zebras > Stripes ...They are black and white." in said  # of the section


def test_a_title_with_all_words_comes_first(html, tmp_path):
    said = results(html, "why+are+striped+horses", tmp_path)
    assert 0 <= said.index("Why some striped horses") < said.index("never striped")
