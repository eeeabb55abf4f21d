"""A rule that keeps the sign of the cotangent: certified as what it is, refused as what
it is not, and trained with."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import own_rule
from experiments.own_rule import SIGN, certificate, command_line, with_sign_of_cotangent
from jaxcnn import EXPLICIT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def short():
    """A run of one epoch: its status, what it printed, and the certificates that it
    asked for, by label."""
    found = {}

    def recorded(label="biased"):
        found[label] = certificate(label)
        return found[label]

    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(own_rule, "certificate", recorded)
        status = command_line(["--epochs", "1"])
    return status, out.getvalue(), found


def test_the_sign_comes_back_with_the_mean_size():
    y = jnp.array([[1.0, -2.0], [3.0, 4.0]])
    value, pull = jax.vjp(with_sign_of_cotangent, y)
    np.testing.assert_array_equal(value, y)
    np.testing.assert_array_equal(pull(jnp.array([[0.5, -1.5], [0.0, 2.0]]))[0], [[1, -1], [0, 1]])


def test_only_the_convolution_is_changed():
    assert [
        name
        for name, mine, exact in zip(SIGN._fields, SIGN, EXPLICIT, strict=True)
        if mine is not exact
    ] == ["conv"]


def test_it_is_certified_as_biased(short):
    result = short[2]["biased"]
    assert result.label == "biased"
    assert result.passed, f"\n{result}"
    found = {check.of: check.detail for check in result.checks if check.name == "bias"}
    assert found.keys() == {"x", "w", "b", "label"}
    for of in ("x", "w", "b"):
        cosine, length = map(
            float,
            re.fullmatch(r"cosine (\S+), length (\S+) of the exact one's", found[of]).groups(),
        )
        assert 0.3 < cosine < 0.999
        assert 0.3 < length < 3
    values = [check for check in result.checks if check.name == "integers"]
    assert [check.of for check in values] == ["value"], "forward it is the convolution, bit for bit"


def test_it_is_refused_as_exact(short):
    result = short[2]["exact"]
    assert not result.passed
    failed = {(check.name, check.of) for check in result.failures}
    assert {("integers", of) for of in "xwb"} | {("accuracy", of) for of in "xwb"} | {
        ("adjoint", "all")
    } <= failed
    assert not {of for _, of in failed} & {"value"}
    assert not {name for name, _ in failed} & {"structure", "zeros", "repeats", "reference"}


def test_the_program_tells_both_verdicts_and_both_accuracies(short):
    status, printed, found = short
    assert status == 0
    assert printed.startswith(f"{found['biased']}\n")
    assert "\nas a biased rule: certified\nas an exact one: refused\n" in printed
    lines = re.findall(
        r"^test accuracy after 1 epoch with (.*): (\d+\.\d\d)%$", printed, re.MULTILINE
    )
    assert [name for name, _ in lines] == ["the gradient", "its sign in every convolution"]
    for _, accuracy in lines:
        assert 30 < float(accuracy) < 100, "better than chance, which is 10 %"


def test_a_rule_that_is_not_what_it_is_said_to_be_is_status_1(short, monkeypatch, capsys):
    refused = short[2]["exact"]
    monkeypatch.setattr(own_rule, "certificate", lambda label="biased": refused)
    monkeypatch.setattr(own_rule, "train", lambda ops, config: 0.5)
    assert command_line(["--epochs", "3"]) == 1
    printed = capsys.readouterr().out
    assert "as a biased rule: refused" in printed
    assert "test accuracy after 3 epochs with the gradient: 50.00%" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--seed", "-1"], r"--seed must be between 0 and 2^31 - 1, got -1"),
        (["--seed", str(2**31)], f"--seed must be between 0 and 2^31 - 1, got {2**31}"),
    ],
)
def test_what_makes_no_sense_gives_one_line_and_status_2(options, message, capsys):
    assert command_line(options) == 2
    assert capsys.readouterr() == ("", f"own_rule: {message}\n")


@pytest.mark.parametrize("options", [["--label", "exact"], ["--epochs", "one"]])
def test_an_unknown_option_or_value_is_status_2(options, capsys):
    assert command_line(options) == 2
    said = capsys.readouterr().err
    assert options[0] in said and said.count("\n") == 1


def test_help_has_a_sentence_for_each_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for text in (
        "sign of the cotangent",
        "--epochs",
        "How often",
        "--seed",
        "Seed of the parameters",
    ):
        assert text in printed
