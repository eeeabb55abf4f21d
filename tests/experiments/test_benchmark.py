"""The benchmark: its table, that its columns compute the same, its arithmetic, what it
refuses, and a whole run of tiny cases."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import jaxcnn
from experiments.benchmark import accuracy, columns, growth, operations, peers, program, summary
from experiments.benchmark import cases as table
from experiments.benchmark.cases import BenchmarkCase, Case, OperationCase
from experiments.benchmark.config import Config, OptionError, check, chosen_cases
from experiments.benchmark.program import command_line
from jaxcnn.check.cases import ids
from jaxcnn.programs.readable import NONE, TIMES
from jaxcnn.programs.timing import Timing


@pytest.fixture(scope="module", autouse=True)
def _standard_promotion():
    """Optax mixes dtypes, which the strict promotion of these tests refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def conv(family: str, x, w, **options) -> BenchmarkCase:
    return BenchmarkCase(
        f"tiny {family} {w} {options}", family, "none", x, w, MappingProxyType(options)
    )


def other(operation: str, *shapes, classes=None, **options) -> OperationCase:
    return OperationCase(
        f"tiny {operation} {options}",
        "other",
        "none",
        operation,
        shapes,
        MappingProxyType(options),
        classes,
    )


TINY_CONVS = (
    conv("dense", (2, 5, 6, 3), (3, 3, 3, 4)),
    conv("strided", (2, 6, 6, 2), (3, 3, 2, 3), padding="same", stride=2),  # pads (0, 1)
    conv("strided", (2, 8, 8, 2), (3, 3, 2, 3), padding=1, stride=2),  # a remainder
    conv("1x1", (2, 6, 6, 3), (1, 1, 3, 2), stride=2),
    conv("grouped", (2, 6, 6, 4), (3, 3, 2, 6), padding=1, groups=2, stride=2),
    conv("depthwise", (2, 6, 6, 3), (3, 3, 1, 6), padding="same", groups=3),
    conv("dilated", (1, 7, 7, 2), (3, 3, 2, 3), padding=2, dilation=2),
    conv("1-D audio", (2, 9, 2), (2, 2, 3), padding="causal", dilation=3),
    conv("3-D video", (1, 3, 6, 6, 2), (1, 3, 3, 2, 3), padding=(0, 1, 1), stride=(1, 2, 2)),
    conv("transposed", (2, 8, 8, 3), (4, 4, 3, 2), padding=1, stride=2),
    conv("transposed", (2, 8, 8, 3), (3, 3, 3, 2), padding=1, stride=2),  # a remainder
)
TINY_OTHERS = (
    other("max_pool", (2, 6, 6, 3), size=2),
    other("max_pool", (2, 6, 6, 3), size=3, stride=2, padding=1),
    other("avg_pool", (2, 6, 6, 3), size=3, stride=1, padding=1),
    other("global_max_pool", (2, 4, 4, 3)),
    other("global_avg_pool", (2, 4, 4, 3)),
    other("batch_norm", (8, 6, 6, 3), (3,), (3,)),
    other("layer_norm", (2, 4, 4, 6), (6,), (6,)),
    other("relu", (2, 4, 4, 3)),
    other("gelu", (2, 4, 4, 3)),
    other("softmax_cross_entropy", (5, 4), classes=4),
    other("dense", (3, 5), (5, 4), (4,)),
    other("conv", (2, 5, 5, 2), (3, 3, 2, 3), (3,), padding="same"),
)


def once(functions, repetitions, **clocks) -> dict[str, Timing]:
    """In the place of `interleaved`: each is called once, and takes a second more than
    the one before."""
    times = {}
    for seconds, (name, function) in enumerate(functions.items(), 1):
        jax.block_until_ready(function())
        times[name] = Timing(seconds, seconds, seconds, 1.0, (float(seconds),) * repetitions)
    return times


@pytest.fixture
def untimed(monkeypatch):
    monkeypatch.setattr(operations, "interleaved", once)


# The table.


def test_ids_are_unique():
    assert [id for id, n in Counter(case.id for case in table.CASES).items() if n > 1] == []


def test_there_are_enough_cases_in_every_family():
    count = Counter(case.family for case in table.CASES)
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
    assert (*convolutions, "1-D audio", "3-D video", "large") == table.CONV_FAMILIES
    assert (*table.CONV_FAMILIES, "max pool", "average pool", "norm", "other") == table.FAMILIES
    assert min(count.values()) >= 4
    assert 50 <= len(table.CONV_CASES) <= 65


