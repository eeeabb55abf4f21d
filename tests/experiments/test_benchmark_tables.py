"""What the benchmark says of its rows: means, targets, tables."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from experiments.benchmark import means, tables
from jaxcnn.programs.readable import NONE, TIMES


def row(
    family="dense",
    pass_name="forward",
    place="top level",
    dtype="float32",
    median=2.0,
    high=None,
    identical=False,
    **more,
):
    ratios = {
        "plain/explicit": {
            "median": median,
            "low": median,
            "high": high or median,
            "coverage": 0.96,
        }
    }
    times = {"median": 1.0, "low": 1.0, "high": 1.0, "utilisation": 1.0, "error": 0.0}
    return {
        "case": f"{family} {median}",
        "family": family,
        "network": "none",
        "pass": pass_name,
        "place": place,
        "dtype": dtype,
        "columns": {"plain": times, "explicit": times},
        "ratios": ratios,
        "disagrees": [],
        "repetitions": 9,
        "identical": identical,
        "flops": 100,
        "peak_fraction": 0.5,
        **more,
    }


def test_geometric_mean_with_identical_programs_as_one():
    rows = [
        row(median=2),
        row(median=8),
        row(median=0.5, identical=True),
        row(median=100, place="scan"),
        row("1x1", median=9),
    ]
    found = means.family_spread(rows, ("dense",), "top level", "float32")
    assert found == (pytest.approx(16 ** (1 / 3)), 1, 8, 3)
    assert means.family_spread(rows, ("dense",), "top level", "bfloat16") is None
    assert means.family_spread(
        rows, ("dense", "1x1"), "top level", "float32"
    ).mean == pytest.approx(144**0.25)


def test_what_is_slower():
    rows = [
        row(median=0.9, high=0.949),
        row(median=0.5, high=0.6),
        row(median=0.9, high=0.95),
        row(median=0.5, high=1.5),
        row(median=0.5, identical=True),
        row(median=2.0),
    ]
    assert means.slower(rows) == [rows[1], rows[0]]


def test_targets():
    goals = {target.name: target for target in means.TARGETS}
    dense, scan = goals["dense, top level"], goals["all convolutions, in a scan"]
    rows = [
        row(median=4),
        row(median=0.25, pass_name="kernel gradient"),
        row(median=0.01, dtype="bfloat16"),
    ]
    assert means.judge(dense, rows, "float32") == (dense, 1.0)
    assert means.judge(dense, rows, "float32").met is True
    assert means.judge(dense, rows, "bfloat16").met is False
    assert means.judge(scan, rows, "float32") == (scan, None)
    assert means.judge(scan, rows, "float32").met is None

    rows = [
        row(family, place="scan", median=m)
        for family, m in (("dense", 40), ("dense", 10), ("1x1", 9), ("max pool", 1))
    ]
    verdict = means.judge(scan, rows, "float32")
    assert (verdict.got, verdict.met) == (pytest.approx(3600 ** (1 / 3)), True)
    assert means.judge(scan, rows[1:], "float32").met is False

    pool = goals["max pool, gradient, top level"]
    rows = [
        row("max pool", median=1),
        row("max pool", "gradient", median=12),
        row("max pool", "gradient", "scan", median=1),
    ]
    assert means.judge(pool, rows, "float32").met is True


def test_stated_goals():
    assert [target.goal for target in means.TARGETS] == [1, 2, 3, 3, 10, 30, 10, 12, 3]


def test_printed_summary(capsys):
    rows = [
        row(median=2),
        row(median=0.5, high=0.6, disagrees=["plain"]),
        row("max pool", "gradient", median=20),
    ]
    console = Console(width=160)
    for entry in tables.operation_tables(rows):
        console.print(entry)
    out = capsys.readouterr().out
    assert re.search(rf"dense +│ +1.00{TIMES} \(0.50{TIMES} to 2.0{TIMES}\)", out)
    assert re.search(rf"max pool, gradient, top level +│ +12{TIMES} │ +20{TIMES} │ yes", out)
    assert re.search(rf"grouped, top level +│ +10{TIMES} │ +{NONE} │ not measured", out)
    assert "1 of 3 passes is slower than plain" in out
    assert "1 column of these passes disagrees with plain JAX in float32" in out
    assert (
        "plain is off by 0.0e+00 of the largest entry: dense 0.5, forward, top level, float32"
        in out
    )


def test_exponent_of_growth(capsys):
    def point(batch, explicit, plain):
        times = {
            name: {"median": t, "low": t, "high": t, "utilisation": 1}
            for name, t in (("explicit", explicit), ("plain", plain))
        }
        ratios = {"plain/explicit": {"median": plain / explicit}}
        return {
            "kind": "dense 3x3",
            "axis": "batch",
            "batch": batch,
            "image": 4,
            "channels": 2,
            "columns": times,
            "ratios": ratios,
        }

    console = Console(width=160)
    console.print(tables.growth_table([point(64, 8, 128), point(8, 1, 2)]))
    assert re.search(
        rf"batch │ +8 │ 64 │ +1.00 │ +2.00 │ +2.0{TIMES} │ +16{TIMES}", capsys.readouterr().out
    )
