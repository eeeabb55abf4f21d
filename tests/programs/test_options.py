"""What a person types, command by command: a wrong option is one line with the option,
what came, and what is needed."""

from __future__ import annotations

import re

import pytest

from jaxcnn.programs.command import run
from jaxcnn.programs.data import dataset
from jaxcnn.programs.output import claimed

HUGE = 10**12


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (
            "train",
            ["--accumulate", str(HUGE)],
            "--accumulate must be at most 2,147,483,647, got 1000000000000",
        ),
        (
            "train",
            ["--cutout", "10000000000"],
            "--cutout must be at most 2,147,483,647, got 10000000000",
        ),
        (
            "train",
            ["--epocs", "3"],
            r"unrecognized options: --epocs, 3 \(is --epochs INT meant\?\); jaxcnn train --help"
            " lists all",
        ),
        (
            "train",
            ["--epochs", "many"],
            r"error parsing --epochs: invalid literal for int\(\) with base 10: 'many'; jaxcnn"
            " train --help lists all",
        ),
        (
            "train",
            ["--gradients", "implicit"],
            r"invalid choice 'implicit' for argument '--gradients'. Expected one of \('explicit',"
            r" 'autodiff'\); jaxcnn train --help lists all",
        ),
        (
            "evaluate",
            [],
            "missing from jaxcnn evaluate: RUN The output folder of jaxcnn train, or a folder that"
            r" jaxcnn.save wrote. \(required\); jaxcnn evaluate --help lists all",
        ),
        ("train", ["--cutout", "9"], "--cutout must be at most the 8 pixels of an image, got 9"),
        (
            "train",
            ["--shift", "2147483648"],
            "--shift must be at most 2,147,483,647, got 2147483648",
        ),
        (
            "train",
            ["--shift", "8"],
            "--shift must be less than the 8 pixels of an image, .*, got 8",
        ),
        (
            "train",
            ["--warmup-epochs", "1e308"],
            r"--warmup-epochs must be at most 1,000,000, got 1e\+308",
        ),
        ("train", ["--warmup-epochs", "nan"], "--warmup-epochs must be at least 0, got nan"),
        (
            "train",
            ["--learning-rate", "1e-320"],
            "--learning-rate must be between 1.2e-38 and 3.4e.38, .*, got 1e-320",
        ),
        (
            "train",
            ["--devices", str(HUGE)],
            "--devices must be between 1 and the . that JAX finds here, got 1000000000000",
        ),
        (
            "train",
            ["--output", "a\0b"],
            r"--output must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "train",
            ["--data-dir", "a\0b"],
            r"--data-dir must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "train",
            ["--recipe", "a\0b"],
            r"--recipe must be a path without a NUL byte, got 'a\\x00b'",
        ),
        ("train", ["--output", "a\udcff"], r"--output must be a path in UTF-8, got 'a\\udcff'"),
        (
            "train",
            ["--output", "n" * 300],
            r"--output must be a folder that can be written: n*: File name too long",
        ),
        ("train", ["--recipe", "{tmp}"], "--recipe .* cannot be read: Is a directory"),
        (
            "train",
            ["--recipe", "/dev/zero"],
            "--recipe /dev/zero is no recipe: it has more than 1,000,000 bytes",
        ),
        (
            "receptive-field",
            ["cnn_basics", "--epochs", str(HUGE)],
            "--epochs must be at most 1,000,000, got 1000000000000",
        ),
        (
            "receptive-field",
            ["cnn_basics", "--images", str(HUGE)],
            "--images must be at most 2,147,483,647, got 1000000000000",
        ),
        (
            "receptive-field",
            ["cnn_basics", "--run", "a\0b"],
            r"--run must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "receptive-field",
            ["cnn_basics", "--layer", "a\nb"],
            r"--layer must be a layer whose .* got 'a\\nb': there are .*",
        ),
        (
            "receptive-field",
            ["cnn_basics", "--positions", str(HUGE), "0"],
            "--positions must be in the 6x6 outputs of .*",
        ),
        (
            "summary",
            ["lenet", "--classes", str(HUGE)],
            "--classes must be at most 2,147,483,647, got 1000000000000",
        ),
        (
            "summary",
            ["lenet", "--input-shape", str(HUGE), "1"],
            "--input-shape must be sizes of at most 1,000,000 each, .*",
        ),
        (
            "summary",
            ["lenet", "--input-shape", *["1000000"] * 2, "3"],
            "--input-shape must be of at most .* values in all, .*",
        ),
        ("summary", ["n" * 300], "MODEL must be one of cnn_basics, .*, got 'n{60}'"),
    ],
    ids=lambda value: (
        ascii(" ".join(value))[:40] if isinstance(value, list) else "" if " " in value else value
    ),
)
def test_a_line_with_the_option_the_value_and_what_is_needed(
    command, options, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run([command, *(option.format(tmp=tmp_path) for option in options)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"jaxcnn {command}: {message}\n", printed.err), printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "options"),
    [("train", []), ("receptive-field", ["cnn_basics"]), ("certify", ["--random", "0"])],
)
def test_a_folder_that_another_program_writes_into_is_refused_at_once(
    command, options, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(dataset, "load_digits", lambda: pytest.fail("it loads images"))
    (tmp_path / "config.json").write_text("of the first")
    with claimed(tmp_path):
        assert run([command, *options, "--output", str(tmp_path)]) == 2
        assert (tmp_path / "config.json").read_text() == "of the first"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(
        rf"jaxcnn {command}: {tmp_path} is being written by another program \(process \d+\): wait"
        r" for it, .*\n",
        printed.err,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
