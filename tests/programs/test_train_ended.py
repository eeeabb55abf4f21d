"""Runs that end early: what is kept of them, and of the earlier run in their folder."""

from __future__ import annotations

import io
import json
import math
import re
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from jaxcnn.programs.train import program, run_files
from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.program import command_line, main
from jaxcnn.programs.train.run import DivergedError, Run
from jaxcnn.programs.train.run_files import RUN_FILES
from jaxcnn.stored.arrays import load_arrays
from jaxcnn.training import TrainState

pytestmark = pytest.mark.usefixtures("standard_promotion")


EARLIER = dict.fromkeys((*RUN_FILES, "notes.txt"), "old")


@pytest.fixture
def earlier(tmp_path) -> Path:
    """A folder with an earlier run, and with a file that is none of a run's."""
    for name, text in EARLIER.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.slow
def test_divergence_in_the_first_epoch_leaves_the_earlier_run_of_an_overwriting_one(
    earlier, capsys
):
    assert (
        command_line(
            ["--learning-rate", "1e30", "--epochs", "3", "--output", str(earlier), "--overwrite"]
        )
        == 1
    )
    printed = capsys.readouterr()
    assert re.match(
        r"jaxcnn train: not finite in batch \d+ of epoch 1: .*'.*'.*; try a learning rate"
        r" below 1e\+30",
        printed.err,
    ), printed.err
    assert printed.err.count("\n") == 1
    assert texts(earlier) == EARLIER


# Runs that end early.

SMALL = [
    "--model",
    "cnn_basics",
    "--batch-size",
    "512",
    "--epochs",
    "3",
    "--optimizer",
    "sgd",
    "--overwrite",
    "--output",
]


def in_epoch(monkeypatch, number: int, after_batches: int, act) -> None:
    """Have `act` called in that epoch, after so many of its batches."""
    whole = Run.epoch

    def epoch(run, random, epoch_number):
        for done, metrics in enumerate(whole(run, random, epoch_number)):
            if (epoch_number, done) == (number, after_batches):
                act()
            yield metrics

    monkeypatch.setattr(Run, "epoch", epoch)


@pytest.fixture
def uncompiled(monkeypatch):
    """A run that computes nothing: what it does with files and signals is what it is
    for."""
    weights = {"0_conv": {"w": np.zeros(3, np.float32)}}

    def epoch(run, random, number):
        yield {"loss": np.full(2, 1.0 / number), "accuracy": np.ones(2)}

    monkeypatch.setattr(
        Run, "compile", lambda run: setattr(run, "state", TrainState(weights, {}, (), 0, 0))
    )
    monkeypatch.setattr(Run, "epoch", epoch)
    monkeypatch.setattr(Run, "predict", lambda run, x: np.eye(10)[np.arange(len(x)) % 10])
    monkeypatch.setattr(program, "pictures", lambda *_: iter(()))


