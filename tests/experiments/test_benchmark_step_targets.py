"""Targets of training steps are judged as stated, and their tables and picture show
what was measured."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.benchmark.columns import PYTORCH
from experiments.benchmark.step_charts import draw_steps
from experiments.benchmark.step_tables import step_tables
from experiments.benchmark.step_targets import interval, verdicts
from jaxcnn.programs.readable import SPACE, TIMES


def ratio_of(median, low=None, high=None):
    return {
        "median": median,
        "low": low or 0.98 * median,
        "high": high or 1.02 * median,
        "coverage": 0.97,
    }


def made_up(
    network="lenet",
    mode="one by one",
    devices=1,
    plain=2.5,
    autodiff=1.0,
    pytorch=1.2,
    compiling=1.2,
    scan=None,
):
    ratios = {
        "plain/explicit": ratio_of(plain),
        "autodiff/explicit": ratio_of(autodiff),
        "pytorch/explicit": ratio_of(pytorch),
    }
    column = {
        "quartiles_ms": [9.0, 12.0],
        "utilisation": 1.5,
        "compile_seconds": 1.0,
        "temp_bytes": 10,
    }
    ms = {
        "plain": 10.0 * plain,
        "autodiff": 10.0 * autodiff,
        "explicit": 10.0,
        PYTORCH: 10.0 * pytorch,
    }
    return {
        "network": network,
        "mode": mode,
        "devices": devices,
        "columns": {
            name: (
                {**column, "ms": value, "quartiles_ms": [0.9 * value, 1.2 * value]}
                | ({"compile_seconds": None} if name == PYTORCH else {})
            )
            for name, value in ms.items()
        },
        "ratios": ratios,
        "compile_ratio": compiling,
        "scan_ratio": None if scan is None else ratio_of(scan),
    }


def made_up_memory(ratio, network="lenet", mode="one by one"):
    columns = {
        "plain": {"steps_bytes": 100, "temp_bytes": 90},
        "explicit": {"steps_bytes": 100 * ratio, "temp_bytes": None},
    }
    return {"network": network, "mode": mode, "columns": columns, "ratio": ratio}


def met(*rows, memory=()):
    """Whether each target is, by the beginning and the end of what it is about."""
    found = verdicts({"steps": rows, "memory": memory})
    return {
        (verdict.subject.split(":")[0], verdict.subject.rpartition(": ")[2]): verdict.met
        for verdict in found
    }


@pytest.mark.parametrize(
    ("network", "title", "target"),
    [("lenet", "LeNet", 2), ("resnet20", "ResNet-20", 2), ("mobilenet", "MobileNet", 7)],
)
def test_target_against_plain(network, title, target):
    subject = (f"{title}, one by one, 1 device", "plain / explicit")
    assert met(made_up(network, plain=1.001 * target))[subject]
    assert not met(made_up(network, plain=0.999 * target))[subject]
    assert subject not in met(made_up(network, mode="accumulated"))


def test_target_in_a_scan():
    subject = ("LeNet, explicit, 2 devices", "in a scan / one by one")
    assert met(made_up(mode="in a scan", devices=2, scan=1.09))[subject]
    assert not met(made_up(mode="in a scan", devices=2, scan=1.11))[subject]
    assert subject not in met(made_up())


def test_target_against_pytorch_is_of_the_number_of_devices_on_which_explicit_is_faster():
    """Not of the one with the better ratio: what else the machine did then may have
    slowed PyTorch down."""
    one, two = made_up(pytorch=1.3), made_up(devices=2, pytorch=1.1)
    two["columns"]["explicit"]["ms"] = 6.0
    [verdict] = [v for v in verdicts({"steps": [one, two], "memory": []}) if "PyTorch" in v.subject]
    assert verdict == (
        "LeNet, one by one: PyTorch / explicit",
        "at least 1",
        f"1.10{TIMES} (1.08 to 1.12), 2 devices",
        True,
    )
    subject = ("LeNet, one by one", "PyTorch / explicit")
    two["ratios"]["pytorch/explicit"] = ratio_of(0.99)
    assert not met(one, two)[subject]
    assert met(one)[subject]


@pytest.mark.parametrize("base", ["plain", "autodiff"])
def test_never_slower_is_judged_by_the_upper_end(base):
    subject = ("LeNet, everywhere", f"{base} / explicit, upper end")
    assert met(made_up(), made_up(mode="accumulated", **{base: 0.94}))[subject], "0.94 * 1.02"
    assert not met(made_up(), made_up(mode="accumulated", **{base: 0.93}))[subject]


def test_targets_of_compile_time_and_memory():
    subject = ("LeNet, everywhere", "compile time / plain's")
    assert met(made_up(), made_up(devices=2, compiling=1.5))[subject]
    assert not met(made_up(), made_up(devices=2, compiling=1.51))[subject]
    rows = [made_up_memory(1.0), made_up_memory(1.01, mode="in a scan")]
    assert met(memory=rows) == {
        ("LeNet, one by one", "peak memory / plain's"): True,
        ("LeNet, in a scan", "peak memory / plain's"): False,
    }


def test_summary_of_made_up_rows():
    rows = [made_up(), made_up(mode="in a scan", scan=1.2)]
    tables = step_tables({"steps": rows, "memory": [made_up_memory(0.5)]})
    console = Console(width=200, record=True, file=io.StringIO())
    for table in tables:
        console.print(table)
    text = console.export_text().replace(SPACE, " ").replace(TIMES, "x")
    for words in (
        "2.50x (2.45 to 2.55)",
        "1.0, 1.20x",
        "100 B (90 B)",
        "50 B",
        "at most 1.1",
        "1.20x (1.18 to 1.22)",
    ):
        assert words in text, words
    assert interval(ratio_of(2.0, 1.0, 3.0)) == f"2.00{TIMES} (1.00 to 3.00)"


def test_picture_without_pytorch(tmp_path):
    row = made_up("mobilenet")
    del row["columns"][PYTORCH], row["ratios"]["pytorch/explicit"]
    draw_steps(
        {"steps": [row, made_up(mode="in a scan", scan=1.0)], "memory": []}, tmp_path / "steps.png"
    )
    assert (tmp_path / "steps.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="no step to draw"):
        draw_steps({"steps": [], "memory": []}, tmp_path / "none.png")
