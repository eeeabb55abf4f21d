"""The program on gradients: its verdict and exit status, what it prints and writes,
what it refuses, and what it judges."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from rich.console import Console

from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify import cases as gradient_cases
from jaxcnn.programs.certify import program
from jaxcnn.programs.certify import report as gradient_report
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.certify.page import render
from jaxcnn.programs.certify.program import command_line
from jaxcnn.programs.certify.report import IN_FLOAT64, IN_LOOPS, make_report, measure
from jaxcnn.programs.output import claimed
from jaxcnn.programs.plain import PLAIN
from jaxcnn.programs.readable import NONE
from jaxcnn.programs.timing import interleaved


@pytest.fixture(scope="module", autouse=True)
def _standard_promotion():
    """Optax mixes dtypes, which the strict promotion of these tests refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield


class Run(NamedTuple):
    """What came out of the program."""

    status: int
    out: str
    err: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))

    @property
    def html(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")

    @property
    def page(self) -> str:
        """The words of the page."""
        words = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", self.html, flags=re.DOTALL)
        return " ".join(unescape(words).split())

    @property
    def table(self) -> list[list[str]]:
        """The cells of the printed table."""
        lines = [line for line in self.out.splitlines() if line.startswith("│")]
        return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]

    @property
    def names(self) -> list[tuple[str, str, str]]:
        return [(row["operation"], row["case"], row["dtype"]) for row in self.report["rows"]]


def run(folder: Path, *options: str, processes: int = 1) -> Run:
    """The program in this process, so that what is patched holds; its output as where
    there is no terminal."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(program, "Console", partial(Console, force_terminal=False))
        status = command_line([*options, "--processes", str(processes), "--output", str(folder)])
    return Run(status, out.getvalue(), err.getvalue(), folder)


def checks_of(row: dict[str, Any]) -> set[str]:
    return {check["name"] for check in row["checks"]}


# Everything is right.


@pytest.fixture(scope="module")
def options() -> list[str]:
    """For a case from the table, in two dtypes, and one at random."""
    seed = next(
        seed for seed in range(200) if next(gradient_cases.random(seed, 1)).operation == "dense"
    )
    chosen = [
        "--operations",
        "relu",
        "dense",
        "--cases",
        "[2rt]*[d0y]",
        "--random",
        "1",
        "--seed",
        str(seed),
    ]
    return [*chosen, "--dtypes", "float32", "float64", "--repetitions", "1"]


@pytest.fixture(scope="module")
def small(tmp_path_factory, options) -> Run:
    """With a case of a real network's size that is tiny."""
    tiny = gradient_cases.simple("relu", "tiny", (3, 5), kind="sized")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_report, "_sized", lambda: [tiny])
        return run(tmp_path_factory.mktemp("gradients") / "not" / "there yet", *options)


def test_all_passed(small):
    assert (small.status, small.err) == (0, "")
    assert sorted(path.name for path in small.folder.iterdir()) == ["report.html", "report.json"]
    assert "FAIL" not in small.out
    assert small.out.endswith(f"\nwritten to {small.folder / 'report.html'} and report.json\n")


def test_rows_are_in_the_order_of_the_cases(small):
    assert small.names == [
        ("relu", "2d", "float32"),
        ("relu", "2d", "float64"),
        ("dense", "random-0", "float32"),
        ("relu", "tiny", "float32"),
    ]
    assert [row["kind"] for row in small.report["rows"]] == ["table", "table", "random", "sized"]


def test_the_json_has_every_verdict_and_cost(small):
    report = small.report
    assert report.keys() == {"environment", "seconds", "rows", "model"}
    assert report["model"] is None
    assert report["environment"]["jax"] == jax.__version__
    command = "jaxcnn certify --operations relu dense --cases '[2rt]*[d0y]' --random 1 "
    assert report["environment"]["command"].startswith(command), "as a shell takes it"
    for row in report["rows"]:
        assert row.keys() == {
            *(
                "operation",
                "case",
                "dtype",
                "kind",
                "description",
                "passed",
                "error",
                "checks",
                "left_out",
                "autodiff_wrong",
            ),
            *("costs", "time", "seconds"),
        }
        assert row["passed"] is True
        assert row["error"] is None
        assert row["autodiff_wrong"] == []
        assert row["description"].startswith("x (")
        for check in row["checks"]:
            assert check.keys() >= {
                "name",
                "of",
                "passed",
                "error",
                "tolerance",
                "data",
                "detail",
                "diagnosis",
            }
            assert check.keys() >= {"ulps", "autodiff_error", "autodiff_ulps", "autodiff_detail"}
            assert check["passed"] is True
        assert row["costs"].keys() == {"explicit", "autodiff"}
        for side in row["costs"].values():
            assert side.keys() >= {
                "jaxpr",
                "excerpt",
                "residual_bytes",
                "temp_bytes",
                "flops",
                "dots",
            }
            assert "hlo" not in side
    dense = report["rows"][2]
    assert {check["of"] for check in dense["checks"] if check["name"] == "accuracy"} == {
        "value",
        "x",
        "w",
    }
    assert dense["costs"]["explicit"]["dots"] == dense["costs"]["autodiff"]["dots"] == 3


