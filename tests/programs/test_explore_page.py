"""The page of `jaxcnn explore` in a browser: what a person sees and does."""

from __future__ import annotations

import pytest
from browser import acted, browser, opened
from html_page import Page

from jaxcnn.programs.explore.page.render import render
from tests.daily import daily


@pytest.fixture
def act(tmp_path):
    """What a script of `explore_scripts` says when it runs in the page."""

    def run(name: str, address: str = "#op=conv", *options: str):
        return acted(render("conv"), tmp_path, ["common", "helpers", name], address, *options)

    return run


@pytest.mark.parametrize("ci", ["", "true"])
def test_without_a_browser_only_ci_fails(ci, monkeypatch):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("browser.shutil.which", lambda name: None)
    kind = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(kind, match="chromium"):
        browser()


def test_an_address_shows_its_sum_and_both_forms(tmp_path):
    (tmp_path / "page.html").write_text(render("conv"), encoding="utf-8")
    html = opened(
        tmp_path / "page.html", "#op=conv&map=dx&at=x.1.2&dy=1,2,-1,3", tmp_path / "browser"
    )
    text = Page(html).text.replace(" ", "")
    assert "∂J/∂x12=∂J/∂y11k12+∂J/∂y12k11=1·(-1)+2·(-1)=-3" in text
    assert "∂J/∂x12=0k33+0k32+0k31+0k23+0k22+0k21+0k13+∂J/∂y11k12+∂J/∂y12k11" in text
    assert "asafullconvolution" in text


def test_pointing_lights_up_what_belongs_together(act):
    said = act("pointing")
    saw = "x.1.2 x.1.3 x.1.4 x.2.2 x.2.3 x.2.4 x.3.2 x.3.3 x.3.4"
    taps = " ".join(f"k.{i}.{j}" for i in (1, 2, 3) for j in (1, 2, 3))
    assert said["saw"] == [saw, taps]
    assert said["sends"][:2] == ["y.1.1 y.1.2", "k.1.1 k.1.2"]
    assert "∂J/∂x12 = ∂J/∂y11 k12 + ∂J/∂y12 k11" in said["sends"][2]
    assert said["multiplies"] == ["x.3.3 x.3.4 x.4.3 x.4.4", "y.1.1 y.1.2 y.2.1 y.2.2"]
    assert said["address"] == "k.3.3"


def test_arrow_keys_move_and_numbers_are_typed(act):
    said = act("typing")
    assert said == {
        "tabs": ["x", "k", "y"],
        "moved": ["x.2.2", "x.2.2"],
        "end": "x.2.4",
        "home": "x.1.1",
        "field": ["INPUT", "1"],
        "kept": [-2.5, "x.1.1", "\N{MINUS SIGN}2.5", "40.5"],
        "given_up": [-2.5, "x.1.1"],
        "no_number": -2.5,
        "computed": "y.1.1",
    }


@pytest.mark.slow
def test_choices_change_the_grids_and_keep_the_numbers(act):
    said = act("choices")
    assert said["outputs"] == 2 * 1
    assert said["first"] == "1,3,2,4"
    assert said["cut"] == 6
    assert said["none"] == ["", True]
    assert said["pool"] == ["0 0 5 0", "x.1.1 x.1.2 x.2.1 x.2.2", True, True]
    assert said["norm"] == [16, False, True, False]


@pytest.mark.parametrize("reduced", daily([False, True], {"False"}))
def test_it_plays_by_itself_unless_motion_is_reduced(act, reduced):
    options = ("--force-prefers-reduced-motion",) if reduced else ()
    said = act("playing", "", *options)
    assert said == {
        "began": not reduced,
        "next": "y.1.2",
        "played": ["y.2.1", True, "off"],
        "stopped": [False, "polite"],
    }


@pytest.mark.slow
def test_an_address_comes_back_as_it_was(act):
    said = act("addresses")
    assert said["wrong"] == []
    assert said["odd"].startswith("op=conv&map=y&input=8x1&kernel=3x3&")
    assert "&x=1,5,nan," in said["odd"]


@pytest.mark.slow
def test_a_phone_need_not_scroll_sideways(act):
    said = act("widths", "#op=conv", "--window-size=390,844")
    assert said["wide"] == []
    assert said["width"] <= 500
