"""What options do to a run, and what the training program refuses."""

from __future__ import annotations

import io
import math
import re
from contextlib import ExitStack
from dataclasses import fields, replace

import pytest
from rich.console import Console
from training_runs import TINY, few, with_images, without_onednn, without_pictures

from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.program import command_line, main
from jaxcnn.programs.train.run_files import claimed_output

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A short run of a network with batch normalisation and dropout, and a function
    that repeats it with other options."""

    def run(**options):
        output = tmp_path_factory.mktemp("run") / "run"
        config = Config(
            model=TINY, epochs=1, batch_size=8, optimizer="sgd", learning_rate=0.05, output=output
        )
        with pytest.MonkeyPatch.context() as patch, without_onednn():
            with_images(patch, few())
            without_pictures(patch)
            return main(replace(config, **options), Console(file=io.StringIO())).rows[-1]

    return run, run()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"steps_per_dispatch": 2}, id="two steps in a dispatch, one left over"),
        pytest.param({"steps_per_dispatch": 99}, id="the whole epoch in a dispatch"),
        pytest.param({"devices": 2}, id="two devices"),
    ],
)
def test_how_a_run_is_computed_does_not_change_it(plain, options):
    run, expected = plain
    row = run(**options)
    for name in ("train_loss", "test_loss"):
        assert row[name] == pytest.approx(expected[name], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 2},
        {"average_decay": 0.9},
        {"clip_norm": 0.1},
        {"warmup_epochs": 0.5},
        {"schedule": "constant"},
        {"shift": 1},
        {"crop": 1},
        {"flip": True},
        {"alternate_flips": True},
        {"brightness": 0.3},
        {"contrast": 0.3},
        {"cutout": 3},
        {"mixup": 0.2},
        {"balance": True},
        {"compute_dtype": "bfloat16"},
        {"optimizer": "lion", "learning_rate": 1e-3},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_change_a_run(plain, options):
    run, expected = plain
    row = run(**options)
    assert row["test_loss"] != expected["test_loss"]
    assert math.isfinite(row["test_loss"])


# Refusals.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--epochs", "0"], "--epochs must be at least 1, got 0", id="no epochs"),
        pytest.param(
            ["--batch-size", "0"], "--batch-size must be at least 1, got 0", id="no batch"
        ),
        pytest.param(
            ["--batch-size", "1438"],
            "--batch-size must be at most the 1,437 training images, got 1,438",
            id="batch larger than the data",
        ),
        pytest.param(
            ["--learning-rate", "-1"],
            "--learning-rate must be a positive number, got -1",
            id="negative rate",
        ),
        pytest.param(
            ["--learning-rate", "nan"], "--learning-rate .* got nan", id="rate not a number"
        ),
        pytest.param(
            ["--devices", "3"],
            "--devices must be between 1 and the 2 .* got 3",
            id="more devices than there are",
        ),
        pytest.param(
            ["--devices", "2", "--batch-size", "31"],
            "--devices must divide the batch of 31",
            id="odd batch",
        ),
        pytest.param(
            ["--data-dir", "x"], "the digits come with scikit-learn", id="digits from a folder"
        ),
        pytest.param(
            ["--dataset", "mnist", "--data-dir", "{tmp}"],
            ".*train-images-idx3-ubyte",
            id="no data there",
        ),
        pytest.param(
            ["--recipe", "{tmp}/none.toml"],
            "--recipe .*none.toml cannot be read",
            id="no recipe there",
        ),
        pytest.param(["--recipe", "{tmp}/file"], "--recipe .*file is not TOML", id="no recipe"),
        pytest.param(
            ["--accumulate", "0"], "--accumulate must be at least 1", id="nothing accumulated"
        ),
        pytest.param(
            ["--clip-norm", "0"], "--clip-norm must be a positive number", id="all clipped"
        ),
        pytest.param(
            ["--average-decay", "1"],
            "--average-decay must be at least 0 and below 1",
            id="the start for ever",
        ),
        pytest.param(
            ["--label-smoothing", "1"], "--label-smoothing .* got 1", id="nothing but smoothing"
        ),
        pytest.param(["--seed", "-1"], "--seed .* got -1", id="negative seed"),
        pytest.param(
            ["--output", "{tmp}/file"], "--output must be a folder .*/file", id="output is a file"
        ),
        pytest.param(
            ["--output", "{tmp}/file/run"],
            "--output must be a folder .*/file/run",
            id="output in a file",
        ),
        pytest.param(
            ["--output", "{tmp}"],
            "{tmp} holds config.json and 1 more: pass --resume to go on with the run in it, or"
            " another --output",
            id="a run is there",
        ),
        pytest.param(
            ["--resume"], "--output must be given with --resume", id="nothing to go on with"
        ),
        pytest.param(
            ["--model", "alexnet"],
            "--model must be one of cnn_basics, .*, or module:function of your own, got 'alexnet'",
            id="no such network",
        ),
        pytest.param(
            ["--model", "resnet2O"], "--model .* got 'resnet2O': did you mean resnet20?", id="slip"
        ),
        pytest.param(["--model", "nowhere:net"], "--model: module 'nowhere' does not", id="none"),
        pytest.param(["--model", "math:sin"], "--model 'math:sin': ", id="no network"),
        pytest.param(
            ["--checkpoint-minutes", "0"],
            "--checkpoint-minutes must be a positive number, got 0",
            id="always saving",
        ),
    ],
)
def test_wrong_options_give_one_line_and_status_2(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "config.json").write_text("an earlier run")
    assert command_line([option.format(tmp=tmp_path) for option in options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.fullmatch(f"jaxcnn train: {message.format(tmp=tmp_path)}.*\n", printed.err)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "file": "mine",
        "config.json": "an earlier run",
    }


def test_help_has_a_sentence_for_each_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for option in (field.name.replace("_", "-") for field in fields(Config)):
        (text,) = re.findall(
            rf"^\W*--{option}\b(.*?)(?=^\W*--|\Z)", printed, re.DOTALL | re.MULTILINE
        )
        assert len(text.split()) >= 5, option


def test_the_default_folder_is_a_new_one(tmp_path, monkeypatch):
    """The same command twice is two runs, and so it is at the same time; a folder that
    was named holds one."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        assert [str(stack.enter_context(claimed_output(Config(seed=3)))) for _ in range(3)] == [
            "runs/digits-lenet-explicit-seed3",
            "runs/digits-lenet-explicit-seed3-2",
            "runs/digits-lenet-explicit-seed3-3",
        ]
