"""What `--resume` goes on with, and what it says."""

from __future__ import annotations

import fcntl
import json
import shutil

import numpy as np
import pytest
from training_runs import (
    BATCHES,
    assert_same_run,
    at_batch,
    content,
    ends,
    few,
    newest_number,
    rows,
    tiny,
    train,
)

from jaxcnn.stored.loading import load

pytestmark = pytest.mark.usefixtures("standard_promotion", "quick_runs")


PARTS = ("empty", "config alone", "checkpoints gone")

# Where it begins.


@pytest.mark.parametrize(
    "there",
    ["missing", *(pytest.param(there, marks=pytest.mark.slow) for there in PARTS)],
)
def test_where_there_is_no_checkpoint_the_run_begins(there, finished_run, tmp_path, capsys):
    run = tmp_path / "run"
    if there == "empty":
        run.mkdir()
    elif there == "config alone":
        run.mkdir()
        shutil.copy(finished_run / "config.json", run)
    elif there == "checkpoints gone":
        shutil.copytree(
            finished_run, run, ignore=shutil.ignore_patterns("checkpoints", "report.html")
        )
    assert train(run, "--resume") == 0
    assert "there is no checkpoint: the run begins\n" in capsys.readouterr().out
    assert_same_run(run, finished_run)


def test_a_finished_run_says_so_and_nothing_changes(copied_run, capsys):
    before = content(copied_run)
    assert train(copied_run, "--resume") == 0
    assert capsys.readouterr() == (f"{copied_run} is finished: it has 2 of 2 epochs\n", "")
    assert content(copied_run) == before


def test_with_more_epochs_a_finished_run_goes_on(copied_run, tmp_path, capsys):
    """From its state, with the schedule of the new length; and as well as a run that
    is ended on the way there."""
    assert train(copied_run, "--resume", epochs=4) == 0
    assert "going on after 2 of 4 epochs and 0 of 5 batches\n" in capsys.readouterr().out
    found = rows(copied_run)
    assert [row["epoch"] for row in found] == [1, 2, 3, 4]
    half = 3e-3 * (1 + np.cos(np.pi * 3 / 4)) / 2
    assert found[2]["learning_rate"] == pytest.approx(half, rel=1e-5)
    assert found[3]["learning_rate"] == pytest.approx(0, abs=1e-9)
    assert json.loads((copied_run / "config.json").read_text())["epochs"] == 4
    assert load(copied_run, model=tiny).classes == few().classes
    assert train(copied_run, "--resume", epochs=4) == 0
    assert "is finished: it has 4 of 4 epochs" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_gets_more_epochs_is_not_finished_until_it_has_them(copied_run, monkeypatch):
    with monkeypatch.context() as patch:
        at_batch(patch, 2 * BATCHES, ends())
        assert train(copied_run, "--resume", epochs=3) == 143
    assert not (copied_run / "report.html").exists()
    assert train(copied_run, "--resume", epochs=3) == 0
    assert len(rows(copied_run)) == 3


@pytest.mark.slow
def test_commands_are_remembered(copied_run):
    assert train(copied_run, "--resume", epochs=3) == 0
    first, second = json.loads((copied_run / "config.json").read_text())["commands"]
    assert first.startswith("jaxcnn train --model training_runs:tiny")
    assert "--resume" not in first
    assert second.endswith("--resume")


# What is said.


@pytest.mark.slow
def test_other_devices_and_versions_are_told(copied_run, capsys):
    path = copied_run / "config.json"
    about = json.loads(path.read_text())
    about["versions"]["jax"] = "0.0.1"
    path.write_text(json.dumps(about))
    assert train(copied_run, "--resume", "--devices", "2", epochs=3) == 0
    out = capsys.readouterr().out
    assert "jax was 0.0.1 when the run began, and is " in out
    assert "the device was 1 x cpu: " in out
    assert out.count("the result will not be the same bit for bit") == 2


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(copied_run, finished_run, capsys):
    (copied_run / "report.html").unlink()
    number = newest_number(copied_run)
    damaged = next((copied_run / "checkpoints" / str(number) / "arrays" / "d").iterdir())
    damaged.write_bytes(bytes(9))
    assert train(copied_run, "--resume") == 0
    out = capsys.readouterr().out
    assert (
        f"checkpoint {copied_run}/checkpoints/{number} is damaged (arrays/d/{damaged.name})" in out
    )
    assert "going on after 1 of 2 epochs and 0 of 5 batches" in out
    assert_same_run(copied_run, finished_run)


# Two at once.


@pytest.mark.parametrize("words", [(), ("--resume",)], ids=["new", "resumed"])
def test_two_runs_do_not_share_a_folder(words, copied_run, capsys):
    before = content(copied_run)
    with (copied_run / ".lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert train(copied_run, *words, epochs=3) == 2
        (copied_run / ".lock").unlink()
    assert capsys.readouterr().err == (
        f"jaxcnn train: {copied_run} is being written by another program (process 4711): wait for"
        " it, or pass another --output\n"
    )
    assert content(copied_run) == before


def test_what_a_killed_process_left_is_in_nobodys_way(copied_run, finished_run):
    """Its lock file, and files half written."""
    (copied_run / "report.html").unlink()
    for name in (".lock", ".a.png.123456.partial", "best/.model.json.123456.partial"):
        (copied_run / name).write_text("123456")
    shutil.copytree(copied_run / "checkpoints" / "12", copied_run / "checkpoints" / "13")
    assert train(copied_run, "--resume") == 0
    assert_same_run(copied_run, finished_run)
    left = {path.name for path in copied_run.rglob("*")}
    assert not {name for name in left if "partial" in name or name in (".lock", "13")}


# The model.


def test_two_runs_give_the_same_bytes_and_no_times(finished_run, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert train(tmp_path / "again") == 0
    assert_same_run(tmp_path / "again", finished_run)
