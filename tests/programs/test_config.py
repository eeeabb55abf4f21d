"""Options and recipes: what makes no sense is refused in one line that has the option,
what came, and what is needed."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

import experiments.benchmark.program
import experiments.filters
import experiments.own_rule
import experiments.xor
import jaxcnn.programs.receptive_field.program
import jaxcnn.programs.summary.program
import jaxcnn.programs.train.program
from jaxcnn.programs.output import claimed
from jaxcnn.programs.train.config import (
    Config,
    ConfigError,
    check,
    check_with_data,
    from_command_line,
    read_recipe,
)
from jaxcnn.programs.train.optimizer import make_schedule

HUGE = 10**12
COUNTS = ("epochs", "batch_size", "accumulate", "steps_per_dispatch", "shift", "cutout", "seed")
NUMBERS = (
    "learning_rate",
    "warmup_epochs",
    "momentum",
    "weight_decay",
    "clip_norm",
    "average_decay",
    "label_smoothing",
)


def test_there_is_a_bound_for_every_number():
    kinds = {field.name: field.type for field in fields(Config)}
    assert sorted(n for n, kind in kinds.items() if re.match("int|float", kind)) == sorted(
        [*COUNTS, *NUMBERS, "devices"]
    )


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [-1, 2**31, HUGE, 10**4000])
def test_counts_have_an_end_on_both_sides(name, value):
    with pytest.raises(ConfigError) as caught:
        check(replace(Config(), **{name: value}))
    came = value if value < 10**4000 else r"10{39}\.\.\. \(4,001 characters\)"
    assert re.fullmatch(rf"--{name.replace('_', '-')} must be .*, got {came}", str(caught.value))


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308, -1e-300])
def test_numbers_are_finite_and_float32(name, value):
    with pytest.raises(
        ConfigError, match=rf"^--{name.replace('_', '-')} must be .*, got {re.escape(str(value))}$"
    ):
        check(replace(Config(), **{name: value}))


def test_the_largest_that_make_sense_are_taken():
    config = Config(
        epochs=10**6,
        batch_size=2**31 - 1,
        seed=2**31 - 1,
        warmup_epochs=1e6,
        weight_decay=1e38,
        clip_norm=1e-37,
    )
    check(
        replace(
            config,
            steps_per_dispatch=2**31 - 1,
            learning_rate=3e38,
            momentum=0.0,
            average_decay=0.0,
        )
    )
    check_with_data(
        Config(shift=7, cutout=8, batch_size=1437, epochs=5, accumulate=5), 1437, (8, 9)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1438}, "--batch-size must be at most the 1,437 training images, got 1,438"),
        (
            {"epochs": 2, "batch_size": 1000, "accumulate": 3},
            "--accumulate must be at most the 2 batches of the run",
        ),
        (
            {"accumulate": HUGE},
            (
                "--accumulate must be at most the 1,320 batches of the run, or else there is no"
                " update, got 1000"
            ),
        ),
        (
            {"shift": 8},
            (
                "--shift must be less than the 8 pixels of an image, of which nothing would be"
                " left, got 8"
            ),
        ),
        ({"cutout": 9}, "--cutout must be at most the 8 pixels of an image, got 9"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(options, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        check_with_data(Config(**options), 1437, (8, 9))


def test_more_steps_than_can_be_counted_are_refused():
    with pytest.raises(
        ConfigError,
        match=r"^--epochs must be at most 35,791, .* an epoch has 60,000 steps, got 1000000$",
    ):
        check_with_data(Config(epochs=10**6, batch_size=1), 60_000, (28, 28))


def test_a_warm_up_longer_than_the_run_is_all_of_it():
    long, whole = (
        make_schedule(Config(epochs=2, warmup_epochs=epochs), updates_per_epoch=5)
        for epochs in (1e6, 2)
    )
    assert [float(long(i)) for i in range(10)] == [float(whole(i)) for i in range(10)]


# What a person types, program by program.


@pytest.mark.parametrize(
    ("program", "options", "message"),
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
            "receptive_field",
            ["cnn_basics", "--epochs", str(HUGE)],
            "--epochs must be at most 1,000,000, got 1000000000000",
        ),
        (
            "receptive_field",
            ["cnn_basics", "--images", str(HUGE)],
            "--images must be at most 2,147,483,647, got 1000000000000",
        ),
        (
            "receptive_field",
            ["cnn_basics", "--run", "a\0b"],
            r"--run must be a path without a NUL byte, got 'a\\x00b'",
        ),
        (
            "receptive_field",
            ["cnn_basics", "--layer", "a\nb"],
            r"--layer must be a layer whose .* got 'a\\nb': there are .*",
        ),
        (
            "receptive_field",
            ["cnn_basics", "--positions", str(HUGE), "0"],
            "--positions must be in the 6x6 outputs of .*",
        ),
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
            "--summarise .*/broken has a maps.json that is not JSON: .*",
        ),
        (
            "benchmark",
            ["--summarise", "{tmp}/other"],
            "--summarise .*/other has a maps.json without rows and environment",
        ),
        (
            "benchmark",
            ["--summarise", "{tmp}/rows"],
            "--summarise .*/rows has rows that are not as this program .*",
        ),
        (
            "filters",
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
        ("summary", ["n" * 300], "MODEL must be one of example, .*, got 'n{60}'"),
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
        (tmp_path / folder / "maps.json").write_text(text)
    before = sorted(tmp_path.rglob("*"))
    command_line = (
        getattr(experiments, program).program
        if program == "benchmark"
        else getattr(experiments, program)
    ).command_line
    assert command_line([option.format(tmp=tmp_path) for option in options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(f"{program}: {message}\n", printed.err), printed.err
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("train", []),
        ("receptive_field", ["cnn_basics"]),
        ("benchmark", ["--parts", "maps"]),
        ("filters", []),
    ],
)
def test_a_folder_that_another_program_writes_into_is_refused_at_once(
    program, options, tmp_path, capsys, monkeypatch
):
    module = (
        experiments.benchmark.program if program == "benchmark" else getattr(experiments, program)
    )
    if hasattr(module, "load"):
        monkeypatch.setattr(module, "load", lambda *_, **__: pytest.fail("it loads images"))
    (tmp_path / "config.json").write_text("of the first")
    with claimed(tmp_path):
        assert module.command_line([*options, "--output", str(tmp_path)]) == 2
        assert (tmp_path / "config.json").read_text() == "of the first"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(
        rf"{program}: {tmp_path} is being written by another program \(process \d+\): wait for it,"
        r" .*\n",
        printed.err,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


# Recipes.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = false", "epochs must be a whole number, got false"),
        ("learning_rate = true", "learning_rate must be a number, got true"),
        ("clip_norm = false", "clip_norm must be a number, got false"),
        ('epochs = "3"', 'epochs must be a whole number, got "3"'),
        ("epochs = 3.0", "epochs must be a whole number, got 3.0"),
        ("epochs = [3]", "epochs must be a whole number, got an array"),
        ("[epochs]\nmost = 3", "epochs must be a whole number, got a table"),
        ("epochs = 2020-02-02", "epochs must be a whole number, got 2020-02-02"),
        ("epochs = 9223372036854775808", "epochs must be below 2^63, got 9223372036854775808"),
        (
            f"seed = 0x{'f' * 5000}",
            "seed must be below 2^63, got a number of more than 4,300 digits",
        ),
        ("flip = 1", "flip must be true or false, got 1"),
        ('flip = "yes"', 'flip must be true or false, got "yes"'),
        ("model = 3", "model must be a text in quotes, got 3"),
        ("output = true", "output must be a text in quotes, got true"),
    ],
    ids=lambda text: text[:40],
)
def test_a_value_of_another_type_is_refused_by_file_and_option(text, message, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    with pytest.raises(ConfigError, match=f"^--recipe {recipe}: {re.escape(message)}$"):
        read_recipe(recipe)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[train]\nepochs = 3", "has what is no option: train; there are accumulate"),
        (b'recipe = "other.toml"', "has what is no option: recipe; there are accumulate"),
        (b'"a\\nb" = 3', r"has what is no option: 'a\\nb'; there are"),
        (b"epochs = 3\nepochs = 4", "is not TOML: Cannot overwrite a value"),
        (b"epochs = " + b"9" * 5000, "is not TOML: Exceeds the limit"),
        (b"epochs = " + b"[" * 5000, "is not TOML: maximum recursion depth"),
        (b"\xff\xfee\0p\0", "cannot be read: 'utf-8' codec"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_recipe_is_refused(content, message, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^--recipe {recipe} {message}"):
        read_recipe(recipe)


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(
        b"\xef\xbb\xbfepochs = 3\r\nlearning_rate = 1\r\nweight_decay = 1e-4\r\nflip ="
        b" true\r\noverwrite = false\r\n"
    )
    expected = Config(recipe=recipe, epochs=3, learning_rate=1.0, weight_decay=1e-4, flip=True)
    assert read_recipe(recipe) == expected
    assert from_command_line(["--recipe", str(recipe), "--epochs", "4"], "train") == replace(
        expected, epochs=4
    )


def test_a_text_that_looks_like_an_option_is_a_text(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('output = "--help"\ndata_dir = "a=b c"\nseed = -1\n')
    assert read_recipe(recipe) == Config(
        recipe=recipe, output=Path("--help"), data_dir=Path("a=b c"), seed=-1
    )


def test_a_bad_choice_in_a_recipe_is_told_with_a_command_that_there_is(tmp_path, capsys):
    recipe = tmp_path / "r.toml"
    recipe.write_text('model = "alexnet"')
    with pytest.raises(SystemExit, match="2"):
        jaxcnn.programs.train.program.command_line(["--recipe", str(recipe)])
    told = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())
    (command,) = re.findall(r"run (python -m experiments\.train --recipe .* --help)", told)
    assert "'alexnet' for argument '--model'" in told
    assert command.split()[:4] == ["python", "-m", "jaxcnn.programs.train.program", "--recipe"]
    with pytest.raises(SystemExit, match="0"):
        jaxcnn.programs.train.program.command_line(["--recipe", str(recipe), "--help"])
