"""`jaxcnn derive`: what it writes, and what it refuses."""

from __future__ import annotations

from typing import get_args

import pytest

from jaxcnn.derive import OPERATIONS
from jaxcnn.programs.command import run
from jaxcnn.programs.derive.config import Config, Name, options_of


def test_every_operation_has_a_name_and_defaults(capsys):
    assert get_args(Name) == tuple(OPERATIONS)
    for name in ("conv", "max_pool", "dense", "batch_norm", "softmax_cross_entropy", "dropout"):
        assert run(["derive", name]) == 0
        assert "The code computes the same numbers" in capsys.readouterr().out


def test_the_options_of_a_convolution():
    config = Config("conv", input="4x5", kernel="3x2", stride="2x1", padding="1,0x-1,2", bias="no")
    assert options_of(config) == {
        "input_shape": (4, 5),
        "kernel": (3, 2),
        "stride": (2, 1),
        "padding": ((1, 0), (-1, 2)),
        "bias": False,
    }
    assert options_of(Config("conv", padding="1", dilation="2"))["padding"] == 1
    assert options_of(Config("conv", padding="1x2"))["padding"] == ((1, 1), (2, 2))
    assert options_of(Config("conv", padding="same"))["padding"] == "same"
    assert options_of(Config("avg_pool", window="3"))["size"] == (3,)


@pytest.mark.parametrize(
    ("format_", "start"), [("text", "conv, "), ("latex", "% outputs"), ("html", "<!DOCTYPE html>")]
)
def test_a_file(tmp_path, capsys, format_, start):
    path = tmp_path / "found"
    words = ["derive", "conv", "--stride", "2", "--padding", "1"]
    assert run([*words, "--format", format_, "--output", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_text(encoding="utf-8").startswith(start)


def test_the_page_stands_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["derive", "batch_norm", "--format", "html"]) == 0
    text = (tmp_path / "derivation.html").read_text(encoding="utf-8")
    assert "<math>" in text
    assert "src=" not in text and "href=" not in text and "<script" not in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["max_pool", "--kernel", "3"], "--kernel is no option of max_pool, which has --input, "),
        (["relu", "--window", "2"], "--window is no option of relu, which has --size"),
        (
            ["conv", "--input", "4xa"],
            "--input must be a number for each axis, such as 4x4, got 4xa",
        ),
        (["conv", "--padding", "1,2,3"], "--padding must be same, valid, full, causal, a number,"),
        (["conv", "--padding", "around"], "padding"),
        (["conv", "--values", "x"], "--values must be such as x=1,2,3, got x"),
        (["conv", "--values", "x=1"], "values['x'] must have 16 numbers"),
        (["conv", "--input", "2x2"], "larger than its padded input"),
        (["conv", "--input", "99x99"], "derive writes out at most 20,000"),
        (["conv", "--seed", "-1"], "--seed must be between 0 and"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused(words, message, capsys):
    assert run(["derive", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("jaxcnn derive: ") and message in printed.err
    assert printed.err.count("\n") == 1