def test_each_kind_of_case_has_its_checks(small):
    """What is made in float64 is made once, in the row of the first dtype."""
    first, second, drawn, sized = small.report["rows"]
    assert {
        "integers",
        "accuracy",
        "adjoint",
        "differences",
        "second order",
        *IN_LOOPS,
    } <= checks_of(first)
    assert {"integers", "accuracy", *IN_LOOPS} <= checks_of(second)
    assert not checks_of(second) & {*IN_FLOAT64}
    assert second["left_out"]["differences"] == "skipped"
    assert {"integers", "linearity", "differences"} <= checks_of(drawn)
    assert not checks_of(drawn) & {*IN_LOOPS}
    assert checks_of(sized) == {"structure", "accuracy", "zeros", "repeats"}


def test_only_cases_of_a_real_size_are_timed(small):
    *others, sized = small.report["rows"]
    assert all(row["time"] is None for row in others)
    assert sized["time"].keys() == {"explicit", "autodiff", "ratio"}
    assert "timing: 1 of 1" in small.out


def test_no_times_are_no_bar(broken):
    assert "timing" not in broken.out


def test_the_page_has_the_counts_of_the_json(small):
    rows = small.report["rows"]
    count = sum(len(row["checks"]) for row in rows)
    assert count > 50
    assert f"Passed. All {count} checks on 4 cases of 2 operations; none failed." in small.page
    assert "Operations: relu, dense." in small.page
    for words in ("2 table (", "1 random (", "1 sized ("):
        assert words in small.page
    assert "geometric mean of 1 timed case" in small.page
    assert small.html.count('<details class="row"') == len(rows)
    for row in rows:
        assert f"{row['operation']} {row['case']}" in small.page
        assert row["description"] in small.page
    assert small.html == render(small.report)


def test_the_table_and_the_sentence_have_them_too(small):
    rows = small.report["rows"]
    groups = [("relu", "float32", (0, 3)), ("relu", "float64", (1,)), ("dense", "float32", (2,))]
    for cells, (operation, dtype, numbers) in zip(small.table, groups, strict=True):
        count = sum(len(rows[i]["checks"]) for i in numbers)
        assert cells[:5] == [operation, dtype, str(len(numbers)), str(count), "0"]
    ratio = rows[3]["time"]["ratio"]["median"]
    assert [cells[7] for cells in small.table] == [f"{ratio:.2f}", "", ""]
    worst = max(check["error"] for check in rows[2]["checks"] if check["name"] == "accuracy")
    assert small.table[2][5] == f"{worst:.1e}"
    count = sum(len(row["checks"]) for row in rows)
    assert re.search(rf"^{count} checks on 4 cases in \d+ s: all passed$", small.out, re.MULTILINE)
    for done in range(1, 5):
        assert f"judging: {done} of 4" in small.out


