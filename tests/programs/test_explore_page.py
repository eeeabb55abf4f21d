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


def test_channels_add_up_and_outputs_stay_apart(act):
    """Two channels, two outputs and a bias of a 3x3 input with a 2x2 kernel; then other
    numbers of them."""
    scene = "#op=conv&input=3x3&kernel=2x2&channels=2&outputs=2&b=10,20"
    said = act("channels", scene)
    window = [f"x.{i}.{j}.1.{c}" for c in (1, 2) for i in (1, 2) for j in (1, 2)]
    taps = [f"k.{i}.{j}.{c}.2" for c in (1, 2) for i in (1, 2) for j in (1, 2)]
    assert said["saw"] == [" ".join(window), " ".join(taps), "b.1.2"]
    assert said["framed"] == ["input x, channel 1", "input x, channel 2"]
    assert said["sum"][0].startswith("y11;2 = x11;1 k11;1;2 + ")
    second = " + ".join(f"x{place};2 k{place};2;2" for place in (11, 12, 21, 22))
    assert said["sum"][0].endswith(f"x22;1 k22;1;2+ {second}+ b2")
    names = [line.partition(": ")[0] for line in said["sum"][1:-1]]
    assert names == ["channel 1", "channel 2", "bias"]
    assert said["sum"][-1].count(" + ") == 2 and " + 20 = " in said["sum"][-1]
    places = ("1.1", "1.2", "2.1", "2.2")
    everywhere = " ".join(f"y.{place}.1.{o}" for o in (1, 2) for place in places)
    assert said["sends"] == everywhere
    assert said["bias"] == [" ".join(f"y.{place}.1.2" for place in places), True]
    label = "input x, channel 2, row 1, column 2: 9"
    assert said["typed"] == ["x.1.2.1.2", 9, label]
    assert (said["previous"], said["next"]) == ("y.2.1.1.2", "y.2.2.1.2")
    first = " ".join(f"y.{place}.1.1" for place in places)
    assert said["ofBias"] == [["dy", "dy", "db"], "b.1.1", first, True]
    four = " + ".join(f"∂J/∂y{place};1" for place in (11, 12, 21, 22))
    assert said["sumOfBias"].startswith(f"∂J/∂b1 = {four}= ")
    assert said["term"].startswith("∂J/∂y12;2 is one term:∂J/∂b2 gets ")
    assert said["unbiased"] == [["y", "dx", "dk"], False]
    assert said["flat"] == ["1,3,2,5,6,7,9,2,3", ["x", "k", "y"], "y.1.2"]
    assert said["refused"] == [True, 1]
    assert said["depthwise"] == [3, [False, True, False]]
    assert said["alone"] == ["input x, channel 2"]
    assert said["mended"] == [1, "1"]
    assert said["kept"]


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
    assert said["place"] == "at=b.1.1"
    assert said["deep"].endswith("&b=1,2,3&at=k.2.1.2.3")
    assert "&channels=2&outputs=3&images=2&x=" in said["deep"]
    assert "&channels=3&outputs=2&x=1,2,3&" in said["much"]
    assert said["much"].endswith("&b=1,2&at=x.1.1.1.3")


@pytest.mark.slow
def test_a_phone_need_not_scroll_sideways(act):
    said = act("widths", "#op=conv", "--window-size=390,844")
    assert said["wide"] == []
    assert said["width"] <= 500
