"""The page on gradients says what its report says: counts, failures first, every row,
no network, and no markup out of data."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from functools import cache
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn.programs.certify.page import render
from jaxcnn.programs.readable import flops, number, ratio, seconds, size, ulps

INF, NAN = math.inf, math.nan
VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
}


# A report with some of everything.


def check(name="accuracy", of="x", **changes):
    values = {
        "name": name,
        "of": of,
        "passed": True,
        "error": 8.1e-08,
        "tolerance": 1.9e-06,
        "data": "distinct",
        "ulps": None,
        "autodiff_error": None,
        "autodiff_ulps": None,
        "detail": "",
        "diagnosis": "",
        "a key to come": 0,
    }
    assert changes.keys() <= values.keys()
    return {**values, **changes}


def accurate(of="x", ours=8.1e-08, theirs=9.3e-08, eps=2**-23, **changes):
    return check(
        of=of,
        error=ours,
        ulps=ours / eps,
        autodiff_error=theirs,
        autodiff_ulps=theirs / eps,
        **changes,
    )


def usual_checks(names=("x", "w")):
    """As a case that passes has them."""
    of = ("value", *names)
    return [
        *(check("structure", o, error=0.0, tolerance=0.0, data="") for o in of),
        *(
            check(
                "integers",
                o,
                error=0.0,
                tolerance=0.0,
                data="integers",
                ulps=0.0,
                autodiff_error=0.0,
            )
            for o in of
        ),
        *(accurate(o, 8.1e-08 * (1 + i), 9.3e-08) for i, o in enumerate(of)),
        *(check("linearity", o, error=4e-17 * i, tolerance=1e-12) for i, o in enumerate(names)),
        check("adjoint", "all", error=2.2e-16, tolerance=1e-12),
        *(check("differences", o, error=7.7e-10, tolerance=1e-5) for o in names),
        *(check("zeros", o, error=0.0, tolerance=0.0) for o in names),
    ]


@cache
def jaxpr(autodiff: bool, dtype: str) -> str:
    def value_and_gradients(x, w, dy):
        value, pull = jax.vjp(
            lambda x, w: jaxcnn.conv(x, w, stride=2, padding="same", autodiff=autodiff), x, w
        )
        return value, pull(dy)

    shapes = ((2, 6, 6, 2), (3, 3, 2, 3), (2, 3, 3, 3))
    return str(jax.make_jaxpr(value_and_gradients)(*(jnp.zeros(shape, dtype) for shape in shapes)))


def cost(autodiff=False, dtype="float32", **changes):
    values = {
        "jaxpr": jaxpr(autodiff, dtype),
        "excerpt": (
            "%convolution.1 = f32[2,3,3,3]{3,2,1,0} convolution(%x, %w), window={size=3x3"
            " stride=2x2 pad=0_1x0_1}, dim_labels=b01f_01io->b01f\n%fusion = f32[3,3,2,3]"
            " fusion(%y), kind=kLoop, calls=%fused<1>"
        ),
        "convolutions": 3,
        "dots": 0,
        "fusions": 4,
        "custom_calls": 0,
        "loops": 0,
        "scatters": 0,
        "flops": 23_328.0,
        "residual_bytes": 1_008,
        "argument_bytes_kept": 792,
        "temp_bytes": 4_608,
        "output_bytes": 1_012,
        "a key to come": 0,
    }
    assert changes.keys() <= values.keys()
    return {**values, **changes}


def costs(ours=None, theirs=None, dtype="float32"):
    return {
        "explicit": cost(False, dtype, **(ours or {})),
        "autodiff": cost(True, dtype, **(theirs or {})),
    }


def timed(median, low, high, explicit=3.2e-3):
    def side(t, cores):
        return {"median": t, "low": 0.97 * t, "high": 1.06 * t, "utilisation": cores}

    return {
        "explicit": side(explicit, 1.7),
        "autodiff": side(median * explicit, 1.3),
        "ratio": {"median": median, "low": low, "high": high},
    }


def row(operation="conv", case="2d", **changes):
    values = {
        "operation": operation,
        "case": case,
        "dtype": "float32",
        "kind": "table",
        "description": "x (2, 6, 6, 2), w (3, 3, 2, 3), stride 2, padding same",
        "passed": True,
        "error": None,
        "checks": usual_checks(),
        "autodiff_wrong": [],
        "costs": None,
        "time": None,
    }
    assert changes.keys() <= values.keys()
    return {**values, **changes}


GARBAGE = "worst at (0, 1, 2, 0): 3.4e+28, expected 0.25; 40% of the entries differ"


def rows():
    return [
        row(
            case="2d-crop-low-pad-high",
            description="x (2, 5, 5, 3), w (2, 2, 3, 4), padding ((-1, 2), (-1, 2))",
            checks=[
                accurate("x", 9e-08, 1.4e29),
                accurate("w", 1.1e-07, 1.1e-07),
                accurate("value"),
            ],
            autodiff_wrong=[{"of": "x", "detail": GARBAGE}],
            costs=costs(),
        ),
        row(
            case="2d-same",
            dtype="bfloat16",
            checks=[accurate("x", 2.1e-3, 2.1e-3, 2**-7), accurate("w", 1.9e-3, 1.7e-3, 2**-7)],
            costs=costs(dtype="bfloat16"),
        ),
        row(
            "max_pool",
            "random-17",
            kind="random",
            description="x (2, 7, 5), window 3, stride 2",
            passed=False,
            checks=[
                check("structure", "value", error=0.0, tolerance=0.0, data=""),
                check(
                    "integers",
                    "x",
                    passed=False,
                    error=0.71,
                    tolerance=0.0,
                    data="integers",
                    detail="worst at (0, 3, 1): 2.0, expected 0.0; 12% of the entries differ",
                    diagnosis="fits what is expected, moved by 1 along axis 1",
                ),
                accurate(
                    "x",
                    0.43,
                    0.0,
                    passed=False,
                    detail="worst at (1, 2, 0): NaN, expected -0.5",
                    tolerance=1.9e-06,
                ),
            ],
        ),
        row(
            "dropout",
            "rate-0.5",
            kind="random",
            passed=False,
            error="TypeError: <lambda>() missing 1 required argument: 'key' & more\n  in line 12",
            checks=[],
        ),
        row(
            "gelu",
            "large",
            passed=False,
            checks=[
                accurate("x", INF, NAN, passed=False, diagnosis="not finite"),
                check("bias", "x", error=0.1, tolerance=INF, detail="cosine 0.9990"),
            ],
        ),
        row("relu", "2d", dtype="float64", checks=[accurate("x", 0.0, 0.0)]),
        row(
            case="resnet-3x3",
            kind="sized",
            costs=costs(
                {"residual_bytes": 3_211_264, "temp_bytes": 18_874_368},
                {"residual_bytes": 3_211_264, "temp_bytes": 20_512_000},
            ),
            time=timed(1.04, 0.98, 1.11),
        ),
        row(
            case="mobilenet-depthwise",
            kind="sized",
            costs=costs(
                {"residual_bytes": 0, "temp_bytes": 0},
                {"residual_bytes": 1_200_000, "temp_bytes": 0},
            ),
            time=timed(143.0, 120.0, 160.0),
        ),
        row(
            "max_pool",
            "vgg-2x2",
            dtype="bfloat16",
            kind="sized",
            checks=[accurate("x", 0.0, 0.0)],
            costs=costs(
                {"residual_bytes": 65_536, "temp_bytes": None}, {"residual_bytes": 0}, "bfloat16"
            ),
            time=timed(0.32, 0.29, 0.35),
        ),
        row(
            "mine.py:quantised<int8>",
            "given & own",
            kind="own",
            checks=[accurate("w<b>")],
            costs=costs({"flops": None}),
        ),
    ]


MODEL = {
    "name": "lenet",
    "data": "digits, batch 8",
    "gradients": [
        {
            "path": path,
            "shape": shape,
            "norm": 0.37,
            "explicit_error": ours,
            "autodiff_error": theirs,
            "explicit_ulps": 1.3,
            "autodiff_ulps": 1.7,
            "explicit64_error": 2.9e-16,
        }
        for path, shape, ours, theirs in (
            ("0_conv/w", [5, 5, 1, 16], 3.1e-07, 3.4e-07),
            ("0_conv/b", [16], 2.2e-07, NAN),
            ("6_dense/w", [400, 120], 9.8e-08, 9.8e-08),
        )
    ],
    "sentences": ["All 10 gradients agree with float64 to 4e-07.", "Autodiff's are as near."],
    "passed": True,
    "figure": (
        '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="600pt"'
        ' height="220pt" viewBox="0 0 600 220"><rect width="600" height="220" fill="#fff"/><path'
        ' d="M40 180 L200 90 L560 40" fill="none" stroke="#2a74b8"/><text x="40"'
        ' y="210">0_conv</text></svg>'
    ),
}

ENVIRONMENT = {
    "command": "python -m experiments.gradients --random 300",
    "date": "2025-11-03",
    "jaxcnn": "0.1.0",
    "jax": "0.10.2",
    "jaxlib": "0.10.2",
    "numpy": "2.3.4",
    "python": "3.11.2",
    "platform": "cpu",
    "device": "cpu",
    "devices": 1,
    "machine": "x86_64",
    "cores": 2,
    "system": "Linux",
}


def report(rows_=None, model=None):
    return {
        "environment": ENVIRONMENT,
        "seconds": 754.2,
        "rows": rows() if rows_ is None else rows_,
        "model": model,
    }


# Reading the page.


def spaced(words: str) -> str:
    """In ASCII as far as possible, with one space wherever there are any."""
    for sign, ascii_ in (
        ("\N{MULTIPLICATION SIGN}", "x"),
        ("\N{EN DASH}", "-"),
        ("\N{MINUS SIGN}", "-"),
    ):
        words = words.replace(sign, ascii_)
    return " ".join(words.split())


class Page(HTMLParser):
    """Text, links and ids of a page, whose tags must be balanced."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.parts: list[str] = []
        self.packed = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> at {self.getpos()} closes nothing"
        opened = self.open.pop()[0]
        assert opened == tag, f"</{tag}> at {self.getpos()} closes <{opened}>"

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if attributes.get("id") == "texts":
            self.packed += data
        elif tag not in ("script", "style"):
            self.parts.append(data)

    @property
    def text(self) -> str:
        return spaced(" ".join(self.parts))

    @property
    def ids(self) -> list[str | None]:
        return [value for _, key, value in self.attributes if key == "id"]

    @property
    def programs(self) -> list[str]:
        return json.loads(gzip.decompress(base64.b64decode(self.packed)))


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
    assert "python -m experiments.gradients --random 300" in page.text
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
    ("words", "values", "expected"),
    [
        (
            number,
            (None, 0.0, 1.23e-7, 1.0, INF, -INF, NAN),
            ["-", "0", "1.2e-07", "1.0e+00", "∞", "-∞", "NaN"],
        ),
        (
            ulps,
            (None, 0.0, 0.04, 0.5, 9.96, 1234.0, 3.4e28),
            ["-", "0", "4.0e-02", "0.5", "10", "1,234", "3.4e+28"],
        ),
        (
            ratio,
            (0.001, 0.972, 1.04, 1.996, 9.96, 740.2, INF),
            ["1.0e-03x", "0.97x", "1.04x", "2.0x", "10x", "740x", "∞x"],
        ),
        (
            size,
            (None, 0, 999, 1_000, 1_240_000, 999_900),
            ["-", "0 B", "999 B", "1 kB", "1.2 MB", "1 MB"],
        ),
        (
            seconds,
            (4.1e-4, 3.2e-3, 0.9999, 330.0, 3_700.0),
            ["410 µs", "3.2 ms", "1 s", "5 min 30 s", "1 h 1 min"],
        ),
        (flops, (None, 0.0, 23_328.0, 1.2e9), ["-", "0", "23 k", "1.2 G"]),
    ],
)
def test_numbers_in_words(words, values, expected):
    assert [spaced(words(value)) for value in values] == expected


# What is missing.


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
