"""What a person types, experiment by experiment: a wrong option is one line with the
option, what came, and what is needed."""

from __future__ import annotations

import re

import pytest

import experiments.benchmark.program
import experiments.lessons
import experiments.own_rule
import experiments.xor
from jaxcnn.programs.data import dataset
from jaxcnn.programs.output import claimed

HUGE = 10**12
COMMAND_LINES = {
    "benchmark": experiments.benchmark.program.command_line,
    "lessons": experiments.lessons.command_line,
    "own_rule": experiments.own_rule.command_line,
    "xor": experiments.xor.command_line,
}


@pytest.mark.parametrize(
    ("program", "options", "message"),
    [
        (
            "benchmark",
            ["--repetitions", str(HUGE)],
            "--repetitions must be at most 10,000, got 1000000000000",
        ),
        (
            "benchmark",
            ["--output", "a\0b"],
            r"--output must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "benchmark",
            ["--summarise", "a\0b"],
            r"--summarise must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "benchmark",
            ["--output", "n" * 300],
            r"--output must be a folder that can be written: n*: File name too long",
        ),
        (
            "benchmark",
            ["--summarise", "{tmp}/broken"],
            "--summarise .*/broken has an? operations.json that is not JSON: .*",
        ),
        (
            "benchmark",
            ["--summarise", "{tmp}/other"],
            "--summarise .*/other has an? operations.json without rows and environment",
        ),
        (
            "benchmark",
            ["--summarise", "{tmp}/rows"],
            "--summarise .*/rows has rows that are not as this program .*",
        ),
        (
            "lessons",
            ["--output", "a\0b"],
            r"--output must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "own_rule",
            ["--epochs", str(HUGE)],
            "--epochs must be at most 1,000,000, got 1000000000000",
        ),
        (
            "own_rule",
            ["--seed", str(HUGE)],
            r"--seed must be between 0 and 2\^31 - 1, got 1000000000000",
        ),
        (
            "xor",
            ["--seed", str(HUGE)],
            r"--seed must be between 0 and 2\^31 - 1, got 1000000000000",
        ),
    ],
    ids=lambda value: (
        ascii(" ".join(value))[:40] if isinstance(value, list) else "" if " " in value else value
    ),
)
def test_a_line_with_the_option_the_value_and_what_is_needed(
    program, options, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = '{"rows": [{}], "environment": {"device": "cpu", "cores": 2, "jax": "0"}}'
    for folder, text in (("broken", "{"), ("other", "[]"), ("rows", rows)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "operations.json").write_text(text)
    before = sorted(tmp_path.rglob("*"))
    assert COMMAND_LINES[program]([option.format(tmp=tmp_path) for option in options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"{program}: {message}\n", printed.err), printed.err
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_another_program_writes_into_is_refused_at_once(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(dataset, "load_digits", lambda: pytest.fail("it loads images"))
    (tmp_path / "config.json").write_text("of the first")
    with claimed(tmp_path):
        options = ["--parts", "operations", "--output", str(tmp_path)]
        assert COMMAND_LINES["benchmark"](options) == 2
        assert (tmp_path / "config.json").read_text() == "of the first"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(
        rf"benchmark: {tmp_path} is being written by another program \(process \d+\): wait for it,"
        r" .*\n",
        printed.err,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
