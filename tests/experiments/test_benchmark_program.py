"""The program of the benchmark: what it refuses, whole runs of tiny cases, and
interrupted runs."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import pytest
from rich.console import Console

from experiments.benchmark import accuracy, cases, growth, operations, program, repetitions
from experiments.benchmark.case import Case
from experiments.benchmark.config import Config, check, chosen_cases
from experiments.benchmark.program import command_line
from jaxcnn.programs.options import ConfigError
from tests.experiments.tiny import CONVOLUTIONS, OPERATIONS, once


class Run(NamedTuple):
    status: int
    out: str
    err: str


def run(*options: str) -> Run:
    """The program in this process, so that what is patched holds; its output as where
    there is no terminal."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(program, "Console", partial(Console, force_terminal=False))
        status = command_line(options)
    return Run(status, out.getvalue(), err.getvalue())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--families", "dens"],
            '--families has dens; there are dense, "few channels", 1x1, strided',
        ),
        (
            ["--parts", "operations", "memory"],
            "--parts memory goes with steps: it is the memory of them",
        ),
        (
            ["--parts", "operations", "speed"],
            "--parts has speed; there are operations, accuracy, growth, steps, memory",
        ),
        (["--places", "loop"], '--places has loop; there are "top level", scan'),
        (["--dtypes", "float16"], "--dtypes has float16; there are float32, bfloat16"),
        (
            ["--passes", "backward"],
            '--passes has backward; there are forward, "input gradient", "kernel gradient"',
        ),
        (
            ["--methods", "LAX"],
            "--methods has LAX; there are lax, nhwc, side_by_side, im2col",
        ),
        (["--cases", "9x9"], '--cases has 9x9; there are "3x3 16->16"'),
        (["--repetitions", "0"], "--repetitions must be at least 1, got 0"),
        (["--dtypes"], "--dtypes must have one at least"),
        (["--families", "norm", "--passes", "kernel gradient"], "no case is left"),
        (["--output", __file__], "--output must be a folder that can be written"),
        (
            ["--summarise", "nowhere"],
            (
                "--summarise must be a folder with operations.json, accuracy.json, growth.json,"
                " steps.json, got nowhere"
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused(options, words, monkeypatch):
    monkeypatch.setattr(program, "matrix_product_rate", lambda dtype: pytest.fail("it measures"))
    result = run(*options)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("benchmark: ")
    assert words in result.err
    assert result.err.count("\n") == 1


def test_choice_of_cases():
    chosen = chosen_cases(Config(families=("depthwise",), cases=("7x7", "5x5")))
    assert [case.id for case in chosen] == ["5x5 dw 120", "7x7 dw 192", "7x7 dw 96 batch 1"]
    assert {case.family for case in chosen_cases(Config(passes=("gradient",)))} == {
        "max pool",
        "average pool",
        "norm",
        "other",
    }
    assert "large" not in {case.family for case in chosen_cases(Config(places=("scan",)))}
    assert chosen_cases(Config()) == list(cases.CASES)
    with pytest.raises(ConfigError):
        check(Config(families=("none",)))


@pytest.fixture
def tiny(monkeypatch) -> tuple[Case, ...]:
    """A table of two, quick timings, and a point of growth on each axis."""
    tiny_cases = (CONVOLUTIONS[5], OPERATIONS[0]._replace(family="max pool"))
    monkeypatch.setattr(cases, "CASES", tiny_cases)
    monkeypatch.setattr(
        program,
        "matrix_product_rate",
        partial(repetitions.matrix_product_rate, size=16, repetitions=1),
    )
    monkeypatch.setattr(growth, "KINDS", ("dense 3x3",))
    monkeypatch.setattr(growth, "AXES", {"batch": (1, 2), "channels": (2, 4)})
    monkeypatch.setattr(growth, "Sizes", lambda: GROWTH_START)
    return tiny_cases


GROWTH_START = growth.Sizes(1, 4, 2)


def report(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_whole_run(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "not" / "there yet"
    result = run(
        "--parts",
        "operations",
        "growth",
        "--passes",
        "forward",
        "gradient",
        "--repetitions",
        "2",
        "--output",
        str(folder),
    )
    assert (result.status, result.err) == (0, "")
    charts = ["growth.png", "operations.png", "peak.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["README.md", *charts, "growth.json", "operations.json"]
    )
    for chart in charts:
        assert (folder / chart).read_bytes().startswith(b"\x89PNG")
    assert "all columns agree" in result.out

    found = report(folder, "operations")
    environment = found["environment"]
    assert environment["command"].startswith(
        "python -m experiments.benchmark --parts operations growth --passes forward gradient --rep"
    )
    assert environment["repetitions"] == 2
    assert environment["jax"] == jax.__version__
    assert set(environment["matrix_product_gflops"]) == {"float32", "bfloat16"}
    names = [(row["case"], row["dtype"], row["pass"], row["place"]) for row in found["rows"]]
    assert names == [
        (case.id, dtype, name, place)
        for case in tiny
        for dtype in ("float32", "bfloat16")
        for name in case.passes
        if "kernel" not in name and "input" not in name
        for place in ("top level", "scan")
    ]
    for one in found["rows"]:
        assert (
            one["columns"]["explicit"]["low"]
            <= one["columns"]["explicit"]["median"]
            <= one["columns"]["explicit"]["high"]
        )
        assert (one["peak_fraction"] is None) == (one["family"] == "max pool")
    points = [
        (row["kind"], row["axis"], row["batch"], row["image"], row["channels"])
        for row in report(folder, "growth")["rows"]
    ]
    assert points == [
        ("dense 3x3", "batch", 1, 4, 2),
        ("dense 3x3", "batch", 2, 4, 2),
        ("dense 3x3", "channels", 1, 4, 2),
        ("dense 3x3", "channels", 1, 4, 4),
    ]

    # From the files alone, with the same tables.
    for name in ("measure_passes", "measure_growth", "matrix_product_rate"):
        monkeypatch.setattr(program, name, lambda *_: pytest.fail("it measures"))
    for chart in charts:
        (folder / chart).unlink()
    again = run("--summarise", str(folder))
    assert (again.status, again.err) == (0, "")
    assert (
        again.out == result.out[result.out.index("Time of plain") : result.out.index("written to")]
    )
    assert all((folder / chart).is_file() for chart in charts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "module", "measure", "rows"),
    [
        ("operations", operations, "measure_case", 4),
        ("accuracy", accuracy, "measure_errors", 2),
        ("growth", growth, "measure_point", 1),
    ],
)
def test_interrupted_run_leaves_what_it_has(
    part, module, measure, rows, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(cases, "CASES", CONVOLUTIONS[:2])
    whole, calls = getattr(module, measure), []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(module, measure, interrupted)
    for timed in (operations, growth):
        monkeypatch.setattr(timed, "time_calls", lambda functions, *_: once(functions, 1))
    result = run("--passes", "forward", "--parts", part, "--output", str(tmp_path))
    assert (result.status, result.err) == (
        130,
        f"benchmark: interrupted; what was measured so far is in {tmp_path}\n",
    )
    left = report(tmp_path, part)["rows"]
    assert len(left) == rows
    assert {row["case"] for row in left if part != "growth"} <= {CONVOLUTIONS[0].id}
