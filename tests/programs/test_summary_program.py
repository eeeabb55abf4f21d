"""The summary as a program: what it prints, and its help."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from stored_runs import write_run

import jaxcnn.programs.summary.program
from jaxcnn.models import MODELS
from jaxcnn.programs.summary.program import command_line

ROOT = Path(__file__).parents[2]


def test_the_program_prints_and_returns_0(capsys, monkeypatch):
    monkeypatch.setattr(
        jaxcnn.programs.summary.program, "Console", partial(Console, force_terminal=False)
    )
    assert command_line(["lenet", "--input-shape", "28", "1", "--classes", "3"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "lenet on images of 28x1" in output.out
    assert "13_dense   3 " in output.out


@pytest.mark.slow
def test_the_program_as_a_person_starts_it():
    program = [sys.executable, "-m", "jaxcnn", "summary"]
    result = subprocess.run(
        [*program, "cnn_basics"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "cnn_basics on images of 28x28x1" in result.stdout


def test_help_says_what_the_options_and_the_numbers_are(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in ("other layers count 0", *MODELS, "height, width, channels", "number of classes"):
        assert words in text


def test_a_folder_that_exists_is_a_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "lenet[1]")
    assert command_line(["lenet[1]", "--model", "stored_runs:build"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("serial of lenet[1] on images of 8x8x1")
    assert re.search(r" 2_dense +3 +9 ", printed)
    shaped = ["lenet[1]", "--model", "stored_runs:build", "--input-shape", "16", "16", "1"]
    assert command_line(shaped) == 0
    assert "of lenet[1] on images of 16x16x1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "run has a network of its maker's own: pass --model module:function"),
        (["run", "--classes", "3"], "--classes must be left out for a run, got 3"),
        (["empty"], "empty holds no model: it has no model.json"),
        (["lenet", "--model", "stored_runs:build"], "--model must be left out without a run"),
        (["run", "--model", "stored_runs:build", "--input-shape", "8"], "--input-shape must be"),
    ],
    ids=str,
)
def test_runs_that_cannot_be_shown_are_one_line_and_status_2(
    words, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    assert command_line(words) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
