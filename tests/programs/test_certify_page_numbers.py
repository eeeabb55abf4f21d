"""The numbers on the page of `jaxcnn certify`: counts, errors, costs, and the network's
gradients."""

from __future__ import annotations

import re

import pytest
from certify_page_rows import INF, NAN, accurate, check, row, timed
from certify_reports import GARBAGE, MODEL, report, rows
from html_page import Page

from jaxcnn.programs.certify.page.render import render


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(report(model=MODEL)))


def test_summary_counts(page):
    checks = sum(len(r["checks"]) for r in rows())
    assert (
        f"Failed. 3 of 10 cases failed, by 3 of {checks} checks; 1 case could not be judged to the"
        " end." in page.text
    )
    assert "Operations: conv, max_pool, dropout, gelu, relu, mine.py:quantised<int8>." in page.text
    for words in ("4 table (hand-picked small cases)", "2 random (", "3 sized (", "1 own ("):
        assert words in page.text
    # Gradients with autodiff's error beside: smaller, the same, larger.  NaN is larger
    # than infinity.
    assert (
        "Speed against autodiff 3.6x geometric mean of 3 timed cases; faster in 2 from 0.32x to"
        " 143x" in page.text
    )
    assert "Autodiff itself was wrong 1 time in 1 case" in page.text


def test_how_often_the_explicit_gradient_is_as_accurate():
    pairs = [
        (1e-7, 2e-7),
        (INF, NAN),
        (1e-7, NAN),
        (1e-7, 1e-7),
        (0.0, 0.0),
        (NAN, NAN),
        (2e-7, 1e-7),
        (NAN, INF),
    ]
    checks = [accurate("x", *pair) for pair in pairs]
    checks += [
        accurate("value", 1.0, 0.0),
        check(of="w"),
        check("integers", error=1.0, autodiff_error=0.0),
    ]
    text = Page(render(report([row(checks=checks)]))).text
    assert "At least as accurate as autodiff 75 % of 8 gradients" in text
    assert "more accurate 38 %, the same 38 %, less 25 %" in text


def test_medians_and_worst_by_dtype():
    checks = [
        check(error=e, ulps=10 * e, autodiff_error=2 * e, autodiff_ulps=20 * e)
        for e in (0.1, 0.2, 0.4)
    ]
    other = [
        check(error=e, ulps=1.0, autodiff_error=a, autodiff_ulps=1.0)
        for e, a in ((1e-3, INF), (3e-3, NAN))
    ]
    text = Page(render(report([row(checks=checks), row(dtype="bfloat16", checks=other)]))).text
    assert "float32 3 2.0e-01 4.0e-01 2.0 4.0 4.0e-01 8.0e-01 4.0 8.0 100 %" in text
    assert "bfloat16 2 2.0e-03 3.0e-03 1.0 1.0 NaN NaN 1.0 1.0 100 %" in text


def test_nan_and_infinity_are_shown(page):
    assert "gelu large float32 table 1 failed of 2 ∞ NaN -" in page.text
    assert "0_conv/b 16 3.7e-01 2.2e-07 NaN" in page.text


def test_where_autodiff_is_wrong(page):
    assert f"conv 2d-crop-low-pad-high float32 x {GARBAGE} 1.4e+29 9.0e-08 passed" in page.text
    assert f"gradient to x is wrong: {GARBAGE}." in page.text
    many = [row(autodiff_wrong=[{"of": "w", "detail": f"detail {i}"}]) for i in range(20)]
    text = Page(render(report(many))).text
    assert "8 more" in text
    assert all(f"detail {i} " in text for i in range(20))
    without = Page(render(report([row()])))
    assert "autodiff is wrong" not in without.text
    assert "wrong" not in without.ids


def test_charts_label_every_bar(page):
    text = page.text[page.text.index("What do they cost?") :]
    assert "conv resnet-3x3 float32 1.04x 1.09x 1.00x" in text
    assert "conv mobilenet-depthwise float32 143x both 0 B 0 B against 1.2 MB" in text
    assert "max_pool vgg-2x2 bfloat16 0.32x 66 kB against 0 B" in text
    for _, key, value in page.attributes:
        if key == "style":
            for percent in re.findall(r"(?:left|width):([^;]*)%", value or ""):
                assert 0 <= float(percent) <= 100


@pytest.mark.parametrize("ratios", [[1.0], [1.01, 0.99], [3e-9, 4e9], [0.7, 40.0], [INF], [NAN]])
def test_axes_hold_any_ratios(ratios):
    sized = [row(case=str(i), kind="sized", time=timed(r, r, r)) for i, r in enumerate(ratios)]
    page = Page(render(report(sized)))
    lefts = [
        float(v[5:-1])
        for tag, key, v in page.attributes
        if tag == "span" and key == "style" and v is not None
    ]
    assert 2 <= len(lefts) <= 7
    assert lefts == sorted(set(lefts))
    assert all(0 <= left <= 100 for left in lefts)


def test_the_model_alone():
    page = Page(render(report([], MODEL)))
    assert "Passed. The gradients of lenet are right." in page.text
    assert "0_conv/w 5x5x1x16 3.7e-01 3.1e-07 3.4e-07 1.3 1.7 2.9e-16" in page.text
    assert "Autodiff's are as near." in page.text
    assert not {"rows", "accuracy", "cost", "checks", "failing", "wrong", "texts"} & set(page.ids)
    assert "jaxcnn certify --random 300" in page.text
    failed = Page(render(report([], {**MODEL, "passed": False})))
    assert "Failed. The gradients of lenet failed." in failed.text


def test_rows_without_a_model_costs_or_times():
    page = Page(render(report([row()])))
    assert not {"model", "cost"} & set(page.ids)
    assert "passed The gradient to every parameter" not in page.text


def test_a_model_that_fails_fails_the_page():
    text = Page(render(report([row()], {**MODEL, "passed": False}))).text
    assert "none failed. The gradients of lenet failed." in text
    assert "Hand-written gradients: failed" in text


def test_layers_that_are_not_compared_are_named():
    """Of a network, and in a case of one's own."""
    layers = [{"path": "2_conv<b>", "why": "pinned by layers.using"}]
    html = render(report([], {**MODEL, "not_compared": layers}))
    assert "2_conv<b> not compared: pinned by layers.using" in Page(html).text
    assert "2_conv&lt;b&gt;" in html
    text = Page(render(report([row(not_compared=["1_relu"])]))).text
    assert "Not compared: layer 1_relu keeps its own rules in both functions." in text
    without = Page(render(report([row()], MODEL))).text
    assert "not compared" not in without.lower()
