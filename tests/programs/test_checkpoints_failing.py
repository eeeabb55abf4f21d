"""Checkpoints that cannot be written: a clear error, and the earlier ones are whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.programs.train import checkpoints as module
from jaxcnn.programs.train.checkpoints import Checkpoints, newest

ROOT = Path(__file__).parents[2]
ARRAYS = {"w": np.random.default_rng(0).random((2**16,)).astype(np.float32)}

FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from jaxcnn.programs.train.checkpoints import Checkpoints

arrays = {"w": np.random.default_rng(0).random((2**16,)).astype(np.float32)}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with Checkpoints(Path(sys.argv[1])) as checkpoints:
        checkpoints.save(1, arrays, {}, 0.5)
        checkpoints.wait()
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, resource.RLIM_INFINITY))
        checkpoints.save(2, arrays, {}, 0.6)
        try:
            checkpoints.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
except OSError as error:
    print(error.filename, error.strerror, sep=": ")
"""


def test_a_disk_that_takes_no_more_loses_no_earlier_checkpoint(tmp_path):
    """Files of more than 16 KiB are refused, in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == (
        f"{tmp_path}/checkpoints: a checkpoint could not be written (File too large); earlier ones"
        " are whole\n"
    ), result.stderr
    found = newest(tmp_path, ARRAYS, lambda told: None)
    assert found is not None
    assert found.number == 1
    assert found.arrays["w"].tobytes() == ARRAYS["w"].tobytes()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(2, ARRAYS, {}, 0.6)
    assert sorted(os.listdir(tmp_path / "checkpoints")) == [
        "1",
        "1.sha256.json",
        "2",
        "2.sha256.json",
    ]


@pytest.mark.parametrize("moment", ["save", "wait", "end"])
def test_what_fails_in_the_background_is_told_at_the_next_call(moment, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, ARRAYS, {}, 0.5)
    checkpoints.wait()
    monkeypatch.setattr(module, "write_whole", full)
    checkpoints.save(2, ARRAYS, {}, 0.5)
    with pytest.raises(OSError, match=r"could not be written \(No space left on") as caught:
        if moment == "save":
            checkpoints.save(3, ARRAYS, {}, 0.5)
        elif moment == "wait":
            checkpoints.wait()
        else:
            with checkpoints:
                pass
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "checkpoints"))
    checkpoints.__exit__(None, None, None)
    found = newest(tmp_path, ARRAYS, lambda told: None)
    assert found is not None
    assert found.number == 1


def test_an_error_of_the_run_itself_is_not_hidden_by_one_of_the_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(ArithmeticError), Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, ARRAYS, {}, 0.5)
        raise ArithmeticError


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "checkpoints").write_text("mine")
    with pytest.raises(FileExistsError) as caught:
        Checkpoints(tmp_path)
    assert caught.value.filename == str(tmp_path / "checkpoints")
    assert (tmp_path / "checkpoints").read_text() == "mine"


def test_a_folder_that_became_read_only_is_named(tmp_path, monkeypatch):
    """As orbax finds out; root may write everywhere, so the error is made."""
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, ARRAYS, {}, 0.5)
    mkdir = Path.mkdir

    def refused(path, *args, **options):
        if path.parent.name == "checkpoints":
            raise PermissionError(13, "Permission denied", str(path))
        return mkdir(path, *args, **options)

    makedirs = os.makedirs

    def refused_too(path, *args, **options):
        if Path(path).parent.name == "checkpoints":
            raise PermissionError(13, "Permission denied", str(path))
        return makedirs(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refused)
    monkeypatch.setattr(os, "makedirs", refused_too)
    with (
        pytest.raises(OSError, match=r"could not be written \(.*ermission denied") as caught,
        Checkpoints(tmp_path) as checkpoints,
    ):
        checkpoints.save(2, ARRAYS, {}, 0.5)
    assert caught.value.filename == str(tmp_path / "checkpoints")
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["1", "1.sha256.json"]


def test_all_is_on_the_disk_before_the_hashes_say_so(tmp_path, monkeypatch):
    """For a loss of power: a checkpoint whose hashes are there is whole."""
    synced: set[tuple[int, int]] = set()
    fsync, write = os.fsync, module.write_whole
    unsynced: list[Path] = []

    def noted(descriptor):
        fsync(descriptor)
        status = os.fstat(descriptor)
        synced.add((status.st_dev, status.st_ino))

    def checked(path, content):
        folder = path.with_name("1")
        for inside in (*folder.rglob("*"), folder, folder.parent):
            status = inside.stat()
            if (status.st_dev, status.st_ino) not in synced:
                unsynced.append(inside)
        write(path, content)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(module, "write_whole", checked)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, ARRAYS, {}, 0.5)
    assert len(synced) > 10
    assert [path for path in unsynced if path.name != "_CHECKPOINT_METADATA"] == []
