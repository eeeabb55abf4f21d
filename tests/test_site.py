"""The site's list of pages agrees with the repository: without Sphinx."""

import doctest
import inspect
import pkgutil
import re

import pytest

import jaxcnn
import jaxcnn.derive
import jaxcnn.seen
from docs.site import (
    commands,
    docstrings,
    entries,
    links,
    llms,
    markdown,
    mathfont,
    pages,
    staging,
    verify,
)
from jaxcnn import training
from jaxcnn.programs.command import PROGRAMS

PAGES = pages.load_pages()
NAMES = staging.marked(PAGES, "entry")
ROOT = pages.ROOT


def by_path(page):
    return page.path


def test_addresses_and_files_are_listed_once():
    for of_each in ([page.path for page in PAGES], [page.source for page in PAGES]):
        assert len(of_each) == len(set(of_each))


@pytest.mark.parametrize("page", PAGES, ids=by_path)
def test_page(page):
    """It is there, has a title and one sentence, and stands under a page."""
    assert (ROOT / page.source).is_file()
    assert page.title
    assert page.says.endswith((".", "?", "`")) and "\n" not in page.says
    assert page.under in {"", *(other.path for other in PAGES)} - {page.path}


def test_every_document_is_on_the_site():
    on_site = {page.source for page in PAGES}
    for folder in (
        "docs",
        "docs/tutorials",
        "docs/notebooks",
        "experiments",
        "experiments/results",
    ):
        for page in (ROOT / folder).iterdir():
            if page.suffix in (".md", ".ipynb"):
                assert page.relative_to(ROOT).as_posix() in on_site


def test_every_derivation_is_on_the_site():
    on_site = {page.source for page in PAGES}
    for file in (ROOT / "jaxcnn").rglob("*.py"):
        name = file.relative_to(ROOT).as_posix()
        text = pages.module_docstring(name)
        if "Derivation\n" in text or "(1)\n" in text:
            assert name in on_site, name


def test_every_public_name_has_one_entry():
    assert len(NAMES) == len(set(NAMES))
    entered = [pkgutil.resolve_name(name) for name in NAMES]
    of_modules = {
        "jaxcnn": jaxcnn,
        "jaxcnn.layers": jaxcnn.layers,
        "jaxcnn.models": jaxcnn.models,
        "jaxcnn.check": jaxcnn.check,
        "jaxcnn.derive": jaxcnn.derive,
        "jaxcnn.methods": jaxcnn.methods,
        "jaxcnn.seen": jaxcnn.seen,
        "jaxcnn.training": training,
    }
    for path, module in of_modules.items():
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.ismodule(value):
                assert f"{path}.{name}" in NAMES or any(value is each for each in entered), name


@pytest.mark.parametrize("name", NAMES)
def test_entry(name):
    """It can be written, and its fences are closed."""
    page = PAGES[0]
    text = entries.entry(name, links.Links(PAGES, NAMES, "api/x", page.source, set()))
    assert text.startswith("``````{py:") and text.endswith("\n``````")
    assert sum(line.startswith("```") for line in text.splitlines()) % 2 == 0


def test_pages_are_laid_out(tmp_path):
    staging.stage(tmp_path)
    for page in PAGES:
        text = (tmp_path / f"{page.path}.md").read_text(encoding="utf-8")
        assert not staging.MARK.search(text)
        for target in markdown.links(text):
            file = target.partition("#")[0]
            if file and not target.startswith(links.EXTERNAL):
                assert ((tmp_path / page.path).parent / file).is_file(), (page.path, target)


def test_every_command_has_its_place():
    assert sorted(staging.marked(PAGES, "command")) == sorted(PROGRAMS)


def test_a_command_is_told_with_its_options():
    """The list of tyro's help, which is for terminals, is read as it is meant."""
    text = commands.command("explore")
    options = (
        "[{gradients,receptive-field}]",
        "--operation {conv,max_pool,avg_pool,batch_norm}",
        "--output PATH",
    )
    assert re.findall(r"^`(.*)`\n:", text, re.MULTILINE) == [*options]
    assert "receptive-field: the calculator. (default: gradients)" in text
    with pytest.raises(ValueError, match="no command 'x'"):
        commands.command("x")


