"""The page of `jaxcnn certify` says what its report says: verdicts and failures first,
every row, no network, and no markup out of data."""

from __future__ import annotations

import json
import re

import pytest
from certify_page_rows import row, usual_checks
from certify_reports import ENVIRONMENT, MODEL, report, rows
from html_page import Page

from jaxcnn.programs.certify.page.render import render


@pytest.fixture(scope="module")
def html() -> str:
    return render(report(model=MODEL))


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_needs_nothing_beside_it(html, page):
    for tag, key, value in page.attributes:
        if key in ("src", "srcset", "data", "action", "poster", "background") or (
            key.endswith("href") and tag != "a"
        ):
            assert (value or "").startswith(("#", "data:")), (tag, key, value)
        if tag == "a" and key == "href":
            assert value and value.startswith("#") and value[1:] in page.ids
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    for word in ("<link", "<iframe", "<object", "fetch(", "XMLHttpRequest"):
        assert word not in html


def test_ids_are_unique(page):
    assert len(page.ids) == len(set(page.ids))


def test_what_comes_from_the_report_is_escaped(html, page):
    assert "mine.py:quantised&lt;int8&gt;" in html
    assert "w&lt;b&gt;" in html
    assert "&lt;lambda&gt;() missing 1 required argument: &#39;key&#39; &amp; more" in html
    assert "<lambda>() missing 1 required argument: 'key' & more" in page.text
    assert any("fused<1>" in program for program in page.programs)
    assert "fused<1>" not in html
    assert "<svg xmlns" in html and "<?xml" not in html


def test_all_passed():
    text = Page(render(report([row(), row("relu", "1d", checks=usual_checks("x"))]))).text
    checks = len(usual_checks()) + len(usual_checks("x"))
    assert f"Passed. All {checks} checks on 2 cases of 2 operations; none failed." in text
    assert "What failed" not in text
    assert "failed" not in text.replace("none failed.", "").replace(" passed failed ", "")


def test_failing_rows_come_first(html, page):
    order = [int(number) for number in re.findall(r'<details class="row" id="r(\d+)">', html)]
    assert order[:3] == [2, 3, 4]
    assert sorted(order) == list(range(len(rows())))
    assert html.index('id="failing"') < html.index('id="accuracy"') < html.index('id="rows"')
    assert "Diagnosis: fits what is expected, moved by 1 along axis 1." in page.text
    assert page.text.index("12% of the entries differ") < page.text.index(
        "Where plain autodiff is wrong"
    )


def test_every_row_has_its_details(page):
    for r in rows():
        assert f"{r['operation']} {r['case']}" in page.text
        assert r["description"] in page.text
    sides = [side for r in rows() if r["costs"] for side in r["costs"].values()]
    assert set(page.programs) == {side[key] for side in sides for key in ("jaxpr", "excerpt")}
    for numbers in [value for _, key, value in page.attributes if key == "data-t"]:
        assert all(int(n) < len(page.programs) for n in numbers.split())


def test_checks_that_passed_alike_share_a_line_with_all_their_numbers(page):
    assert "structure value, x, w 0 0 integers value, x, w 0 0 0 0 - accuracy" in page.text
    assert "linearity x, w 0, 4.0e-17 1.0e-12 adjoint" in page.text
    assert "accuracy x 1.6e-07 1.9e-06 1.4 9.3e-08 0.8" in page.text
    assert "stride 2, padding same Data: integers, distinct. check of error" in page.text
    assert "bias x 1.0e-01 any cosine 0.9990" in page.text


def test_the_environment_is_told(page):
    for value in ENVIRONMENT.values():
        assert str(value) in page.text
    assert "took 12 min 34 s" in page.text


def test_pages_of_one_report_are_the_same_bytes(html):
    assert render(json.loads(json.dumps(report(model=MODEL)))) == html


def test_a_report_that_lacks_something_is_no_page():
    with pytest.raises(KeyError, match="model"):
        render({key: value for key, value in report().items() if key != "model"})


@pytest.mark.parametrize(
    ("chosen", "title", "verdict"),
    [
        (slice(0, 2), "incomplete", None),
        (slice(0, 5), "failed, incomplete", "Failed. 3 of 5 cases failed"),
    ],
    ids=["passed", "failed"],
)
def test_a_report_that_was_cut_off_says_so_first(chosen, title, verdict):
    missing = {"why": "terminated", "done": 1200, "of": 6790, "what": "cases were judged"}
    html = render(report(rows()[chosen]) | {"incomplete": missing})
    text = Page(html).text
    assert f"<title>Hand-written gradients: {title}</title>" in html
    assert (
        "Incomplete: terminated when 1,200 of 6,790 cases were judged. What follows is of these"
        " alone." in text
    )
    assert "Passed" not in text
    assert (verdict or "none failed") in text


def test_a_network_without_training_runs_has_no_picture():
    model = {**MODEL, "figure": "", "losses": {"explicit": [], "autodiff": [], "nudged": []}}
    missing = {"why": "interrupted", "done": 0, "of": 3, "what": "seeds were trained from"}
    html = render(report([], model) | {"incomplete": missing})
    assert "<figure" not in html
    assert "Incomplete: interrupted when 0 of 3 seeds were trained from." in Page(html).text


def test_it_tells_where_kinks_were_looked_at_and_what_was_left_out():
    some = rows()[:3]
    some[0]["left_out"] = {"integers": "kinks <and> ties were not looked at", "bias": "skipped"}
    text = Page(render(report(some))).text
    with_integers = sum(any(c["name"] == "integers" for c in r["checks"]) for r in some)
    assert f"Kinks and ties were looked at in {with_integers} of 3 cases" in text
    assert "Left out: integers (kinks <and> ties were not looked at), bias (skipped)." in text
