"""Options of `jaxcnn certify` that make no sense: one line, status 2, nothing
written."""

from __future__ import annotations

import re

import pytest
from certify_helpers import nothing_is_judged
from certify_rules import MODULES, modules

from jaxcnn.programs.certify import report
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.certify.program import command_line

TANH = ("--pair", "my_rules:tanh", "my_rules:tanh")


@pytest.fixture
def rules(tmp_path):
    """A folder for the output, with modules beside it."""
    with modules(tmp_path, MODULES):
        yield tmp_path / "out"


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
            "--pair must name module:function, got 'my_rules'",
            id="no colon",
        ),
        pytest.param(
            ["--pair", "my_rules:tanh", "my_rules:", "--shapes", "3"],
            "--pair must name module:function, got 'my_rules:'",
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
            "--model must be one of cnn_basics, lenet, .*, or module:function of your own, got"
            " 'alexnet'",
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
    monkeypatch.setattr(report, "judged", nothing_is_judged)
    assert command_line(["--output", str(rules), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.fullmatch(f"jaxcnn certify: {message}\n", err)
    assert len(err) < 500
    assert sorted(path.name for path in rules.parent.iterdir()) == [
        "my_mistake.py",
        "my_rules.py",
        "my_script.py",
    ]


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
    assert command_line([*options, "--output", str(tmp_path / "out")]) == 2
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
