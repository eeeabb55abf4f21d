"""Derivations: the sums of the source document come out, every operation and many
shapes agree with the code, and what is wrong is found."""

from __future__ import annotations

import subprocess
import sys
from xml.dom import minidom

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops
from jaxcnn.derive import (
    OPERATIONS,
    DisagreementError,
    TooLargeError,
    convolutions,
    derive,
    to_html,
    to_latex,
    to_text,
)
from jaxcnn.derive.latex import sum_in_latex
from jaxcnn.derive.text import said

OPTIONS = {
    "conv": {
        "input_shape": (5, 4),
        "kernel": (3, 2),
        "stride": 2,
        "padding": ((1, 0), (-1, 2)),
        "batch": 2,
        "channels": 4,
        "outputs": 2,
        "groups": 2,
    },
    "convolve": {"input_shape": (4,), "kernel": (3,), "padding": "full"},
    "dense": {"features": 3, "outputs": 2, "batch": 2},
    "max_pool": {"input_shape": (4, 5), "size": (2, 3), "stride": 1, "padding": 1},
    "avg_pool": {"input_shape": (5,), "size": (2,), "padding": 1, "ceil_mode": True},
    "global_max_pool": {"input_shape": (3,), "channels": 2},
    "global_avg_pool": {"input_shape": (3,), "batch": 2},
    "batch_norm": {"input_shape": (2,), "batch": 2, "channels": 2},
    "layer_norm": {"batch": 2, "channels": 3},
    "softmax_cross_entropy": {"classes": 3, "batch": 2},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation(operation):
    """`derive` compares with the code; and each form has every sum."""
    found = derive(operation, **OPTIONS.get(operation, {"size": 3}))
    assert found.difference < 1e-6
    sums = [q for section in (*found.forward, *found.backward) for q in section.quantities]
    text, latex, page = to_text(found), to_latex(found), to_html(found)
    assert all(f"  {q.symbol.name} = " in text for q in sums)
    compared = sum(len(comparison.pairs) for comparison in found.comparisons)
    assert latex.count(" = ") >= len(sums) + compared
    assert page.count("<math>") == len(sums) + 2 * compared
    minidom.parseString(f"<div>{page}</div>")  # well-formed
    assert all(section.source for section in (found.forward[-1], *found.backward[-1:]))


def test_the_sums_of_the_source_document():
    """Of a 4x4 image and a 3x3 kernel, whose output is 2x2, in the document's order."""
    found = derive("conv", input_shape=(4, 4), kernel=(3, 3), bias=False)
    for name, start in {
        "y11": "x11 k11 + x12 k12 + x13 k13 +",
        "y12": "x12 k11 + x13 k12 + x14 k13 +",
        "y21": "x21 k11 + x22 k12 + x23 k13 +",
    }.items():
        assert said(found.sum_of(name)).startswith(start)
    for name, whole in {
        "dJ/dx11": "dJ/dy11 k11",
        "dJ/dx12": "dJ/dy11 k12 + dJ/dy12 k11",
        "dJ/dk11": "dJ/dy11 x11 + dJ/dy12 x12 + dJ/dy21 x21 + dJ/dy22 x22",
        "dJ/dk12": "dJ/dy11 x12 + dJ/dy12 x13 + dJ/dy21 x22 + dJ/dy22 x23",
    }.items():
        assert said(found.sum_of(name)) == whole
    assert sum_in_latex(found.sum_of("dJ/dx11")) == (
        r"\frac{\partial J}{\partial y_{11}} \, k_{11}"
    )


def test_the_slips_of_the_source_document():
    """dJ/dx13 has dJ/dy13, not dJ/dy12 twice. The kernel gradient adds up images, and
    the bias gradient images and space, for each channel."""
    found = derive("conv", input_shape=(5, 5), kernel=(3, 3))
    assert said(found.sum_of("dJ/dx13")) == "dJ/dy11 k13 + dJ/dy12 k12 + dJ/dy13 k11"
    found = derive("conv", input_shape=(2,), kernel=(2,), batch=2, outputs=2)
    assert said(found.sum_of("dJ/dk[1;1]")) == "dJ/dy[1;1] x[1;1] + dJ/dy[2;1] x[2;1]"
    assert said(found.sum_of("dJ/db1")) == "dJ/dy[1;1] + dJ/dy[2;1]"
    assert "dJ/dx13" in to_text(found) and "(+=)" in to_text(found)


@pytest.mark.parametrize("seed", range(12))
def test_convolutions_of_any_shape(seed):
    """1 to 3 axes, with remainders, negative pads, dilation and groups: both gradients
    are the convolutions that are claimed, term by term."""
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 4))
    kernel = tuple(int(k) for k in rng.integers(1, 4 if axes < 3 else 3, axes))
    dilation = tuple(int(d) for d in rng.integers(1, 3, axes))
    groups = int(rng.integers(1, 3))
    found = derive(
        "conv" if seed % 3 else "convolve",
        seed=seed,
        input_shape=tuple(
            int((k - 1) * d + rng.integers(3, 5)) for k, d in zip(kernel, dilation, strict=True)
        ),
        kernel=kernel,
        stride=tuple(int(s) for s in rng.integers(1, 4, axes)),
        padding=tuple((int(a), int(b)) for a, b in rng.integers(-1, 3, (axes, 2))),
        dilation=dilation,
        groups=groups,
        channels=groups,
        outputs=groups,
        batch=int(rng.integers(1, 3)),
    )
    assert found.difference == 0
    assert {comparison.statement.name for comparison in found.comparisons} == {"x", "k"}