@pytest.mark.parametrize("case", **ids(table.CONV_CASES))
def test_convolutions_are_valid(case):
    """To jaxcnn's own check; no pad is negative; and small enough for slow loops, or
    large and in no scan."""
    pads = case.spec.window.pads
    assert min(pad for pair in pads for pad in pair) >= 0
    most = 10e9 if case.places == ("top level",) else 150e6
    assert (8e6 if case.options.get("groups") else 20e6) < case.flops < most
    if case.transposed:
        assert all(lo == hi for lo, hi in pads), "PyTorch has no other transposed convolutions"


@pytest.mark.parametrize("case", **ids(table.CASES))
def test_maps_have_shapes(case):
    for name in case.maps:
        shapes = columns.operand_shapes(case, name, "bfloat16")
        values = [
            jax.eval_shape(columns.make_map(case, column, name), *shapes) for column in columns.OPS
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
    assert TINY_OTHERS[0].flops is None


# Columns.


def check_columns(case: Case, config: Config) -> None:
    rows = list(operations.measure_case(case, config, {}))
    assert len(rows) == len(case.maps) * len(config.places)
    for row in rows:
        torch = [peers.PYTORCH] if row["place"] == "top level" and peers.available() else []
        assert list(row["columns"]) == ["plain", "autodiff", "explicit", *torch]
        known = (
            {"plain"}
            if (config.dtypes, case.arguments.keys() >= {"scale"}) == (("bfloat16",), True)
            else set()
        )
        assert {*row["disagrees"]} <= known, {
            name: found["error"] for name, found in row["columns"].items()
        }


@pytest.mark.parametrize("case", **ids(TINY_CONVS + TINY_OTHERS))
def test_columns_agree(case, untimed):
    """In every map and place."""
    check_columns(case, Config(dtypes=("float32",)))


@pytest.mark.parametrize("case", **ids((TINY_CONVS[1], TINY_CONVS[5], TINY_CONVS[9], *TINY_OTHERS)))
def test_columns_agree_in_bfloat16(case, untimed):
    """At the top level, where all columns are; but plain JAX loses digits of the sums
    of norms."""
    check_columns(case, Config(dtypes=("bfloat16",), places=("top level",)))


def test_pytorch_is_a_column():
    pytest.importorskip("torch", reason="PyTorch is an optional peer")
    assert peers.available()


def test_a_wrong_column_is_named(monkeypatch, untimed, capsys):
    wrong = jaxcnn.EXPLICIT._replace(
        conv=lambda x, w, **options: 1.01 * jaxcnn.conv(x, w, **options)
    )
    monkeypatch.setitem(columns.OPS, "explicit", wrong)
    monkeypatch.setattr(table, "CASES", TINY_CONVS[:1])
    config = Config(dtypes=("float32",), maps=("forward",))
    rows = list(operations.measure_maps(config, Console(width=200), {}))
    assert [row["disagrees"] for row in rows] == [["explicit"]] * 2
    assert [row["identical"] for row in rows] == [False, False]
    assert rows[0]["columns"]["explicit"]["error"] == pytest.approx(0.01, rel=1e-3)
    assert (
        f"explicit is off by 1.0e-02 of the largest entry: {TINY_CONVS[0].id}, forward, scan"
        in capsys.readouterr().out
    )


def test_errors_of_arrays():
    a = np.array([1.0, -4.0])
    assert operations.relative_error([a], [a]) == 0
    assert operations.relative_error([a, a], [a, a + np.array([0, 1])]) == pytest.approx(1 / 3)
    assert operations.relative_error([np.array([1.0, np.nan])], [a]) == math.inf
    assert operations.relative_error([a[:1]], [a]) == math.inf
    assert operations.relative_error([a], [a, a]) == math.inf
    assert operations.relative_error([np.zeros(2)], [np.zeros(2)]) == 0


def test_a_method_that_refuses_has_no_entry(untimed):
    config = Config(
        dtypes=("float32",),
        places=("top level",),
        maps=("kernel gradient",),
        methods=("depthwise", "lax"),
    )
    (dense,) = operations.measure_case(TINY_CONVS[0], config, {})
    (depthwise,) = operations.measure_case(TINY_CONVS[5], config, {})
    assert {"lax"} == {*config.methods} & {*dense["columns"]}
    assert {"lax", "depthwise"} == {*config.methods} & {*depthwise["columns"]}
    assert depthwise["disagrees"] == []
    assert "shifted/explicit" in depthwise["ratios"]


def test_an_error_of_another_column_is_raised(monkeypatch):
    def refuse(*args):
        raise ValueError("no such map")

    monkeypatch.setattr(columns, "make_map", lambda *_: refuse)
    assert (
        columns.compile_map(TINY_CONVS[0], "depthwise", "forward", "top level", "float32") is None
    )
    with pytest.raises(ValueError, match="no such map"):
        columns.compile_map(TINY_CONVS[0], "explicit", "forward", "top level", "float32")


def test_methods_are_the_public_ones():
    assert {"lax", "nhwc", "depthwise", "auto"} <= columns.METHODS.keys()
    assert columns.METHODS["lax"] is jaxcnn.methods.LAX


def test_a_scan_has_the_operands_that_a_map_needs_and_is_a_loop():
    for name, wanted in (
        ("forward", [(2, 2, 5, 6, 3), (2, 3, 3, 3, 4)]),
        ("input gradient", [(2, 2, 3, 4, 4), (2, 3, 3, 3, 4)]),
    ):
        compiled = columns.compile_map(TINY_CONVS[0], "plain", name, "scan", "float32")
        assert compiled is not None
        assert [aval.shape for aval in compiled.in_avals[0]] == wanted
        assert " while(" in (compiled.as_text() or "")


# Programs.


def compiled(f, *shapes):
    return jax.jit(f).lower(*(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)).compile()


def test_same_program():
    def one(x, y):
        return jnp.sin(x) @ y + y

    def the_same_in_other_words(left, right):
        product = jnp.sin(left) @ right
        return product + right

    a = compiled(one, (4, 4), (4, 4))
    assert operations.same_program(a, compiled(the_same_in_other_words, (4, 4), (4, 4)))
    assert not operations.same_program(a, compiled(lambda x, y: jnp.cos(x) @ y + y, (4, 4), (4, 4)))
    assert not operations.same_program(
        a, compiled(lambda x, y: jnp.sin(y) @ x + x, (4, 4), (4, 4))
    ), "arguments exchanged"
    assert not operations.same_program(a, compiled(one, (5, 5), (5, 5)))


def test_same_program_sees_constants_and_which_operand():
    assert not operations.same_program(
        compiled(lambda x: x + 1, (3,)), compiled(lambda x: x + 2, (3,))
    )
    assert not operations.same_program(
        compiled(lambda x, y: x - y, (3,), (3,)), compiled(lambda x, y: y - x, (3,), (3,))
    )


def test_plain_and_explicit_of_a_dense_convolution_are_one_program(untimed):
    case = conv("dense", (2, 5, 6, 12), (3, 3, 12, 12))
    rows = list(
        operations.measure_case(
            case, Config(dtypes=("float32",), places=("top level",), maps=("forward",)), {}
        )
    )
    assert [row["identical"] for row in rows] == [True]


# Time.


def test_a_row(untimed):
    config = Config(dtypes=("float32",), maps=("forward",), repetitions=7)
    top, scan = operations.measure_case(TINY_CONVS[0], config, {"float32": 1e4})
    assert top["columns"]["explicit"]["median"] == 3
    assert scan["columns"]["explicit"]["median"] == 3 / columns.LENGTH
    assert (top["flops"], top["peak_fraction"]) == (
        TINY_CONVS[0].flops,
        pytest.approx(TINY_CONVS[0].flops / 3 / 1e4),
    )
    assert top["ratios"]["plain/explicit"]["median"] == pytest.approx(1 / 3)
    assert scan["ratios"]["autodiff/explicit"]["median"] == pytest.approx(2 / 3)
    assert top["repetitions"] == 7
    assert [row["place"] for row in (top, scan)] == ["top level", "scan"]
    config = Config(dtypes=("float32",), maps=("gradient",), places=("scan",))
    (pool,) = operations.measure_case(TINY_OTHERS[0], config, {"float32": 1e4})
    assert (pool["flops"], pool["peak_fraction"]) == (None, None)


def test_slow_calls_are_repeated_less(monkeypatch):
    asked = []
    monkeypatch.setattr(
        operations, "interleaved", lambda calls, repetitions: asked.append(repetitions)
    )
    for repetitions, slowest in ((9, 0.1), (9, 0.6), (3, 0.6)):
        operations.time_calls({}, repetitions, slowest)
    assert asked == [9, 6, 3]


def test_matrix_product_rate():
    assert 1e4 < operations.matrix_product_rate("float32", size=32, repetitions=2) < 1e15


# Summary.


def row(
    family="dense",
    map="forward",
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
        "map": map,
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
    found = summary.family_spread(rows, ("dense",), "top level", "float32")
    assert found == (pytest.approx(16 ** (1 / 3)), 1, 8, 3)
    assert summary.family_spread(rows, ("dense",), "top level", "bfloat16") is None
    assert summary.family_spread(
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
    assert summary.slower(rows) == [rows[1], rows[0]]


def test_targets():
    goals = {target.name: target for target in summary.TARGETS}
    dense, scan = goals["dense, top level"], goals["all convolutions, in a scan"]
    rows = [
        row(median=4),
        row(median=0.25, map="kernel gradient"),
        row(median=0.01, dtype="bfloat16"),
    ]
    assert summary.judge(dense, rows, "float32") == (dense, 1.0)
    assert summary.judge(dense, rows, "float32").met is True
    assert summary.judge(dense, rows, "bfloat16").met is False
    assert summary.judge(scan, rows, "float32") == (scan, None)
    assert summary.judge(scan, rows, "float32").met is None

    rows = [
        row(family, place="scan", median=m)
        for family, m in (("dense", 40), ("dense", 10), ("1x1", 9), ("max pool", 1))
    ]
    verdict = summary.judge(scan, rows, "float32")
    assert (verdict.got, verdict.met) == (pytest.approx(3600 ** (1 / 3)), True)
    assert summary.judge(scan, rows[1:], "float32").met is False

    pool = goals["max pool, gradient, top level"]
    rows = [
        row("max pool", median=1),
        row("max pool", "gradient", median=12),
        row("max pool", "gradient", "scan", median=1),
    ]
    assert summary.judge(pool, rows, "float32").met is True


def test_stated_goals():
    assert [target.goal for target in summary.TARGETS] == [1, 2, 3, 3, 10, 30, 10, 12, 3]


def test_printed_summary(capsys):
    rows = [
        row(median=2),
        row(median=0.5, high=0.6, disagrees=["plain"]),
        row("max pool", "gradient", median=20),
    ]
    summary.print_maps(rows, Console(width=160))
    out = capsys.readouterr().out
    assert re.search(rf"dense +│ +1.00{TIMES} \(0.50{TIMES} to 2.0{TIMES}\)", out)
    assert re.search(rf"max pool, gradient, top level +│ +12{TIMES} │ +20{TIMES} │ yes", out)
    assert re.search(rf"grouped, top level +│ +10{TIMES} │ +{NONE} │ not measured", out)
    assert "1 map of 3 slower than plain" in out
    assert "1 column of these maps disagrees with plain JAX in float32" in out
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
    console.print(summary.growth_table([point(64, 8, 128), point(8, 1, 2)]))
    assert re.search(
        rf"batch │ +8 │ 64 │ +1.00 │ +2.00 │ +2.0{TIMES} │ +16{TIMES}", capsys.readouterr().out
    )


# The program.


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
            "--parts has speed; there are maps, accuracy, growth, steps, memory",
        ),
        (["--places", "loop"], '--places has loop; there are "top level", scan'),
        (["--dtypes", "float16"], "--dtypes has float16; there are float32, bfloat16"),
        (
            ["--maps", "backward"],
            '--maps has backward; there are forward, "input gradient", "kernel gradient", gradient',
        ),
        (["--methods", "LAX"], "--methods has LAX; there are blocked, canonical, direct"),
        (["--cases", "9x9"], '--cases has 9x9; there are "3x3 16->16"'),
        (["--repetitions", "0"], "--repetitions must be at least 1, got 0"),
        (["--dtypes"], "--dtypes must have one at least"),
        (["--families", "norm", "--maps", "kernel gradient"], "no case is left"),
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
    assert {case.family for case in chosen_cases(Config(maps=("gradient",)))} == {
        "max pool",
        "average pool",
        "norm",
        "other",
    }
    assert "large" not in {case.family for case in chosen_cases(Config(places=("scan",)))}
    assert chosen_cases(Config()) == list(table.CASES)
    with pytest.raises(OptionError):
        check(Config(families=("none",)))


@pytest.fixture
def tiny(monkeypatch) -> tuple[Case, ...]:
    """A table of two, quick timings, and a point of growth on each axis."""
    cases = (TINY_CONVS[5], TINY_OTHERS[0]._replace(family="max pool"))
    monkeypatch.setattr(table, "CASES", cases)
    monkeypatch.setattr(
        program,
        "matrix_product_rate",
        partial(operations.matrix_product_rate, size=16, repetitions=1),
    )
    monkeypatch.setattr(growth, "KINDS", ("dense 3x3",))
    monkeypatch.setattr(growth, "AXES", {"batch": (1, 2), "channels": (2, 4)})
    monkeypatch.setattr(growth, "Sizes", lambda: GROWTH_START)
    return cases


GROWTH_START = growth.Sizes(1, 4, 2)


def report(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))


def test_whole_run(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "not" / "there yet"
    result = run(
        "--parts",
        "operations",
        "growth",
        "--maps",
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
        [*charts, "growth.json", "operations.json"]
    )
    for chart in charts:
        assert (folder / chart).read_bytes().startswith(b"\x89PNG")
    assert "all columns agree" in result.out

    found = report(folder, "operations")
    environment = found["environment"]
    assert environment["command"].startswith(
        "python -m experiments.benchmark --parts operations growth --maps forward gradient --rep"
    )
    assert environment["repetitions"] == 2
    assert environment["jax"] == jax.__version__
    assert set(environment["matrix_product_gflops"]) == {"float32", "bfloat16"}
    names = [(row["case"], row["dtype"], row["map"], row["place"]) for row in found["rows"]]
    assert names == [
        (case.id, dtype, name, place)
        for case in tiny
        for dtype in ("float32", "bfloat16")
        for name in case.maps
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
    for name in ("measure_maps", "measure_growth", "matrix_product_rate"):
        monkeypatch.setattr(program, name, lambda *_: pytest.fail("it measures"))
    for chart in charts:
        (folder / chart).unlink()
    again = run("--summarise", str(folder))
    assert (again.status, again.err) == (0, "")
    assert (
        again.out == result.out[result.out.index("Time of plain") : result.out.index("written to")]
    )
    assert all((folder / chart).is_file() for chart in charts)


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
    monkeypatch.setattr(table, "CASES", TINY_CONVS[:2])
    whole, calls = getattr(module, measure), []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(module, measure, interrupted)
    for timed in (operations, growth):
        monkeypatch.setattr(timed, "time_calls", lambda functions, *_: once(functions, 1))
    result = run("--maps", "forward", "--parts", part, "--output", str(tmp_path))
    assert (result.status, result.err) == (
        130,
        f"benchmark: interrupted; what was measured so far is in {tmp_path}\n",
    )
    left = report(tmp_path, part)["rows"]
    assert len(left) == rows
    assert {row["case"] for row in left if part != "growth"} <= {TINY_CONVS[0].id}


@pytest.mark.parametrize("kind", growth.KINDS)
def test_growth_cases(kind):
    """Explicit and plain compute the same three arrays."""
    case = growth.make_case(kind, growth.Sizes(2, 6, 4))
    assert (case.y[1:3] == (3, 3)) == kind.startswith("strided")
    args = [
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate((case.x, case.w, case.y))
    ]
    plain, explicit = (
        jax.jit(columns.value_and_gradients(case, column))(*args)
        for column in ("plain", "explicit")
    )
    assert (
        operations.relative_error(operations.as_numpy(explicit), operations.as_numpy(plain)) < 1e-5
    )
    assert [a.shape for a in explicit] == [case.y, case.x, case.w]


def test_errors_against_float64():
    rows = list(accuracy.measure_errors(TINY_CONVS[0], Config(methods=("lax", "side_by_side"))))
    assert [(r["map"], r["dtype"]) for r in rows] == [
        (m, d) for d in ("float32", "bfloat16") for m in TINY_CONVS[0].maps
    ]
    for r in rows:
        assert {"plain", "explicit", "lax"} <= set(r["errors"])
        assert max(r["errors"].values()) < {"float32": 1e-6, "bfloat16": 1e-2}[r["dtype"]]
        assert (
            r["dtype"] == "float32" or r["errors"]["plain"] > 1e-5
        )  # rounded to 8 bits, and seen to be
        assert all(accuracy.allowed(r, column) for column in r["errors"])


def test_an_error_that_is_not_allowed_is_named(capsys):
    eps = float(np.finfo(np.float32).eps)
    row = {"case": "c", "family": "dense", "map": "forward", "dtype": "float32"}
    rows = [
        row | {"errors": {"plain": 10 * eps, "explicit": 19 * eps}},
        row | {"errors": {"plain": 10 * eps, "explicit": 20 * eps}},
    ]
    assert [accuracy.allowed(r, "explicit") for r in rows] == [True, False]
    Console(width=160).print(accuracy.accuracy_table(rows))
    assert "1: c, forward" in capsys.readouterr().out
