"""`jaxcnn certify --pair`: a function of one's own is judged, diagnosed and timed."""

from __future__ import annotations

import re

import pytest
from certify_helpers import checks_of, run
from certify_rules import MODULES, modules

from jaxcnn.programs.certify.judging import IN_LOOPS
from jaxcnn.programs.readable import NONE

CONV = ("--shapes", "2x5x2", "3x2x3", "--linear-in", "0", "1")


@pytest.fixture
def rules(tmp_path):
    """A folder for the output, with modules beside it."""
    with modules(tmp_path, MODULES):
        yield tmp_path / "out"


def pair(folder, explicit, reference, *options, dtypes=("float32",), repetitions=0):
    names = (f"my_rules:{explicit}", f"my_rules:{reference}")
    return run(
        folder, "--pair", *names, "--dtypes", *dtypes, "--repetitions", str(repetitions), *options
    )


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


PINNED = """
from jaxcnn import AUTODIFF, EXPLICIT, layers

model = layers.serial(layers.conv(2, 3), layers.using(EXPLICIT, layers.relu()))


def explicit(w, b, x):
    return model.apply({"0_conv": {"w": w, "b": b}}, {}, x)[0]


def reference(w, b, x):
    return model.apply({"0_conv": {"w": w, "b": b}}, {}, x, ops=AUTODIFF)[0]
"""


@pytest.mark.slow
def test_a_pinned_layer_inside_a_pair_is_named(tmp_path):
    """Both functions compute it with the same rule, which is not compared with
    itself in silence."""
    with modules(tmp_path, {"my_layers": PINNED}):
        names = ("my_layers:explicit", "my_layers:reference")
        options = ("--shapes", "3x3x1x2", "2", "2x4x4x1", "--dtypes", "float32")
        result = run(tmp_path / "out", "--pair", *names, *options, "--repetitions", "0")
    assert result.status == 0, result.out
    assert result.report["rows"][0]["not_compared"] == ["1_relu"]
    case = "my_layers:explicit my_layers:reference float32"
    assert f"not compared: {case}, layer '1_relu' keeps its own rules in both\n" in result.out
    assert "Not compared: layer 1_relu keeps its own rules in both functions." in result.page
