"""Event files: what is in them, one curve over resumed runs, and what a killed process
and a full disk leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from event_files import curves, events

from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.train.event_log import event_log
from jaxcnn.programs.train.events import EventFile, scalars

FULL = Path("/dev/full")
ROW = {
    "epoch": 1,
    "train_loss": 0.5,
    "train_accuracy": 0.75,
    "test_loss": 0.25,
    "test_accuracy": 1.0,
    "learning_rate": 1.0,
    "seconds": 2.0,
}


def test_each_number_is_a_point_of_its_curve(tmp_path):
    with EventFile(tmp_path / "new" / "folder", first_step=1) as file:
        file.write(1, scalars(ROW))
        file.write(2, scalars(ROW | {"train_loss": 0.125}))
    assert curves(file.path.parent) == {
        "loss/train": {1: 0.5, 2: 0.125},
        "accuracy/train": {1: 0.75, 2: 0.75},
        "loss/test": {1: 0.25, 2: 0.25},
        "accuracy/test": {1: 1.0, 2: 1.0},
        "learning_rate": {1: 1.0, 2: 1.0},
        "seconds": {1: 2.0, 2: 2.0},
    }
    first, *_ = events(file.path)
    assert first.file_version == "brain.Event:2"


def test_a_resumed_run_continues_the_curve(tmp_path):
    """From epoch 3 on: what the first process wrote after its checkpoint is dropped,
    although both files begin in the same second."""
    with EventFile(tmp_path, first_step=1) as file:
        for epoch in (1, 2, 3, 4):
            file.write(epoch, {"loss": float(epoch)})
    with EventFile(tmp_path, first_step=3) as resumed:
        resumed.write(3, {"loss": 30.0})
    assert resumed.path != file.path
    assert curves(tmp_path) == {"loss": {1: 1.0, 2: 2.0, 3: 30.0}}


def test_whatever_was_written_is_on_the_disk_at_once(tmp_path):
    file = EventFile(tmp_path, first_step=1)
    for epoch in (1, 2):
        file.write(epoch, {"loss": 0.5})
        assert set(curves(tmp_path)["loss"]) == set(range(1, epoch + 1))
    file.close()
    file.close()  # twice is no error


@pytest.mark.slow
def test_a_killed_process_loses_no_epoch_that_it_told_of(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from jaxcnn.programs.train.events import EventFile\n"
        "file = EventFile(Path(sys.argv[1]), first_step=1)\n"
        "for epoch in range(1, 10**6):\n"
        "    file.write(epoch, {f'curve {i}': 0.5 for i in range(6)})\n"
        "    print(epoch, flush=True)\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        told = [int(process.stdout.readline()) for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    found = curves(tmp_path)
    assert len(found) == 6
    for curve in found.values():
        assert set(curve) >= set(told)


def test_a_record_that_was_cut_off_ends_the_file_and_no_other(tmp_path):
    with EventFile(tmp_path, first_step=1) as file:
        file.write(1, {"loss": 1.0})
        file.write(2, {"loss": 2.0})
    file.path.write_bytes(file.path.read_bytes()[:-3])
    with EventFile(tmp_path, first_step=2) as resumed:
        resumed.write(2, {"loss": 20.0})
    assert curves(tmp_path) == {"loss": {1: 1.0, 2: 20.0}}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        EventFile(tmp_path / "file" / "events", first_step=1)
    assert str(tmp_path / "file" / "events") in str(caught.value)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_is_an_error_that_names_the_file_and_no_hang(tmp_path):
    file = EventFile(tmp_path, first_step=1)
    with FULL.open("wb") as full:
        os.dup2(full.fileno(), file._records._writer.fileno())
    for epoch in range(1, 30):
        with pytest.raises(OSError) as caught:
            file.write(epoch, {"loss": 0.5})
        assert caught.value.filename == str(file.path)
        assert caught.value.strerror == "No space left on device"
    with pytest.raises(OSError):
        file.close()


def test_a_log_writes_the_metrics_of_each_epoch(tmp_path):
    with event_log(tmp_path, first_epoch=1) as log:
        log(ROW)
        log(ROW | {"epoch": 2, "test_loss": 0.125})
    assert curves(tmp_path)["loss/test"] == {1: 0.25, 2: 0.125}


def test_no_log_writes_nothing_and_imports_nothing():
    code = (
        "import sys\n"
        "from jaxcnn.programs.train.event_log import event_log\n"
        "with event_log(None, first_epoch=1) as log:\n"
        "    log({'epoch': 1})\n"
        "print('tensorboardX' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_log_without_tensorboardx_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    for name in list(sys.modules):
        if name.startswith("tensorboardX.") or name == "jaxcnn.programs.train.events":
            monkeypatch.delitem(sys.modules, name)
    with (
        pytest.raises(ConfigError, match=r"event files need tensorboardX.* pip install"),
        event_log(tmp_path, first_epoch=1),
    ):
        pass
