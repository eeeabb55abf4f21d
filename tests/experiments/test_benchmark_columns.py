"""The columns of the benchmark compute the same, and one that does not is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rich.console import Console

import jaxcnn
from experiments.benchmark import cases, columns, operations, peers, repetitions, values
from experiments.benchmark.case import Case
from experiments.benchmark.config import Config
from jaxcnn.check.cases import ids
from tests.experiments.tiny import CONVOLUTIONS, OPERATIONS, once

SOME_CONVOLUTIONS = CONVOLUTIONS[1], CONVOLUTIONS[5], CONVOLUTIONS[9]


@pytest.fixture
def timed_once(monkeypatch):
    monkeypatch.setattr(repetitions, "interleaved", once)


def check_columns(case: Case, config: Config) -> None:
    rows = list(operations.measure_case(case, config, {}))
    assert len(rows) == len(case.passes) * len(config.places)
    for row in rows:
        torch = [columns.PYTORCH] if row["place"] == "top level" and peers.available() else []
        assert list(row["columns"]) == ["plain", "autodiff", "explicit", *torch]
        known = (
            {"plain"}
            if (config.dtypes, case.arguments.keys() >= {"scale"}) == (("bfloat16",), True)
            else set()
        )
        assert {*row["disagrees"]} <= known, {
            name: found["error"] for name, found in row["columns"].items()
        }


@pytest.mark.slow
@pytest.mark.parametrize("case", **ids(CONVOLUTIONS + OPERATIONS))
def test_columns_agree(case, timed_once):
    """In every pass and place."""
    check_columns(case, Config(dtypes=("float32",)))


@pytest.mark.slow
@pytest.mark.parametrize("case", **ids((*SOME_CONVOLUTIONS, *OPERATIONS)))
def test_columns_agree_in_bfloat16(case, timed_once):
    """At the top level, where all columns are. Plain JAX is left out for norms, because
    it loses digits of their sums."""
    check_columns(case, Config(dtypes=("bfloat16",), places=("top level",)))


def test_pytorch_is_a_column():
    pytest.importorskip("torch", reason="PyTorch is an optional peer")
    assert peers.available()


def test_a_wrong_column_is_named(monkeypatch, timed_once, capsys):
    wrong = jaxcnn.EXPLICIT._replace(
        conv=lambda x, w, **options: 1.01 * jaxcnn.conv(x, w, **options)
    )
    monkeypatch.setitem(columns.OPS, "explicit", wrong)
    monkeypatch.setattr(cases, "CASES", CONVOLUTIONS[:1])
    config = Config(dtypes=("float32",), passes=("forward",))
    rows = list(operations.measure_passes(config, Console(width=200), {}))
    assert [row["disagrees"] for row in rows] == [["explicit"]] * 2
    assert [row["identical"] for row in rows] == [False, False]
    assert rows[0]["columns"]["explicit"]["error"] == pytest.approx(0.01, rel=1e-3)
    assert (
        f"explicit is off by 1.0e-02 of the largest entry: {CONVOLUTIONS[0].id}, forward, scan"
        in capsys.readouterr().out
    )


def test_errors_of_arrays():
    a = np.array([1.0, -4.0])
    assert values.relative_error([a], [a]) == 0
    assert values.relative_error([a, a], [a, a + np.array([0, 1])]) == pytest.approx(1 / 3)
    assert values.relative_error([np.array([1.0, np.nan])], [a]) == math.inf
    assert values.relative_error([a[:1]], [a]) == math.inf
    assert values.relative_error([a], [a, a]) == math.inf
    assert values.relative_error([np.zeros(2)], [np.zeros(2)]) == 0


def test_a_method_that_refuses_has_no_entry(timed_once):
    config = Config(
        dtypes=("float32",),
        places=("top level",),
        passes=("kernel gradient",),
        methods=("depthwise", "lax"),
    )
    (dense,) = operations.measure_case(CONVOLUTIONS[0], config, {})
    (depthwise,) = operations.measure_case(CONVOLUTIONS[5], config, {})
    assert {"lax"} == {*config.methods} & {*dense["columns"]}
    assert {"lax", "depthwise"} == {*config.methods} & {*depthwise["columns"]}
    assert depthwise["disagrees"] == []
    assert "depthwise/explicit" in depthwise["ratios"]


def test_an_error_of_another_column_is_raised(monkeypatch):
    def refuse(*args):
        raise ValueError("no such pass")

    monkeypatch.setattr(columns, "make_pass", lambda *_: refuse)
    dense, place = CONVOLUTIONS[0], ("forward", "top level", "float32")
    assert columns.compile_pass(dense, "depthwise", *place) is None
    with pytest.raises(ValueError, match="no such pass"):
        columns.compile_pass(dense, "explicit", *place)


def test_methods_are_the_public_ones():
    assert {"lax", "nhwc", "depthwise", "auto"} <= columns.METHODS.keys()
    assert columns.METHODS["lax"] is jaxcnn.methods.LAX


def test_a_scan_has_the_operands_that_a_pass_needs_and_is_a_loop():
    for name, wanted in (
        ("forward", [(2, 2, 5, 6, 3), (2, 3, 3, 3, 4)]),
        ("input gradient", [(2, 2, 3, 4, 4), (2, 3, 3, 3, 4)]),
    ):
        compiled = columns.compile_pass(CONVOLUTIONS[0], "plain", name, "scan", "float32")
        assert compiled is not None
        assert [aval.shape for aval in compiled.in_avals[0]] == wanted
        assert " while(" in (compiled.as_text() or "")
