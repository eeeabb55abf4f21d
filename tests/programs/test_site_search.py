"""The search of the documentation's site in a browser, from disk: it shows what stands
around a match."""

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

A horse is brown, or black.

```{toctree}
zebras
```
"""
ZEBRAS = """\
# Zebras

A zebra is a horse with stripes, $x$.

## Stripes

They are black and white.
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, TOOLS)), reason="the extra jaxcnn[docs] is not installed"
)
def test_a_search_from_disk_has_excerpts(tmp_path):
    source, html = tmp_path / "source", tmp_path / "html"
    source.mkdir()
    (source / "index.md").write_text(INDEX, encoding="utf-8")
    (source / "zebras.md").write_text(ZEBRAS, encoding="utf-8")
    options = ["-b", "html", "-W", "-q", "-c", "docs/site", str(source), str(html)]
    subprocess.run([sys.executable, "-m", "sphinx", *options], cwd=ROOT, check=True)
    found = opened(html / "search.html", "?q=stripes", tmp_path / "browser")
    results = re.search(r'<ul role="list" class="search">.*?</ul>', found, re.DOTALL)
    assert results
    said = spaced(Page(results[0]).text)
    assert "A zebra is a horse with stripes" in said  # of the page
    assert "Zebras > Stripes ...They are black and white." in said  # of the section
