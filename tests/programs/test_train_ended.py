"""Runs that end early: what is said, and what is kept of them."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import numpy as np
import pytest
from training_runs import assert_same_run, at_batch, ends, rows, train

from jaxcnn.programs.train import checkpoints, finishing, program
from jaxcnn.programs.train.checkpoints import Checkpoints
from jaxcnn.programs.train.run import Run
from jaxcnn.stored.files import write_whole

pytestmark = pytest.mark.usefixtures("standard_promotion", "quick_runs", "hears_ctrl_c")

FINAL = {
    "best",
    "checkpoints",
    "config.json",
    "metrics.jsonl",
    "model.json",
    "model.safetensors",
    "report.html",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Signals.


@pytest.mark.parametrize(
    ("number", "word", "status"),
    [
        pytest.param(signal.SIGINT, "interrupted", 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, "terminated", 143, id="SIGTERM", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, "hung up", 129, id="SIGHUP", marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_a_checkpoint_and_says_so(number, word, status, tmp_path, capsys):
    with pytest.MonkeyPatch.context() as patch:
        at_batch(patch, 6, ends(number))
        assert train(tmp_path / "run") == status
    assert capsys.readouterr().err == (
        f"jaxcnn train: {word}; {tmp_path / 'run'} has a checkpoint after 1 of 2 epochs and 2"
        " batches: --resume goes on from it\n"
    )
    assert names(tmp_path / "run") == FINAL - {"model.json", "model.safetensors", "report.html"}
    assert [row["epoch"] for row in rows(tmp_path / "run")] == [1]
    assert names(tmp_path / "run" / "checkpoints") == {"8", "8.sha256.json"}


def test_a_second_signal_does_not_wait_for_the_batch(tmp_path, capsys, monkeypatch):
    """The first one is only noticed until a batch is done, and it may never be."""

    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")

    at_batch(monkeypatch, 1, twice)
    assert train(tmp_path / "run") == 130
    assert capsys.readouterr().err == "jaxcnn train: interrupted\n"
    assert names(tmp_path / "run" / "checkpoints") == set()


@pytest.mark.slow
def test_a_second_signal_does_not_cut_off_what_the_first_saves(tmp_path, capsys, monkeypatch):
    save = Checkpoints.save

    def again(*args):
        signal.raise_signal(signal.SIGTERM)
        save(*args)

    monkeypatch.setattr(Checkpoints, "save", again)
    at_batch(monkeypatch, 1, ends(signal.SIGINT))
    assert train(tmp_path / "run") == 130
    assert "has a checkpoint after 0 of 2 epochs and 2 batches" in capsys.readouterr().err
    assert names(tmp_path / "run" / "checkpoints") == {"2", "2.sha256.json"}


def test_a_signal_while_the_last_checkpoint_is_written_is_not_lost(tmp_path, capsys, monkeypatch):
    write = Checkpoints.wait

    def told(checkpoints):
        write(checkpoints)
        if (checkpoints.folder / "6").exists():
            monkeypatch.undo()
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Checkpoints, "wait", told)
    assert train(tmp_path / "run", epochs=1) == 143
    assert capsys.readouterr().err == (
        f"jaxcnn train: terminated; {tmp_path / 'run'} has a checkpoint after 1 of 1 epoch:"
        " --resume goes on from it\n"
    )


@pytest.mark.parametrize("moment", ["compile", pytest.param("step", marks=pytest.mark.slow)])
def test_before_a_batch_is_done_there_is_nothing_to_keep(moment, tmp_path, capsys, monkeypatch):
    """While it compiles, or, by a second signal, while the first batch is
    computed."""
    if moment == "compile":
        monkeypatch.setattr(Run, "compile", lambda run: signal.raise_signal(signal.SIGINT))
    else:
        at_batch(monkeypatch, 0, lambda: [ends(signal.SIGINT)() for _ in range(2)], before=True)
    assert train(tmp_path / "new" / "one") == 130
    told = "; nothing was trained" if moment == "compile" else ""
    assert capsys.readouterr() == ("", f"jaxcnn train: interrupted{told}\n")
    if moment == "compile":
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interruption_among_the_pictures_says_how_to_get_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(finishing, "pictures", lambda *_: ends()() or ())
    assert train(tmp_path / "run") == 143
    assert capsys.readouterr().err == (
        f"jaxcnn train: terminated; {tmp_path / 'run'} has the model, but not yet all pictures:"
        " --resume makes them\n"
    )
    assert names(tmp_path / "run") == FINAL - {"report.html"}
    model = (tmp_path / "run" / "model.safetensors").read_bytes()
    monkeypatch.setattr(finishing, "pictures", lambda *_: iter(()))
    assert train(tmp_path / "run", "--resume") == 0
    assert "going on after 2 of 2 epochs and 0 of 5 batches" in capsys.readouterr().out
    assert names(tmp_path / "run") == FINAL
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == model


# Failures.


@pytest.mark.slow
def test_divergence_is_one_line_and_keeps_what_came_before(tmp_path, capsys, monkeypatch):
    """In the second epoch, in which the weights are too large."""
    whole = Run.epoch

    def epoch(run, number, first=0):
        if number == 1:
            arrays = run.arrays()
            for name, array in arrays.items():
                if array.dtype == np.float32 and ".params" in name:
                    array[...] = 1e38
            run.restore(arrays)
        return whole(run, number, first)

    monkeypatch.setattr(Run, "epoch", epoch)
    assert train(tmp_path / "run", "--checkpoint-epochs", "1") == 1
    printed = capsys.readouterr().err
    assert re.fullmatch(
        r"jaxcnn train: not finite in batch 1 of epoch 2: .*'.*'.*; try a learning rate below"
        r" 0\.003, --warmup-epochs or --clip-norm\n",
        printed,
    ), printed
    assert [row["epoch"] for row in rows(tmp_path / "run")] == [1]
    assert names(tmp_path / "run" / "checkpoints") == {"6", "6.sha256.json"}
    assert not (tmp_path / "run" / "model.json").exists()


@pytest.mark.parametrize(
    "name", ["model.safetensors", pytest.param("config.json", marks=pytest.mark.slow)]
)
def test_a_full_disk_is_told_with_the_file(name, tmp_path, capsys, monkeypatch):
    write = Path.write_text if name == "config.json" else Path.write_bytes

    def full(path, content, *args, **options):
        return write(Path("/dev/full") if name in path.name else path, content, *args, **options)

    monkeypatch.setattr(Path, write.__name__, full)
    assert train(tmp_path / "run") == 1
    assert re.fullmatch(
        rf"jaxcnn train: {tmp_path}/run/.*{name}: No space left on device\n",
        capsys.readouterr().err,
    )
    monkeypatch.undo()
    left = {path.name for path in tmp_path.rglob("*")}
    assert not {one for one in left if one.endswith(".partial") or one == name}


def test_a_full_disk_loses_no_earlier_checkpoint(finished_run, tmp_path, capsys):
    """When there is room again, the run goes on from it to the same end."""

    def full(path, write):
        if path.name == "12.sha256.json":
            raise OSError(28, "No space left on device")
        write_whole(path, write)

    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "write_whole", full)
        assert train(run, "--checkpoint-epochs", "1") == 1
    assert capsys.readouterr().err == (
        f"jaxcnn train: {run}/checkpoints: a checkpoint could not be written (No space left on"
        " device); earlier ones are whole\n"
    )
    assert train(run, "--resume") == 0
    assert "12 was not written to the end: the one before it is used" in capsys.readouterr().out
    assert_same_run(run, finished_run)


@pytest.mark.slow
def test_a_failing_disk_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(program, "append_metrics", fail)
    assert train(tmp_path / "run") == 1
    assert capsys.readouterr().err == "jaxcnn train: disk full\n"
