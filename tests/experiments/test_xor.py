"""The smallest example: it learns XOR with both kinds of gradient, and its exit status
tells the truth."""

from __future__ import annotations

import re

import pytest

import experiments.xor
from experiments.xor import command_line


@pytest.mark.parametrize("gradients", ["explicit", "autodiff"])
@pytest.mark.parametrize("seed", [0, 9])
def test_the_truth_table_is_right(gradients, seed, capsys):
    assert command_line(["--gradients", gradients, "--seed", str(seed)]) == 0
    printed = capsys.readouterr().out
    table = re.findall(r"^([01]) ([01])\s+([01])\s+([01]\.\d+)$", printed, re.MULTILINE)
    assert [row[:3] for row in table] == [
        ("0", "0", "0"),
        ("0", "1", "1"),
        ("1", "0", "1"),
        ("1", "1", "0"),
    ]
    for _, _, expected, probability in table:
        assert float(probability) == pytest.approx(float(expected), abs=0.01)
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", printed)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.6
    assert losses[-1] < 0.01


def test_a_network_that_has_not_learned_is_status_1(capsys, monkeypatch):
    monkeypatch.setattr(experiments.xor, "STEPS", 1)
    assert command_line([]) == 1
    assert "a xor b" in capsys.readouterr().out


def test_help_has_a_sentence_for_each_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for text in (
        "Teach XOR",
        "--gradients",
        "Whose derivatives",
        "--seed",
        "Seed of the parameters",
    ):
        assert text in printed


def test_a_seed_out_of_range_gives_one_line_and_status_2(capsys):
    assert command_line(["--seed", "-1"]) == 2
    assert capsys.readouterr() == ("", "xor: --seed must be between 0 and 2^31 - 1, got -1\n")


@pytest.mark.parametrize(
    "options", [["--gradients", "numeric"], ["--seed", "one"], ["--epochs", "3"]]
)
def test_an_unknown_option_or_value_is_status_2(options, capsys):
    assert command_line(options) == 2
    said = capsys.readouterr().err
    assert options[0] in said and said.count("\n") == 1
