"""The summary as a program: what it prints, and its help."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

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
