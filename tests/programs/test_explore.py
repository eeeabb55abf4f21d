"""The command `jaxcnn explore`: the page that it writes, and what it leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from html_page import Page

from jaxcnn.programs.command import run
from jaxcnn.programs.explore.page import render as rendering
from jaxcnn.programs.explore.page.render import SCRIPTS, render

PARTS = Path(rendering.__file__).parent


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


def test_the_page_needs_nothing_beside_it():
    """Balanced tags, no ids twice, and nothing loaded from elsewhere."""
    html = render("conv")
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert not [tag for tag, key, _ in page.attributes if key == "src" or tag == "link"]
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", html)


def test_every_script_is_in_the_page_and_short():
    assert {f"{name}.js" for name in SCRIPTS} == {path.name for path in PARTS.glob("*.js")}
    for path in PARTS.iterdir():
        if path.suffix in (".js", ".css", ".html"):
            text = path.read_text(encoding="utf-8")
            assert len(text.splitlines()) <= 300, path.name
            if path.suffix == ".js":
                assert text.rstrip() in render("conv"), f"{path.name} looks like a template"
