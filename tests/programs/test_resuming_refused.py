"""What a run refuses: a folder that holds something, without --resume; with it, another
folder and other options."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_runs
from training_runs import content, few, train, with_images

from jaxcnn import layers
from jaxcnn.programs.train import resuming
from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.run_files import common_options

pytestmark = pytest.mark.usefixtures("standard_promotion", "quick_runs")


def refused(capsys, folder: Path, *words: str, epochs: int = 2) -> str:
    """The line, without the program's name; nothing in the folder changes."""
    before = content(folder)
    assert train(folder, *words, epochs=epochs) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert content(folder) == before
    return printed.err.removeprefix("jaxcnn train: ").removesuffix("\n")


@pytest.mark.parametrize("name", ["notes.txt", "config.json", ".hidden", "checkpoints"])
def test_without_resume_a_folder_that_holds_anything_is_refused(name, tmp_path, capsys):
    if name == "checkpoints":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("mine")
    assert refused(capsys, tmp_path) == (
        f"{tmp_path} holds {name}: pass --resume to go on with the run in it, or another --output"
    )


def test_without_resume_a_run_is_refused(copied_run, capsys):
    assert "holds best and 6 more: pass --resume" in refused(capsys, copied_run)


@pytest.mark.parametrize(
    "name", ["notes.txt", "model.safetensors", "report.html", "best", ".git", "events.out.1"]
)
def test_a_folder_of_something_else_is_refused_with_resume(name, tmp_path, capsys):
    """Names that a run has too: they are not this run's, which has a config.json."""
    if name in ("best", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    else:
        (tmp_path / name).write_text("mine")
    assert refused(capsys, tmp_path, "--resume") == (
        f"{tmp_path} holds {name} and no run: pass another --output"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is missing: without it the run cannot go on"),
        ("{", "cannot be read: Expecting property name"),
        ("[" * 100_000, "cannot be read: "),
        ("[]", "is not that of a run that can go on"),
        ('{"model": "bert", "vocab_size": 30522}', "is not that of a run that can go on"),
        ('{"fingerprint": "a", "epochs": "2", "commands": []}', "is not that of a run that can"),
        ('{"fingerprint": "a", "epochs": 2, "commands": 3}', "is not that of a run that can"),
    ],
    ids=["missing", "cut off", "deep", "a list", "of another program", "a text", "a number"],
)
def test_a_config_that_is_no_runs_is_refused(text, message, copied_run, capsys):
    if text is None:
        (copied_run / "config.json").unlink()
    else:
        (copied_run / "config.json").write_text(text)
    assert refused(capsys, copied_run, "--resume").startswith(
        f"{copied_run / 'config.json'} {message}"
    )


CHANGES = {
    "--model": "lenet",
    "--gradients": "autodiff",
    "--seed": "1",
    "--batch-size": "4",
    "--optimizer": "sgd",
    "--learning-rate": "0.004",
    "--schedule": "linear",
    "--warmup-epochs": "1",
    "--momentum": "0.8",
    "--weight-decay": "0.02",
    "--norm-rate": "2",
    "--clip-norm": "1",
    "--accumulate": "2",
    "--average-decay": "0.9",
    "--label-smoothing": "0",
    "--mirror": None,
    "--compute-dtype": "bfloat16",
    "--tuned": "tuned.json",
    "--steps-per-dispatch": "2",
    "--shift": "1",
    "--crop": "1",
    "--flip": None,
    "--alternate-flips": None,
    "--brightness": "0.1",
    "--contrast": "0.1",
    "--saturation": "0.1",
    "--cutout": "1",
    "--mixup": "0.1",
    "--balance": None,
    "--dataset": "mnist",
    "--image-size": "9",
    "--channels": "3",
    "--fit": "pad",
    "--classes": "1 2",
    "--test-share": "0.3",
    "--split-seed": "1",
    "--most-broken": "0.2",
}


@pytest.mark.parametrize("option", CHANGES)
def test_each_changed_option_is_refused_by_name(option, copied_run, capsys):
    value = CHANGES[option]
    message = refused(
        capsys, copied_run, "--resume", option, *([] if value is None else value.split())
    )
    assert message.startswith(f"{option} was ")
    assert message.endswith(" now: with --resume it must stay")
    if value is not None and " " not in value:
        assert f" when the run began, and is {value}" in message


def test_there_is_a_case_of_every_option_that_must_not_change():
    names = {*common_options(Config())} - resuming.FREE
    assert {f"--{name.replace('_', '-')}" for name in names} == {*CHANGES}


@pytest.mark.slow
def test_options_that_change_nothing_may_change(copied_run, tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("seed = 0")
    words = ("--recipe", str(recipe), "--memory-gb", "0.5", "--checkpoint-minutes", "1",
             "--checkpoint-epochs", "2", "--tensorboard")  # fmt: skip
    assert train(copied_run, "--resume", *words, epochs=3) == 0
    assert len([*copied_run.glob("events.out.tfevents.*")]) == 1


def test_fewer_epochs_are_refused(copied_run, capsys):
    assert refused(capsys, copied_run, "--resume", epochs=1) == (
        "--epochs was 2 when the run began, and is 1 now: with --resume there can be more, not"
        " fewer"
    )


def test_other_images_are_refused(copied_run, capsys, monkeypatch):
    with_images(monkeypatch, few(seed=1))
    message = refused(capsys, copied_run, "--resume", epochs=3)
    assert message.startswith("the images are not those that the run began with (their SHA-256")
    assert message.endswith("begin a new run")


def test_a_network_of_ones_own_that_changed_is_refused(copied_run, capsys, monkeypatch):
    """Its name is the same: the arrays tell."""
    monkeypatch.setattr(
        training_runs,
        "tiny",
        lambda classes: layers.serial(layers.flatten(), layers.dense(classes)),
    )
    message = refused(capsys, copied_run, "--resume", epochs=3)
    assert f"{copied_run}/checkpoints/12 has " in message
    assert "is it another network" in message
