"""What the page of `jaxcnn explore` computes is what the library does."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from browser import inside, opened
from explore_cases import Case, case_of, deep_case, random_case, random_deep_case, random_norm

import jaxcnn
from jaxcnn.derive import derive
from jaxcnn.programs.explore.page.render import render
from jaxcnn.window import Window

TIES = (0.0, 1.0, 2.0, -np.inf, np.nan)
SKEW = Window((3, 2), (2, 3), ((1, 2), (-1, 1)), (1, 2), (1, 1))
"""Strides with a remainder, a dilation, pads that are unequal and negative."""
OVERLAPPING = Window((3, 3), (2, 1), ((1, 1), (0, 1)), (1, 1), (1, 1))
ROUNDED = Window((3, 2), (2, 2), ((1, 1), (0, 0)), (1, 1), (1, 1))
"""On 6x7 inputs, one more window along both axes if sizes round up."""
CONV = [
    case_of("conv", SKEW, (6, 8)),
    case_of("conv", SKEW, (6, 2)),  # too small
    *(random_case("conv", seed) for seed in range(40)),
]
STEPPED = Window((2, 3), (2, 1), ((1, 0), (0, 1)), (1, 1), (1, 1))
DERIVED = [
    deep_case(STEPPED, (4, 4), (2, 2, 3, 1)),
    deep_case(STEPPED, (4, 4), (2, 3, 3, 3)),  # depthwise
    deep_case(STEPPED, (4, 4), (1, 3, 1, 1), bias=False),
    deep_case(STEPPED, (4, 4), (1, 1, 2, 1)),
]
"""Their sums are compared with those of `jaxcnn.derive` too."""
DEEP = [*DERIVED, deep_case(SKEW, (6, 8)), *(random_deep_case(seed) for seed in range(30))]
POOLS = [
    case_of("max_pool", OVERLAPPING, (6, 6), values=(0.0, 1.0)),
    case_of("max_pool", OVERLAPPING, (6, 6), values=TIES),
    case_of("avg_pool", OVERLAPPING, (6, 6), more="&count=inside"),
    case_of("avg_pool", ROUNDED, (6, 7), more="&ceil=yes"),
    case_of("max_pool", ROUNDED, (6, 7), more="&ceil=yes"),
    *(random_case("max_pool", seed, TIES) for seed in range(100, 124)),
    *(random_case("max_pool", seed) for seed in range(12)),
    *(random_case("avg_pool", seed) for seed in range(200, 210)),
    *(random_case("avg_pool", seed, more="&count=inside") for seed in range(300, 310)),
    *(random_case("max_pool", seed, more="&ceil=yes") for seed in range(400, 412)),
    *(random_case("avg_pool", seed, more="&ceil=yes") for seed in range(500, 512)),
    *(random_case("avg_pool", seed, more="&count=inside&ceil=yes") for seed in range(600, 608)),
]
NORMS = [random_norm(seed) for seed in range(4)]
QUICK = 4
DOCUMENT = "op=conv"  # the page's first numbers: a 4x4 input and a 3x3 kernel


def cases(table):
    """As parameters: the first few are quick enough for daily work."""
    return [
        pytest.param(case, id=str(n), marks=() if n < QUICK else pytest.mark.slow)
        for n, case in enumerate(table)
    ]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers of one browser, by address."""
    folder = tmp_path_factory.mktemp("explore")
    (folder / "page.html").write_text(render("conv"), encoding="utf-8")
    addresses = [*(case.address for case in [*CONV, *DEEP, *POOLS, *NORMS]), DOCUMENT]
    html = opened(folder / "page.html", "#check|" + "|".join(addresses), folder / "browser")
    found = json.loads(inside(html, "results"))
    return dict(zip(addresses, found, strict=True))


def array(answer, name, shape):
    """An array of the page; JSON has no words for what is not finite."""
    return np.asarray([float(value) for value in answer[name]]).reshape(shape)


def image(numbers):
    return jnp.asarray(numbers if numbers.ndim == 4 else numbers[None, :, :, None])


def kernel(numbers):
    return jnp.asarray(numbers if numbers.ndim == 4 else numbers[:, :, None, None])


def options(case: Case):
    w = case.window
    return {"stride": w.stride, "padding": w.pads, "dilation": w.dilation}


