"""The command `jaxcnn explore`: the page that it writes, and what it leaves alone."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from html_page import Page

from jaxcnn.programs.command import run
from jaxcnn.programs.explore.fields import render as fields
from jaxcnn.programs.explore.fields.render import render_fields
from jaxcnn.programs.explore.page import render as gradients
from jaxcnn.programs.explore.page.render import render
from jaxcnn.programs.explore.rendering import SHARED
from jaxcnn.programs.pages import environment


def test_the_page_is_written_and_its_path_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["explore"]) == 0
    assert capsys.readouterr() == ("explore.html\n", "")
    assert Path("explore.html").read_text(encoding="utf-8") == render("conv")


def test_an_earlier_page_is_replaced(tmp_path):
    file = tmp_path / "page.html"
    assert run(["explore", "--output", str(file)]) == 0
    assert run(["explore", "--operation", "max_pool", "--output", str(file)]) == 0
    assert '<html lang="en" data-operation="max_pool">' in file.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", ["", "<html>", "notes on jaxcnn explore"])
def test_another_file_is_left_alone(content, tmp_path, capsys):
    file = tmp_path / "notes.html"
    file.write_text(content)
    assert run(["explore", "--output", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"jaxcnn explore: {file} exists already and is no page of jaxcnn explore: pass another"
        " --output\n"
    )
    assert file.read_text() == content


def test_a_dangling_link_is_left_alone(tmp_path):
    link = tmp_path / "page.html"
    link.symlink_to(tmp_path / "nowhere")
    assert run(["explore", "--output", str(link)]) == 2
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("where", "needed"), [("", "a file"), ("missing/page.html", "in a folder that exists")]
)
def test_a_wrong_place_is_refused(where, needed, tmp_path, capsys):
    path = tmp_path / where
    assert run(["explore", "--output", str(path)]) == 2
    assert f"--output must be {needed}, got " in capsys.readouterr().err


def test_the_other_page_has_a_file_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["explore", "receptive-field"]) == 0
    assert capsys.readouterr() == ("receptive-field.html\n", "")
    assert Path("receptive-field.html").read_text(encoding="utf-8") == render_fields()
    assert run(["explore", "receptive-field", "--operation", "conv"]) == 2
    assert capsys.readouterr().err == (
        "jaxcnn explore: --operation is for the page of gradients, not for receptive-field\n"
    )


@pytest.mark.parametrize("page", [partial(render, "conv"), render_fields])
def test_only_a_page_of_a_site_links_it(page):
    """From disk there is nothing beside it to go to."""
    addresses = [value for _, key, value in Page(page()).attributes if key == "href"]
    assert addresses == ["#"]  # of the view itself
    assert "<nav" not in page()
    of_site = Page(page(site={"Start": "index.html", "A & B": "about.html#b"}))
    addresses = [value for _, key, value in of_site.attributes if key == "href"]
    assert addresses == ["index.html", "about.html#b", "#"]
    assert "A & B" in of_site.text


@pytest.mark.parametrize("html", [render("conv"), render_fields()], ids=["gradients", "fields"])
def test_the_page_needs_nothing_beside_it(html):
    """Balanced tags, no ids twice, and nothing loaded from elsewhere."""
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert not [tag for tag, key, _ in page.attributes if key == "src" or tag == "link"]
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", html)


@pytest.mark.parametrize(
    ("of", "html"),
    [(gradients, render("conv")), (fields, render_fields())],
    ids=["gradients", "fields"],
)
def test_every_script_is_in_the_page_and_short(of, html):
    folder = Path(of.__file__).parent
    assert {f"{name}.js" for name in of.SCRIPTS} == {path.name for path in folder.glob("*.js")}
    shared = [Path(environment.__file__).parent / f"{name}.js" for name in SHARED]
    for path in (*folder.iterdir(), *shared):
        if path.suffix in (".js", ".css", ".html"):
            text = path.read_text(encoding="utf-8")
            assert len(text.splitlines()) <= 300, path.name
            if path.suffix == ".js":
                assert text.rstrip() in html, f"{path.name} looks like a template"