def test_two_processes_give_the_same_rows_in_the_same_order(small, options, tmp_path):
    both = run(tmp_path, *options, processes=2)
    assert both.status == 0
    rows, expected = (
        [{**row, "seconds": 0} for row in result.report["rows"]] for result in (both, small)
    )
    assert rows == expected[:3]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_page_that_cannot_be_made_leaves_nothing_half_written(
    earlier, small, tmp_path, monkeypatch
):
    def broken(report):
        raise RuntimeError("no page")

    monkeypatch.setattr(program, "make_report", lambda *_: small.report)
    monkeypatch.setattr(program, "render", broken)
    before = {"report.html": "an old page", "report.json": "its data"} if earlier else {}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RuntimeError, match="no page"):
        run(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


# Something is wrong.


@jax.custom_vjp
def doubled(x):
    return jax.nn.relu(x)


doubled.defvjp(lambda x: (jax.nn.relu(x), x), lambda x, dy: (2 * jnp.where(x > 0, dy, 0),))


def raising(x):
    raise ValueError("no kernel,\nnone at all")


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Run:
    """A relu with twice the gradient, and a pool that raises; the third operation is
    right."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            gradient_report, "EXPLICIT", EXPLICIT._replace(relu=doubled, global_max_pool=raising)
        )
        patch.setattr(gradient_report, "LONGEST_JAXPR", 50)
        operations = ("--operations", "global_max_pool", "global_avg_pool", "relu", "--cases", "2d")
        return run(
            tmp_path_factory.mktemp("broken"),
            *operations,
            "--dtypes",
            "float32",
            "--random",
            "0",
            "--repetitions",
            "0",
        )


def test_a_wrong_operation_is_status_1_and_named(broken):
    assert (broken.status, broken.err) == (1, "")
    line = "FAIL relu 2d float32: integers of x: fits what is expected times 2\n"
    assert line in broken.out
    assert broken.out.index(line) < broken.out.index("Gradients, explicit against autodiff")
    row = broken.report["rows"][2]
    assert not row["passed"]
    failed = {check["name"] for check in row["checks"] if not check["passed"]}
    assert {"integers", "accuracy", "adjoint", "differences"} <= failed
    assert not failed & {"structure", "zeros", "reference", *IN_LOOPS}
    assert re.search(r"^\d+ checks on 3 cases in \d+ s: 2 cases failed$", broken.out, re.MULTILINE)


def test_a_case_that_raises_is_a_failed_row_and_the_others_go_on(broken):
    raised, right, _ = broken.report["rows"]
    assert broken.names[0][0] == "global_max_pool"
    assert not raised["passed"]
    assert raised["error"] == "ValueError: no kernel,\nnone at all"
    assert raised["checks"] == []
    assert broken.out.startswith("FAIL global_max_pool 2d float32: ValueError: no kernel,\n")
    assert right["passed"]
    assert right["error"] is None
    assert right["checks"]
    assert [cells[4] for cells in broken.table[:2]] == ["1", "0"]


def test_rows_have_the_same_keys_whatever_went_wrong(broken):
    first, *others = (row.keys() for row in broken.report["rows"])
    assert all(keys == first for keys in others)


def test_failing_rows_come_first_in_the_page(broken):
    assert re.findall(r'<details class="row" id="r(\d+)">', broken.html) == ["0", "2", "1"]
    failing = broken.html.index('id="failing"')
    assert failing < broken.html.index('id="accuracy"') < broken.html.index('id="rows"')
    count = sum(len(row["checks"]) for row in broken.report["rows"])
    failed = sum(not check["passed"] for row in broken.report["rows"] for check in row["checks"])
    words = (
        f"Failed. 2 of 3 cases failed, by {failed} of {count} checks; 1 case could not be judged to"
        " the end."
    )
    assert words in broken.page
    assert "Diagnosis: fits what is expected times 2." in broken.page
    assert "ValueError: no kernel, none at all" in broken.page


def test_the_json_is_json_though_errors_are_infinite(tmp_path, small, monkeypatch):
    """RFC 8259 has neither NaN nor Infinity, and other programs refuse them."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    report = small.report
    report["rows"][0]["checks"][0].update(error=float("inf"), autodiff_error=float("nan"))
    monkeypatch.setattr(program, "make_report", lambda *_: report)
    run(tmp_path)
    json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_long_programs_are_cut_in_the_report(broken):
    costs = broken.report["rows"][1]["costs"]
    for side in costs.values():
        assert re.fullmatch(r"(?s).{50}\n\.\.\. and [\d,]+ characters more", side["jaxpr"])


def test_autodiff_that_is_wrong_is_told_and_no_failure(tmp_path, monkeypatch):
    """An oracle that is right in float64 alone, as JAX's convolution is on some
    machines."""

    def relu(x):
        y = jax.nn.relu(x)
        return y if x.dtype == jnp.float64 else y + lax.stop_gradient(1e-3 * x) - 1e-3 * x

    case = gradient_cases.simple("relu", "off", (2, 3), exact="", oracle=PLAIN._replace(relu=relu))
    monkeypatch.setattr(gradient_report, "_table", lambda: [case])
    result = run(
        tmp_path, "--cases", "off", "--dtypes", "float32", "--random", "0", "--repetitions", "0"
    )
    row = result.report["rows"][0]
    assert result.status == 0
    assert row["passed"]
    assert [wrong["of"] for wrong in row["autodiff_wrong"]] == ["x"]
    assert re.search(
        r"^autodiff is wrong: relu off float32, x worst at \(\d, \d\): \S+, expected ",
        result.out,
        re.MULTILINE,
    )
    assert "Autodiff itself was wrong 1 time in 1 case" in result.page
    assert f"gradient to x is wrong: {row['autodiff_wrong'][0]['detail']}." in result.page


# The table, of rows by hand.


def judged_row(dtype, *checks, **changes):
    empty = {
        "passed": True,
        "error": None,
        "left_out": {},
        "autodiff_wrong": [],
        "costs": None,
        "time": None,
        "seconds": 0.0,
    }
    row = {
        "operation": "conv",
        "case": "2d",
        "dtype": dtype,
        "kind": "table",
        "description": "x (3,)",
        **empty,
    }
    keys = ("name", "of", "error", "autodiff_error")
    more = {
        "tolerance": 1e-6,
        "data": "",
        "detail": "off",
        "diagnosis": "",
        "ulps": None,
        "autodiff_ulps": None,
    }
    checks = [
        {**dict(zip(keys, check, strict=True)), **more, "passed": check[2] < 1e-6}
        for check in checks
    ]
    return {**row, "checks": checks, **changes}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [judged_row("float64", ("accuracy", "x", 1.2, None))],
            ["1", "1.2e+00", NONE],
            id="float64",
        ),
        pytest.param(
            [
                judged_row(
                    "float64", ("accuracy", "value", 0.0, None), ("accuracy", "x", 3e-16, None)
                )
            ],
            ["0", "3.0e-16", NONE],
            id="right in float64",
        ),
        *(
            pytest.param(
                [judged_row(dtype, ("accuracy", "x", 2e-8, 3e-8), ("accuracy", "w", 0.5, 1e-8))],
                ["1", "5.0e-01", "3.0e-08"],
                id=dtype,
            )
            for dtype in ("float32", "bfloat16", "float16")
        ),
        pytest.param(
            [
                judged_row("float64", error="ValueError: no", passed=False),
                judged_row("float64", ("accuracy", "x", 1e-15, None)),
            ],
            ["1", "1.0e-15", NONE],
            id="one raised",
        ),
        pytest.param(
            [judged_row("float32", error="ValueError: no", passed=False)],
            ["1", NONE, NONE],
            id="all raised",
        ),
        pytest.param(
            [judged_row("float32", ("structure", "value", float("inf"), None))],
            ["1", NONE, NONE],
            id="another shape",
        ),
        pytest.param(
            [
                judged_row(
                    "float64",
                    *(
                        ("accuracy", of, e, None)
                        for of, e in (("x", 1.0), ("w", float("nan")), ("b", 2.0))
                    ),
                )
            ],
            ["3", "nan", NONE],
            id="NaN",
        ),
        pytest.param(
            [judged_row("float32", ("accuracy", "x", float("inf"), float("inf")))],
            ["1", "inf", "inf"],
            id="infinite",
        ),
        pytest.param(
            [judged_row("float32", ("accuracy", "value", 0.0, 0.0), ("bias", "x", 0.43, None))],
            ["1", "4.3e-01", "0.0e+00"],
            id="biased",
        ),
    ],
)
def test_the_table_has_the_worst_error_in_every_dtype_and_case(rows, expected):
    out = io.StringIO()
    Console(file=out, width=140).print(program.table({"rows": rows}))
    (cells,) = Run(0, out.getvalue(), "", Path()).table
    assert cells[4:7] == expected