def followed(path):
    """The links of a page of Markdown, as the site has them."""
    page = next(page for page in PAGES if page.path == path)
    here = links.Links(PAGES, NAMES, page.path, page.source, set())
    text = staging.laid_out(page.text, here)
    return [*markdown.links(text), *verify.read_html(text).linked]


def test_from_the_front_page_to_ones_own_numbers_in_three_clicks():
    """Why the input gradient is a full convolution: the lesson, and the explorer with
    its numbers; through the list of lessons it is one click more."""
    assert {"tutorials/index.md", "tutorials/input-gradient.md"} <= {*followed("index")}
    lessons = followed("tutorials/index")
    assert {"input-gradient.md", "../receptive-field.html"} <= {*lessons}
    scenes = [to for to in followed("tutorials/input-gradient") if "explore.html" in to]
    assert scenes == [
        "../explore.html#op=conv&map=dx&input=1x4&kernel=1x3&x=1,2,3,4&k=1,2,3&dy=1,10&at=x.1.2"
    ]
    with pytest.raises(ValueError, match=r"no page 'exlore\.html' of jaxcnn explore"):
        staging.computed("exlore.html#op=conv")
    assert {"../derivations.md", "../explorer.md"} <= {*followed("tutorials/input-gradient")}


def test_each_lesson_leads_to_the_one_before_and_to_the_next():
    lessons = [page for page in PAGES if page.under == "tutorials/index"]
    names = [page.source.rpartition("/")[2] for page in lessons]
    for page, *beside in zip(lessons, [None, *names], [*names[1:], None], strict=False):
        end = (ROOT / page.source).read_text(encoding="utf-8")[-600:]
        linked = [target.partition("#")[0] for target in markdown.links(end)]
        assert {name for name in beside if name} <= {*linked}, page.source


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.path.startswith("results/")], ids=by_path
)
def test_no_name_with_a_dollar_becomes_an_equation(page):
    """As "__cudnn$convForward", which XLA calls. Results have no equations."""
    text = (ROOT / page.source).read_text(encoding="utf-8")
    assert "$" not in re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def test_the_pages_that_compute_lead_back():
    there = {"index.html", *(f"{page.path}.html" for page in PAGES)}
    for page in staging.COMPUTED.values():
        back = [to.partition("#")[0] for to in verify.read_html(page()).linked]
        assert back[:2] == ["index.html", "explorer.html"]
        assert {*back} - {""} <= there


def test_links_to_elsewhere_are_listed():
    for page in PAGES:
        if not page.is_code:
            for target in markdown.links(page.text):
                if target.startswith(links.EXTERNAL):
                    assert target in verify.external()


def test_a_broken_link_is_refused():
    here = links.Links(PAGES, NAMES, "guide", "docs/guide.md", set())
    assert here.of_target("../experiments/README.md#x") == "results/index.md#x"
    assert here.of_code("jaxcnn/window.py") == "internals/window.md"
    with pytest.raises(ValueError, match="no file"):
        here.of_target("nothing.md")


def test_faults_of_a_site_are_found(tmp_path):
    (tmp_path / "llms.txt").write_text(llms.llms_text(), encoding="utf-8")
    (tmp_path / "a.html").write_text(
        '<p id="b"></p><a href="#c"></a><a href="d.html"></a><script src="https://e"></script>'
        '<a href="https://f"></a>'
    )
    found = "\n".join(verify.faults(tmp_path))
    for fault in (
        "#c has no such anchor",
        "d.html is not there",
        "loads https://e",
        "https://f is not in",
        "llms.txt has guide, which was not built",
    ):
        assert fault in found


@pytest.mark.parametrize("module", [commands, docstrings, markdown, mathfont, verify])
def test_examples(module):
    tried = doctest.testmod(module)
    assert tried.attempted and not tried.failed


def test_literal_text_stays_literal():
    rule = docstrings.as_markdown(pages.module_docstring("jaxcnn/ops/convolution/rule.py"))
    assert "## Derivation" in rule
    assert "y[n, j, o] = sum_{t, c} x[n, s j + d t - p_lo, c] w[t, c, o] + b[o]" in rule