def test_an_input_that_nothing_sees():
    found = derive("conv", input_shape=(4,), kernel=(1,), stride=2, values={"x": [1, 2, 3, 4]})
    assert said(found.sum_of("dJ/dx2")) == "0"
    assert "  dJ/dx2 = 0" in to_text(found).splitlines()


def test_a_tie_goes_to_the_first():
    found = derive(
        "max_pool", input_shape=(2, 2), size=(2, 2), values={"x": [1, 7, 7, 7], "dy": [5]}
    )
    got = [found.values[q.symbol] for q in found.backward[0].quantities]
    assert got == [0, 5, 0, 0]


def test_numbers_of_ones_own():
    """The example of the source document: 2x2 windows of this image."""
    image = [1, 3, 2, 4, 5, 6, 7, 8, 9, 2, 3, 1, 4, 0, 1, 5]
    found = derive("max_pool", input_shape=(4, 4), size=(2, 2), values={"x": image})
    assert [found.values[q.symbol] for q in found.forward[0].quantities] == [6, 8, 9, 5]
    assert "y12 = max(x13, x14, x23, x24) = max(2, 4, 7, 8) = 8" in to_text(found)


# What is wrong is found.


def test_other_numbers_of_the_code(monkeypatch):
    monkeypatch.setattr(ops, "conv", lambda x, k, b, **options: jnp.zeros((1, 2, 1)))
    with pytest.raises(DisagreementError, match="the output and the code differ"):
        derive("conv", input_shape=(4,), kernel=(3,))


def test_another_gradient_of_the_code(monkeypatch):
    right = ops.conv

    def half(x, k, b, **options):
        return right(x, k, b, **options) / 2 + jnp.asarray(right(x, k, b, **options) / 2).round(4)

    monkeypatch.setattr(ops, "conv", half)
    with pytest.raises(DisagreementError, match="gradient of"):
        derive("conv", input_shape=(4,), kernel=(3,))


def test_a_wrong_statement(monkeypatch):
    """A kernel that is not flipped."""
    right = convolutions._of_the_input
    monkeypatch.setattr(
        convolutions, "_of_the_input", lambda dy, k, problem: right(dy, k[::-1], problem)
    )
    with pytest.raises(DisagreementError, match=r"not the full convolution .*: dJ/dx1, "):
        derive("conv", input_shape=(4,), kernel=(3,))


@pytest.mark.parametrize(
    ("operation", "options", "message"),
    [
        ("conv2d", {}, "operation must be one of conv, .*, got 'conv2d'"),
        ("conv", {"input_shape": (4,), "kernel": (3,), "strides": 2}, "unexpected keyword"),
        ("conv", {"input_shape": (4,), "kernel": (5,)}, "larger than its padded input"),
        (
            "dense",
            {"features": 2, "outputs": 1, "values": {"v": [1]}},
            "'v'; there are x, w, b, dy",
        ),
        ("relu", {"size": 2, "values": {"x": [1]}}, r"values\['x'\] must have 2 numbers"),
        ("relu", {"size": 1, "values": {"x": ["a"]}}, "must be numbers, got"),
        ("max_pool", {"input_shape": (2,), "size": (1,), "padding": 1}, "sees only padding"),
    ],
)
def test_refused(operation, options, message):
    with pytest.raises(ValueError, match=message):
        derive(operation, **options)


def test_too_large():
    with pytest.raises(TooLargeError, match="derive writes out at most 20,000"):
        derive("conv", input_shape=(64, 64), kernel=(3, 3))


def test_nothing_else_imports_sympy():
    code = "import jaxcnn, sys; jaxcnn.conv; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
