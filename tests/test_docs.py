"""The pages in docs/: their code runs as it is printed. In every page of the repository
the links lead somewhere, and the names of jaxcnn exist."""

import pkgutil
from pathlib import Path

import pytest

from docs.site.markdown import links
from tests.documents import anchors, names_of_today, run_code

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for folder in (
        ".",
        "docs",
        "docs/*",
        "docs/*/*",
        "experiments",
        "experiments/results",
        "experiments/results/*",
    )
    for page in ROOT.glob(f"{folder}/*.md")
)
SLOW = ("break-a-gradient", "course", "cross-entropy", "guide", "own-rules", "proof", "training")
"""Pages with much code, or whose code certifies, trains or compiles much; the others
take a few seconds."""


def path(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def pages_with_code():
    for page in PAGES:
        if path(page).startswith("docs/") and "```python" in page.read_text(encoding="utf-8"):
            marks = pytest.mark.slow if page.stem in SLOW else ()
            yield pytest.param(page, id=path(page), marks=marks)


@pytest.mark.parametrize("page", [*pages_with_code()])
def test_code(page):
    run_code(page)


@pytest.mark.parametrize("page", PAGES, ids=path)
def test_links(page):
    for target in links(page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.is_relative_to(ROOT), f"{target} leaves the repository"
        assert linked.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(linked.read_text(encoding="utf-8")), f"{target} has no heading"


@pytest.mark.parametrize("page", PAGES, ids=path)
def test_names(page):
    for name in names_of_today(page.read_text(encoding="utf-8")):
        pkgutil.resolve_name(name)