# A function of one's own.

RULES = '''
"""Rules as a user may have them."""

import jax
import jax.numpy as jnp
from jax import lax


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))


def gradients(x, w, dy):
    return jax.vjp(conv, x, w)[1](dy)


def _with(backward):
    f = jax.custom_vjp(conv)
    f.defvjp(lambda x, w: (conv(x, w), (x, w)), lambda operands, dy: backward(*operands, dy))
    return f


right = _with(gradients)
flipped = _with(lambda x, w, dy: (gradients(x, jnp.flip(w, 0), dy)[0], gradients(x, w, dy)[1]))
sign = _with(lambda x, w, dy: gradients(x, w, jnp.sign(dy)))
tanh = jnp.tanh
number = 3


def both(x):
    return {"tanh": jnp.tanh(x), "sum": jnp.sum(x)}


def wide(x):
    return jnp.tanh(x)[None]


def widened(x):
    return jnp.tanh(x).astype(jnp.float32)
'''

CONV = ("--shapes", "2x5x2", "3x2x3", "--linear-in", "0", "1")


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """A module in the current folder."""
    (tmp_path / "my_rules.py").write_text(RULES)
    (tmp_path / "my_mistake.py").write_text('raise RuntimeError("no luck,\\nnone at all")\n')
    (tmp_path / "my_script.py").write_text("import sys\n\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # the program adds the current folder
    yield tmp_path / "out"
    for name in ("my_rules", "my_mistake", "my_script"):
        sys.modules.pop(name, None)


def pair(folder, explicit, reference, *options, dtypes=("float32",), repetitions=0):
    names = (f"my_rules:{explicit}", f"my_rules:{reference}")
    return run(
        folder, "--pair", *names, "--dtypes", *dtypes, "--repetitions", str(repetitions), *options
    )


def test_a_right_pair_is_certified_and_timed(rules):
    result = pair(rules, "right", "conv", *CONV, repetitions=1)
    assert (result.status, result.err) == (0, "")
    (row,) = result.report["rows"]
    assert result.names == [("my_rules:right", "my_rules:conv", "float32")]
    assert row["kind"] == "own"
    assert {"integers", "linearity", "differences", "second order", *IN_LOOPS} <= checks_of(row)
    assert {check["of"] for check in row["checks"] if check["name"] == "linearity"} == {
        "argument 0",
        "argument 1",
    }
    assert row["time"]["ratio"]["median"] > 0
    assert (
        f"Passed. All {len(row['checks'])} checks on 1 case of 1 operation; none failed."
        in result.page
    )


def test_a_kernel_that_is_not_flipped_is_diagnosed(rules):
    result = pair(rules, "flipped", "conv", *CONV)
    assert result.status == 1
    diagnosis = "fits what is expected for argument 1, flipped along axis 0"
    assert (
        f"FAIL my_rules:flipped my_rules:conv float32: integers of argument 0: {diagnosis}\n"
        in result.out
    )
    assert f"Diagnosis: {diagnosis}." in result.page
    accuracy = {
        check["of"]: check["passed"]
        for check in result.report["rows"][0]["checks"]
        if check["name"] == "accuracy"
    }
    assert accuracy == {"value": True, "argument 0": False, "argument 1": True}


def test_the_table_tells_of_a_gradient_that_is_wrong_in_float64(rules):
    result = pair(rules, "flipped", "conv", *CONV, dtypes=("float64",))
    assert result.status == 1
    errors = [
        check["error"]
        for check in result.report["rows"][0]["checks"]
        if check["name"] == "accuracy"
    ]
    assert result.table[0][5:7] == [f"{max(errors):.1e}", NONE]
    assert max(errors) > 0.1


def test_a_rule_that_means_to_differ_passes_under_its_label(rules):
    result = pair(rules, "sign", "conv", *CONV, "--label", "biased")
    assert result.status == 0, result.out
    details = [
        check["detail"] for check in result.report["rows"][0]["checks"] if check["name"] == "bias"
    ]
    assert len(details) == 3
    assert all(
        re.fullmatch(r"cosine 0\.\d+, length \d\.\d+ of the exact one's", detail)
        for detail in details[:2]
    )


def test_an_exact_rule_is_not_biased(rules):
    result = pair(rules, "tanh", "tanh", "--shapes", "3", "--label", "biased")
    assert result.status == 1
    assert (
        "bias of label: no gradient differs from the exact one: the label is wrong\n" in result.out
    )


def test_functions_of_other_structure_are_a_failed_row(rules):
    result = pair(rules, "tanh", "both", "--shapes", "3", repetitions=1)
    assert result.status == 1
    error = result.report["rows"][0]["error"]
    assert error.startswith(
        "ValueError: explicit and reference must return the same structure, got PyTreeDef(*) and"
        " PyTreeDef("
    )
    assert f"FAIL my_rules:tanh my_rules:both float32: {error}\n" in result.out
    assert error in result.page


@pytest.mark.parametrize(
    ("explicit", "reference", "dtype", "words"),
    [
        ("wide", "tanh", "float32", "float32[1, 3], not float32[3]"),
        ("widened", "tanh", "bfloat16", "float32[3], not bfloat16[3]"),
    ],
)
def test_values_of_other_shape_or_dtype_are_a_failed_row_without_a_time(
    explicit, reference, dtype, words, rules
):
    result = pair(rules, explicit, reference, "--shapes", "3", dtypes=(dtype,), repetitions=1)
    assert result.status == 1
    assert f"structure of value: {words}\n" in result.out
    assert result.report["rows"][0]["time"] is None


def test_too_few_shapes_are_a_failed_row(rules):
    result = pair(rules, "right", "conv", "--shapes", "2x5x2")
    assert result.status == 1
    assert "FAIL my_rules:right my_rules:conv float32: TypeError: " in result.out


def test_values_that_are_pytrees_and_numbers_as_arguments(rules):
    """The shape of a number is empty. In float64, which is timed as such: where it were
    cut to float32, JAX would warn."""
    result = pair(rules, "both", "both", "--shapes", "", dtypes=("float64",), repetitions=1)
    assert result.status == 0
    (row,) = result.report["rows"]
    assert {check["of"] for check in row["checks"] if check["name"] == "accuracy"} == {
        "value",
        "value 1",
        "argument 0",
    }
    assert row["time"]["ratio"]["median"] > 0


# Options that make no sense.

TANH = ("--pair", "my_rules:tanh", "my_rules:tanh")


def nothing_is_judged(config, todo):
    raise AssertionError(f"{len(todo)} cases would be judged")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["--pair", "not_there:f", "my_rules:tanh", "--shapes", "3"],
            "--pair: module 'not_there' does not import: ModuleNotFoundError: No module named"
            " 'not_there'",
            id="no such module",
        ),
        pytest.param(
            ["--pair", "my_rules:tanh", "my_mistake:f", "--shapes", "3"],
            "--pair: module 'my_mistake' does not import: RuntimeError: no luck,.*",
            id="module raises",
        ),
        pytest.param(
            ["--pair", "my_script:f", "my_rules:tanh", "--shapes", "3"],
            "--pair: module 'my_script' does not import: SystemExit: 0",
            id="module leaves",
        ),
        pytest.param(
            ["--pair", "my_rules:tan", "my_rules:tanh", "--shapes", "3"],
            "--pair: module 'my_rules' has no function 'tan'; it has both, conv, flipped,"
            " gradients, right, .*",
            id="no such function",
        ),
        pytest.param(
            ["--pair", "my_rules:number", "my_rules:tanh", "--shapes", "3"],
            "--pair: module 'my_rules' has no function 'number'; it has both, .*",
            id="no function",
        ),
        pytest.param(
            ["--pair", "my_rules", "my_rules:tanh", "--shapes", "3"],
            "--pair must be two of module:function, got 'my_rules'",
            id="no colon",
        ),
        pytest.param(
            ["--pair", "my_rules:tanh", "my_rules:", "--shapes", "3"],
            "--pair must be two of module:function, got 'my_rules:'",
            id="nothing after the colon",
        ),
        pytest.param(
            [*TANH],
            "--pair needs --shapes, the shapes of its arguments: --shapes .*",
            id="no shapes",
        ),
        pytest.param(
            [*TANH, "--shapes", "3", "3by4"],
            "--shapes must be sizes with x between them, such as 2x8x8x3, got '3by4'",
            id="no shape",
        ),
        pytest.param(
            [*TANH, "--shapes", "3x-1"], "--shapes must be sizes .*, got '3x-1'", id="negative size"
        ),
        pytest.param(
            [*TANH, "--shapes", "3", "4", "--linear-in", "0", "2"],
            "--linear-in must be numbers of the 2 arguments, from 0, got 2",
            id="linear in too many",
        ),
        pytest.param(
            [*TANH, "--shapes", "3", "--linear-in", "-1"],
            "--linear-in must be .* got -1",
            id="linear in a negative",
        ),
        pytest.param(["--shapes", "3"], "--shapes .* --pair, which is missing", id="shapes alone"),
        pytest.param(
            ["--linear-in", "0"], "--linear-in .* --pair, which is missing", id="linear-in alone"
        ),
        pytest.param(
            ["--label", "biased"], "--label .* --pair, which is missing", id="label alone"
        ),
        pytest.param(
            ["--model", "lenet", *TANH],
            "--model and --pair are two things to compare: give one of them",
            id="model and pair",
        ),
        pytest.param(
            ["--model", "alexnet"],
            "--model must be one of example, lenet, .*, got 'alexnet'",
            id="no such model",
        ),
        pytest.param(
            ["--model", "lenet", "--steps", "1"], "--steps must be at least 2, got 1", id="one step"
        ),
        pytest.param(
            ["--model", "lenet", "--seeds", "0"], "--seeds must be at least 1, got 0", id="no seeds"
        ),
        pytest.param(
            ["--operations", "relu", "softmax", "pool"],
            "--operations has softmax, pool; there are conv, convolve, max_pool, .*",
            id="no such operation",
        ),
        pytest.param(
            ["--operations", "relu", "--cases", "4d", "--random", "0"],
            "no case of relu has a name like '4d'",
            id="no such case",
        ),
        pytest.param(
            ["--cases", "4d", "--random", "0"],
            "no case of any operation has a name like '4d'",
            id="no such case at all",
        ),
        pytest.param(
            ["--repetitions", "-1"],
            "--repetitions must be at least 0, got -1",
            id="negative repetitions",
        ),
        pytest.param(
            ["--random", "-1"], "--random must be at least 0, got -1", id="negative count"
        ),
        pytest.param(["--seed", "-1"], "--seed must be at least 0, got -1", id="negative seed"),
        pytest.param(
            ["--processes", "0"], "--processes must be at least 1, got 0", id="no processes"
        ),
        *(
            pytest.param(
                [f"--{name}", str(10**12)],
                f"--{name} must be at most [0-9,]+, got 1000000000000",
                id=f"huge {name}",
            )
            for name in ("random", "repetitions", "steps", "seeds", "processes")
        ),
        pytest.param(
            ["--seed", str(2**31)],
            r"--seed must be between 0 and 2\^31 - 1, got 2147483648",
            id="huge seed",
        ),
        pytest.param(
            ["--output", "a\0b"],
            r"--output must be a path without a NUL byte, got 'a\\x00b'",
            id="NUL in output",
        ),
        pytest.param(
            ["--output", "x" * 300],
            "--output must be a folder that can be written: x{300}: File name too long",
            id="long",
        ),
        pytest.param(
            ["--output", "a\udcff"],
            r"--output must be a path in UTF-8, got 'a\\udcff'",
            id="no UTF-8",
        ),
        pytest.param(
            ["--cases", "\n" * 99, "--random", "0"],
            "no case of any operation has a name like .*characters.*",
            id="lines",
        ),
        pytest.param(
            ["--operations", "a\nb"], r"--operations has 'a\\nb'; there are .*", id="two lines"
        ),
        pytest.param(
            ["--model", "x" * 999],
            r"--model must be one of .*, got x+\.\.\. \(999 characters\)",
            id="long model",
        ),
        pytest.param(
            [*TANH, "--shapes", "3x"], "--shapes must be sizes .*, got '3x'", id="an x too many"
        ),
        pytest.param([*TANH, "--shapes", "0x"], "--shapes must be sizes .*, got '0x'", id="0x"),
        pytest.param(
            [*TANH, "--shapes", "2", "3x0"],
            "--shapes must be of arrays with entries, got '3x0': .*",
            id="empty shape",
        ),
        pytest.param(
            [*TANH, "--shapes", "1000000x1000000"],
            "--shapes must have at most [0-9,]+ entries in all, got .*",
            id="huge",
        ),
        pytest.param(
            [*TANH, "--shapes", *["9999x9999"] * 9],
            "--shapes must have at most [0-9,]+ entries in all, got .*",
            id="sum",
        ),
        pytest.param(
            [*TANH, "--shapes", "9" * 5000],
            "--shapes must have at most .*, got 9+.* characters.*",
            id="5,000 digits",
        ),
        pytest.param(
            [*TANH, "--shapes", "x".join("1" * 65)],
            "--shapes must have at most 32 axes each, got 65: .*",
            id="65 axes",
        ),
        pytest.param(
            [*TANH, "--shapes", "٣"], "--shapes must be sizes .*, got '٣'", id="other digits"
        ),
        pytest.param(
            ["--pair", "a\0b:f", "my_rules:tanh", "--shapes", "3"],
            r"--pair: module 'a\\x00b' does not import: .*",
            id="NUL in pair",
        ),
        pytest.param(
            ["--pair", ".rules:f", "my_rules:tanh", "--shapes", "3"],
            "--pair: module '.rules' does not import: .*",
            id="relative",
        ),
        pytest.param(["--dtypes"], "--dtypes must have one dtype at least", id="no dtypes"),
    ],
)
def test_what_makes_no_sense_gives_one_line_and_status_2(
    options, message, rules, monkeypatch, capsys
):
    monkeypatch.setattr(gradient_report, "judged", nothing_is_judged)
    assert command_line(["--output", str(rules), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.fullmatch(f"compare_gradients: {message}\n", err)
    assert len(err) < 500
    assert sorted(path.name for path in rules.parent.iterdir()) == [
        "my_mistake.py",
        "my_rules.py",
        "my_script.py",
    ]


def test_an_output_that_is_no_folder_is_told_before_anything_is_judged(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(gradient_report, "judged", nothing_is_judged)
    path = tmp_path / "a file"
    path.write_text("mine")
    options = ["--operations", "relu", "--cases", "2d", "--random", "0", "--processes", "1"]
    assert command_line([*options, "--output", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(
        f"compare_gradients: --output must be a folder that can be written: {path}"
    )
    assert path.read_text() == "mine"
    (tmp_path / "folder" / "report.html").mkdir(parents=True)
    assert command_line([*options, "--output", str(tmp_path / "folder")]) == 2
    assert "--output must be a folder for files: " in capsys.readouterr().err


def test_an_output_that_another_program_writes_is_told_before_anything_is_judged(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(gradient_report, "judged", nothing_is_judged)
    with claimed(tmp_path):
        assert command_line(["--operations", "relu", "--output", str(tmp_path)]) == 2
    assert "is being written by another program" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--dtypes", "int8"],
        ["--repetitions", "few"],
        ["--pair", "a:b"],
        ["--label", "right"],
        ["--cuda"],
    ],
)
def test_an_unknown_option_or_value_is_status_2(options, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        command_line([*options, "--output", str(tmp_path / "out")])
    assert options[0] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_has_a_sentence_for_each_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in (
        "Judge the gradients of every operation",
        "how many random cases",
        "a function of your own",
        "a whole network",
    ):
        assert words.lower() in text.lower()
    for field in Config.__dataclass_fields__:
        assert f"--{field.replace('_', '-')}" in text


# The cases.


def told(case):
    """All but the function."""
    return case._replace(
        call=None, oracle=None, arguments={name: str(a) for name, a in case.arguments.items()}
    )


@pytest.fixture(scope="module")
def drawn() -> list[gradient_cases.Case]:
    return list(gradient_cases.random(0, 300))


def test_every_operation_is_in_the_table():
    assert {case.operation for case in gradient_cases.table()} == set(EXPLICIT._fields)


def test_names_are_unique(drawn):
    names = [
        (case.operation, case.name)
        for case in (*gradient_cases.table(), *drawn, *gradient_cases.sized())
    ]
    assert len(names) == len(set(names))


def test_kinds_are_those_of_the_lists(drawn):
    assert {case.kind for case in gradient_cases.table()} == {"table"}
    assert {case.kind for case in gradient_cases.sized()} == {"sized"}
    assert {case.kind for case in drawn} == {"random"}


def disagreeing(cases, dtype):
    """Those for which the operation and its oracle do not give the same shape and
    dtype."""
    found = []
    for case in cases:
        args = case.args(dtype)
        explicit, oracle = (jax.eval_shape(case.of(ops), *args) for ops in (EXPLICIT, case.oracle))
        if (explicit.shape, explicit.dtype) != (
            oracle.shape,
            oracle.dtype,
        ) or explicit.dtype != dtype:
            found.append(f"{case.operation} {case.name}: {explicit} and {oracle}")
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_every_case_fits_its_operation_and_its_oracle(dtype):
    with jax.enable_x64(dtype == "float64"):
        assert disagreeing([*gradient_cases.table(), *gradient_cases.sized()], dtype) == []


def test_arguments_in_which_a_case_is_linear_are_its_own(drawn):
    for case in (*gradient_cases.table(), *drawn, *gradient_cases.sized()):
        assert set(case.linear_in) <= {
            name for name, a in case.arguments.items() if isinstance(a, tuple)
        }


def test_a_random_case_depends_on_the_seed_and_its_number_alone(drawn):
    assert list(map(told, gradient_cases.random(0, 20))) == list(map(told, drawn[:20]))
    assert [case.name for case in drawn] == [f"random-{k}" for k in range(300)]
    others = list(gradient_cases.random(1, 20))
    assert sum(told(a) != told(b) for a, b in zip(others, drawn, strict=False)) > 15


def test_random_cases_are_small_and_valid(drawn):
    assert disagreeing(drawn, "float32") == []
    for case in drawn:
        sizes = [np.prod(a.shape) for a in case.args("float32")]
        assert max(sizes) <= 400
        assert min(sizes) > 0


def test_random_cases_reach_the_corners(drawn):
    """Of 300, so many at least."""
    windowed = [case for case in drawn if "stride" in case.options]

    def count(pattern, *operations):
        return sum(
            bool(re.search(pattern, case.options))
            for case in windowed
            if case.operation in operations
        )

    for operations, least in ((("conv",), 25), (("max_pool", "avg_pool"), 5)):
        assert count(r"padding .*-\d", *operations) >= least
        assert count(r"dilation \([^)]*[23]", *operations) >= least
        assert count(r"stride \([^)]*[23]", *operations) >= least
    assert count(r"groups [2-9]", "conv") >= 25
    assert count(r"ceil_mode True", "max_pool", "avg_pool") >= 5
    for axes in (1, 2, 3):
        assert sum(len(case.arguments["x"]) - 2 == axes for case in windowed) >= 10
    shares = {
        "softmax_cross_entropy" if name == "softmax" else name for name in gradient_cases.SHARES
    }
    assert {case.operation for case in drawn} == shares


def test_random_cases_take_the_dtypes_in_turns():
    config = Config(random=7, cases="random-*", dtypes=("float32", "bfloat16"))
    assert [(key.number, key.dtype) for key in gradient_report.keys(config)] == [
        (k, ("float32", "bfloat16")[k % 2]) for k in range(7)
    ]


# Time.


def test_both_sides_are_timed_and_their_ratio_is_autodiff_over_explicit():
    case = gradient_cases.softmax_cross_entropy("tiny", (3, 4))
    found = measure(case, "float32", repetitions=1)
    assert found.keys() == {"explicit", "autodiff", "ratio"}
    explicit, autodiff = (found[side] for side in ("explicit", "autodiff"))
    for side in (explicit, autodiff):
        assert side.keys() >= {"median", "low", "high", "utilisation", "samples"}
        assert 0 < side["low"] == side["median"] == side["high"]
    ratio = found["ratio"]
    assert (
        ratio["low"] == ratio["median"] == ratio["high"] == autodiff["median"] / explicit["median"]
    )


def test_what_is_timed_is_value_and_gradients_in_the_dtype(monkeypatch):
    """Float64 too, and labels are passed on."""
    results = {}

    def timed(functions, repetitions):
        results.update({name: function() for name, function in functions.items()})
        return interleaved({name: lambda: None for name in functions}, repetitions)

    monkeypatch.setattr(gradient_report, "interleaved", timed)
    case = gradient_cases.softmax_cross_entropy("tiny", (3, 4))
    for dtype, tolerance in (("bfloat16", 2e-2), ("float64", 1e-14)):
        with jax.enable_x64(dtype == "float64"):
            measure(case, dtype, repetitions=1)
        for value, gradients in results.values():
            assert (value.shape, [g.shape for g in gradients]) == ((3,), [(3, 4)])
            assert value.dtype == gradients[0].dtype == dtype
        value, (gradient,) = jax.tree.map(lambda a: np.asarray(a, np.float64), results["explicit"])
        other, (gradient_of_other,) = jax.tree.map(
            lambda a: np.asarray(a, np.float64), results["autodiff"]
        )
        np.testing.assert_allclose(value, other, rtol=tolerance)
        np.testing.assert_allclose(gradient, gradient_of_other, atol=tolerance)


# A whole network.

MODEL = {
    "name": "lenet",
    "data": "a batch of 8 digits",
    "gradients": [
        {
            "path": "0_conv/w",
            "shape": (5, 5, 1, 16),
            "norm": 0.37,
            "explicit_error": 3.1e-07,
            "autodiff_error": 3.4e-07,
            "explicit_ulps": 1.3,
            "autodiff_ulps": 1.7,
            "explicit64_error": 2.9e-16,
        }
    ],
    "losses": {"explicit": [[2.3]], "autodiff": [[2.3]], "nudged": [[2.3]]},
    "sentences": ["The gradients are those.", "The runs are near."],
    "passed": True,
    "figure": '<svg xmlns="http://www.w3.org/2000/svg"><text>curves</text></svg>',
}


@pytest.mark.parametrize("passed", [True, False])
def test_the_exit_status_of_a_network_is_its_verdict(passed, tmp_path, monkeypatch):
    def summary(name, steps, seeds, progress):
        assert (name, steps, seeds) == ("lenet", 5, 2)
        for step in range(1, 31):
            progress(step, 30)
        return {**MODEL, "passed": passed}

    monkeypatch.setattr(gradient_report, "summary", summary)
    result = run(tmp_path, "--model", "lenet", "--steps", "5", "--seeds", "2")
    assert (result.status, result.err) == (0 if passed else 1, "")
    assert "Gradients of lenet against float64, a batch of 8 digits" in result.out
    assert result.table == [["0_conv/w", "5x5x1x16", "3.1e-07", "3.4e-07", "2.9e-16"]]
    assert "\nThe gradients are those.\nThe runs are near.\nwritten to " in result.out
    assert "training: 30 of 30" in result.out
    assert "cases" not in result.out
    assert (
        "Passed. The gradients of lenet are right."
        if passed
        else "Failed. The gradients of lenet failed."
    ) in result.page
    assert result.report["rows"] == []
    assert result.report["model"]["passed"] is passed


def test_a_network_in_two_steps(tmp_path):
    result = run(tmp_path, "--model", "cnn_basics", "--steps", "2", "--seeds", "1")
    assert result.status == 0, result.out
    model = result.report["model"]
    assert [cells[0] for cells in result.table] == [
        gradient["path"] for gradient in model["gradients"]
    ]
    assert len(model["gradients"]) == 6
    assert np.shape(model["losses"]["explicit"]) == (1, 2)
    assert "training: 6 of 6" in result.out
    for sentence in model["sentences"]:
        assert sentence in result.out
        assert sentence in result.page
        assert "nan" not in sentence, "one seed has no spread"
    assert "<svg" in result.html


def test_no_case_is_judged_beside_a_network(monkeypatch):
    monkeypatch.setattr(gradient_report, "summary", lambda *_: MODEL)
    monkeypatch.setattr(gradient_report, "keys", lambda config: pytest.fail("looked for cases"))
    report = make_report(Config(model="lenet"), "command", Console(file=io.StringIO()))
    assert (report["rows"], report["model"]) == ([], MODEL)
