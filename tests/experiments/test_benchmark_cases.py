"""The tables of the benchmark: sizes, families, the shapes of each pass."""

from __future__ import annotations

from collections import Counter
from functools import partial

import jax
import pytest

import jaxcnn
from experiments.benchmark import cases, columns
from jaxcnn.check.cases import ids
from tests.experiments.tiny import OPERATIONS, conv


def test_ids_are_unique():
    assert [id for id, n in Counter(case.id for case in cases.CASES).items() if n > 1] == []


def test_there_are_enough_cases_in_every_family():
    count = Counter(case.family for case in cases.CASES)
    convolutions = (
        "dense",
        "few channels",
        "1x1",
        "strided",
        "transposed",
        "grouped",
        "depthwise",
        "dilated",
    )
    assert (*convolutions, "1-D audio", "3-D video", "large") == cases.CONV_FAMILIES
    assert (*cases.CONV_FAMILIES, "max pool", "average pool", "norm", "other") == cases.FAMILIES
    assert min(count.values()) >= 4
    assert 50 <= len(cases.CONV_CASES) <= 65


@pytest.mark.parametrize("case", **ids(cases.CONV_CASES))
def test_convolutions_are_valid(case):
    """jaxcnn takes them; no pad is negative; and they are small enough for slow loops,
    or large and in no scan."""
    x, w = (jax.ShapeDtypeStruct(shape, "float32") for shape in (case.x, case.w))
    assert jax.eval_shape(partial(jaxcnn.conv, **case.options), x, w).shape == case.y
    pads = case.window.pads
    assert min(pad for pair in pads for pad in pair) >= 0
    most = 10e9 if case.places == ("top level",) else 150e6
    assert (8e6 if case.options.get("groups") else 20e6) < case.flops < most
    if case.transposed:
        assert all(lo == hi for lo, hi in pads), "PyTorch has no other transposed convolutions"


@pytest.mark.slow
@pytest.mark.parametrize("case", **ids(cases.CASES))
def test_passes_have_shapes(case):
    for name in case.passes:
        shapes = columns.operand_shapes(case, name, "bfloat16")
        values = [
            jax.eval_shape(columns.make_pass(case, column, name), *shapes) for column in columns.OPS
        ]
        found = [[(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(value)] for value in values]
        if (
            case.family != "norm"
        ):  # plain JAX keeps bfloat16 statistics as float32 or not, as it comes
            assert found[0] == found[1] == found[2]
        if "gradient" in name:
            names = [name for name in columns.operands(case, "forward") if name != "labels"]
            wanted = {"input gradient": ["x"], "kernel gradient": ["w"]}.get(name, names)
            assert [shape for shape, _ in found[2]] == [case.arguments[name] for name in wanted]


def test_flops():
    """Counted by hand: outputs times taps times input channels of a group, twice."""
    assert conv("dense", (2, 5, 6, 3), (3, 3, 3, 4)).flops == 2 * (2 * 3 * 4 * 4) * (3 * 3 * 3)
    assert conv("grouped", (2, 6, 6, 4), (3, 3, 2, 6), padding=1, groups=2).flops == 2 * (
        2 * 36 * 6
    ) * (9 * 2)
    assert (
        conv("depthwise", (1, 8, 8, 5), (3, 3, 1, 5), padding=1, groups=5, stride=2).flops
        == 2 * (16 * 5) * 9
    )
    assert conv("transposed", (1, 8, 8, 3), (2, 2, 3, 7), stride=2).flops == 2 * (16 * 7) * (4 * 3)
    assert conv("1-D audio", (2, 9, 2), (2, 2, 3), padding="causal").flops == 2 * (2 * 9 * 3) * (
        2 * 2
    )
    assert OPERATIONS[0].flops is None