@pytest.mark.slow
def test_a_run_that_is_ended_keeps_the_weights_of_its_last_whole_epoch(
    earlier, capsys, monkeypatch
):
    """After a batch of the third epoch, whose step took the memory of the weights; and
    again, while they are being saved."""
    in_epoch(monkeypatch, 3, 1, lambda: signal.raise_signal(signal.SIGTERM))
    save, predict, tested = run_files.save_arrays, Run.predict, []

    def recorded(run, x):
        tested.append(jax.tree.map(np.array, run.state.params))
        return predict(run, x)

    monkeypatch.setattr(Run, "predict", recorded)
    monkeypatch.setattr(
        run_files,
        "save_arrays",
        lambda *args: (signal.raise_signal(signal.SIGINT), save(*args)),
    )
    assert command_line([*SMALL, str(earlier)]) == 143
    assert (
        capsys.readouterr().err
        == f"jaxcnn train: terminated; {earlier} has the weights and the metrics of 2 of 3 epochs\n"
    )
    assert {path.name for path in earlier.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "notes.txt",
    }
    rows = [json.loads(line) for line in (earlier / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert json.loads((earlier / "config.json").read_text())["epochs"] == 3
    assert len(tested) == 2
    jax.tree.map(
        np.testing.assert_array_equal,
        load_arrays(earlier / "model.safetensors")["params"],
        tested[1],
    )
    assert not np.array_equal(tested[0]["7_dense"]["w"], tested[1]["7_dense"]["w"])


@pytest.mark.parametrize("moment", ["compile", "epoch"])
def test_before_the_first_epoch_is_done_nothing_is_written_and_nothing_lost(
    moment, uncompiled, earlier, capsys, monkeypatch
):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)
        return iter(())

    monkeypatch.setattr(Run, moment, interrupted)
    line = "jaxcnn train: interrupted; nothing was written: no epoch was done\n"
    assert command_line([*SMALL, str(earlier)]) == 130
    assert command_line([*SMALL, str(earlier / "new" / "one")]) == 130
    assert capsys.readouterr() == ("", line + line)
    assert texts(earlier) == EARLIER


def test_from_the_first_epoch_on_the_folder_has_the_new_run_and_nothing_of_the_old(
    uncompiled, earlier, capsys, monkeypatch
):
    def failing():
        raise DivergedError("not finite in batch 1 of epoch 3")

    in_epoch(monkeypatch, 3, 0, failing)
    assert command_line([*SMALL, str(earlier)]) == 1
    assert capsys.readouterr().err == "jaxcnn train: not finite in batch 1 of epoch 3\n"
    assert {path.name for path in earlier.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "notes.txt",
    }
    assert [
        json.loads(line)["epoch"] for line in (earlier / "metrics.jsonl").read_text().splitlines()
    ] == [1, 2]
    assert (earlier / "notes.txt").read_text() == "old"


def test_an_interruption_among_the_pictures_says_what_is_there(
    uncompiled, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(
        program,
        "pictures",
        lambda *_: signal.raise_signal(signal.SIGTERM) or (),
    )
    assert command_line([*SMALL, str(tmp_path)]) == 143
    assert (
        capsys.readouterr().err
        == f"jaxcnn train: terminated; {tmp_path} has the whole run but for some of its pictures\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
    }


def test_what_killed_runs_left_is_removed(uncompiled, earlier):
    (earlier / ".first_filters.png.123456.partial").write_text("half")
    (earlier / ".lock").write_text("123456")
    assert command_line([*SMALL, str(earlier)]) == 0
    assert {path.name for path in earlier.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "notes.txt",
    }


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_full_disk_is_told_with_the_file_and_loses_nothing(
    name, uncompiled, earlier, capsys, monkeypatch
):
    write = Path.write_text if name == "config.json" else Path.write_bytes

    def full(path, content, *args, **options):
        return write(Path("/dev/full") if name in path.name else path, content, *args, **options)

    monkeypatch.setattr(Path, write.__name__, full)
    assert command_line([*SMALL, str(earlier)]) == 1
    assert re.fullmatch(
        rf"jaxcnn train: {earlier}/.*{name}: No space left on device\n", capsys.readouterr().err
    )
    if name == "config.json":
        assert texts(earlier) == EARLIER
    else:
        assert {path.name for path in earlier.iterdir()} == {
            "config.json",
            "metrics.jsonl",
            "notes.txt",
        }


@pytest.mark.parametrize("smoothing", [0.1, 0.0])
def test_the_table_says_how_small_a_smoothed_loss_can_be(smoothing, uncompiled, tmp_path):
    """By hand: the entropy of one label of 0.91 and nine of 0.01."""
    printed = io.StringIO()
    main(
        Config(epochs=1, label_smoothing=smoothing, output=tmp_path / "run"),
        Console(file=printed, width=200),
    )
    found = re.findall(r"least possible test loss, labels smoothed\W+(\S+)", printed.getvalue())
    assert found == (
        [f"{-0.91 * math.log(0.91) - 9 * 0.01 * math.log(0.01):.4f}"] if smoothing else []
    )


@pytest.mark.slow
def test_a_failing_disk_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(program, "write_whole", fail)
    assert command_line(["--output", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "jaxcnn train: disk full\n"