def test_the_cases_have_everything():
    fitting = [(c.window, c.inputs) for c in CONV if 0 not in c.dy.shape]
    assert len(fitting) in range(len(CONV) // 2, len(CONV))
    assert any(sum(window.remainder(size)) for window, size in fitting)
    assert any(min(min(pair) for pair in window.pads) < 0 for window, _ in fitting)
    assert any(lo != hi for window, _ in fitting for lo, hi in window.pads)
    assert sum(SKEW.remainder((6, 8)))
    planes = [(case.x.shape[0], case.x.shape[3], case.k.shape[3], case.groups) for case in DEEP]
    assert {*range(1, 4)} == {c for _, c, _, _ in planes} == {o for _, _, o, _ in planes}
    assert {(images, groups) for images, _, _, groups in planes} >= {(1, 2), (2, 3), (2, 1)}
    assert {case.b is None for case in DEEP} == {True, False}


@pytest.mark.parametrize("case", cases([*DEEP, *CONV]))
def test_a_convolution(case, answers):
    answer, x, k = answers[case.address], image(case.x), kernel(case.k)
    if 0 in case.dy.shape:
        with pytest.raises(ValueError, match="w is larger than its padded input"):
            jaxcnn.conv(x, k, **options(case))
        assert answer["problem"] == "The kernel is larger than the padded input"
        return
    np.testing.assert_array_equal(array(answer, "dy", case.dy.shape), case.dy)
    dy, more = image(case.dy), {**options(case), "groups": case.groups}
    dx = jaxcnn.conv_input_grad(dy, k, x.shape, **more)
    dk = jaxcnn.conv_kernel_grad(x, dy, k.shape, **more)
    expected = {"dx": dx, "dxAgain": dx, "dk": dk, "dkAgain": dk}
    if case.b is None:
        assert "db" not in answer
        expected["y"] = jaxcnn.conv(x, k, **more)
    else:
        biased = partial(jaxcnn.conv, x, k, **more)
        expected["y"], vjp = jax.vjp(biased, jnp.asarray(case.b))
        (expected["db"],) = vjp(dy)
    for name, value in expected.items():
        found = array(answer, name, value.shape)
        np.testing.assert_array_equal(found, value, err_msg=name)
    for name, size in (("dx", case.inputs), ("dk", case.window.size)):
        grad = case.window.input_grad if name == "dx" else case.window.kernel_grad
        windows = answer["windows"][name]
        assert [tuple(of_axis["pads"]) for of_axis in windows] == list(grad(case.inputs).pads)
        assert tuple(of_axis["outputs"] for of_axis in windows) == size


def terms(line):
    """A sum as `jaxcnn.derive` names its quantities: "x_1;12;2" is x[1;12;2]."""

    def renamed(match):
        return f"[{match[1]}]" if ";" in match[1] else match[1]

    name, _, text = re.sub(r"_([\d;]+)", renamed, line).partition(" = ")
    return name, Counter(tuple(term.split(" ")) for term in text.split(" + ") if term != "0")


@pytest.mark.parametrize("case", cases(DERIVED))
def test_its_sums_are_those_that_are_derived(case, answers):
    n, _, _, channels = case.x.shape
    planes = {"batch": n, "channels": channels, "outputs": case.k.shape[3], "groups": case.groups}
    sizes = {"input_shape": case.inputs, "kernel": case.window.size}
    derived = derive("conv", **sizes, **planes, bias=case.b is not None, **options(case))
    expected = {
        str(of.symbol): Counter(tuple(str(part) for part in term.factors) for term in of.terms)
        for section in (*derived.forward, *derived.backward)
        for of in section.quantities
    }
    assert dict(terms(line) for line in answers[case.address]["sums"]) == expected


@pytest.mark.parametrize("case", cases(POOLS))
def test_a_pool(case, answers):
    answer, more = answers[case.address], {"ceil_mode": "ceil" in case.more}
    if case.operation == "avg_pool":
        more["count_include_pad"] = "inside" not in case.more
    pool = partial(getattr(jaxcnn, case.operation), size=case.window.size, **options(case))
    try:
        y, vjp = jax.vjp(partial(pool, **more), image(case.x))
    except ValueError:
        assert answer["problem"]
        return
    assert not answer["problem"]
    (dx,) = vjp(image(case.dy))
    for name, value in {"y": y, "dx": dx}.items():
        found = array(answer, name, value.shape)
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("case", cases(NORMS))
def test_a_batch_norm(case, answers):
    answer, x = answers[case.address], image(case.x)
    scale = jnp.asarray([float(case.more.partition("=")[2])], jnp.float32)
    state = jaxcnn.BatchNormState(jnp.zeros(1), jnp.ones(1))

    def norm(x, scale, bias):
        return jaxcnn.batch_norm(x, scale, bias, state, train=True)[0]

    y, vjp = jax.vjp(norm, x, scale, jnp.zeros(1))
    dx, dscale, dbias = vjp(image(case.dy))
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    close(array(answer, "y", y.shape), y)
    close(array(answer, "dx", x.shape), dx)
    close([answer["dscale"], answer["dbias"]], [float(dscale[0]), float(dbias[0])])


def test_the_sums_of_the_document(answers):
    """As "CNN Basics" writes them, for a 4x4 input and a 3x3 kernel."""
    sums = answers[DOCUMENT]["sums"]
    for line in (
        "y_11 = x_11 k_11 + x_12 k_12 + x_13 k_13 + x_21 k_21 + x_22 k_22 + x_23 k_23"
        " + x_31 k_31 + x_32 k_32 + x_33 k_33",
        "dJ/dx_11 = dJ/dy_11 k_11",
        "dJ/dx_12 = dJ/dy_11 k_12 + dJ/dy_12 k_11",
        "dJ/dx_13 = dJ/dy_11 k_13 + dJ/dy_12 k_12",
        "dJ/dk_11 = dJ/dy_11 x_11 + dJ/dy_12 x_12 + dJ/dy_21 x_21 + dJ/dy_22 x_22",
        "dJ/dk_12 = dJ/dy_11 x_12 + dJ/dy_12 x_13 + dJ/dy_21 x_22 + dJ/dy_22 x_23",
    ):
        assert line in sums
    assert len(sums) == 4 + 16 + 9


def test_the_sum_of_a_convolution_has_the_same_products(answers):
    """The full convolution has one for each tap; those that meet padding are 0."""
    answer = answers[DOCUMENT]
    gradients = [line for line in answer["sums"] if line.startswith("dJ")]
    for line, again in zip(gradients, answer["windowSums"], strict=True):
        name, _, terms = again.partition(" = ")
        met = [term for term in terms.split(" + ") if not term.startswith("0 ")]
        assert line == f"{name} = {' + '.join(met)}"
    assert answer["windowSums"][0].startswith("dJ/dx_11 = 0 k_33 + 0 k_32 + ")
