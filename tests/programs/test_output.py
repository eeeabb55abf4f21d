"""The folder that a program writes into: one program at a time, and tidied up after a
kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcnn.programs.messages import fail
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.output import LOCK, claimed
from jaxcnn.stored import files
from jaxcnn.stored.files import append_line, write_whole

ROOT = Path(__file__).parents[2]
OLD = {"config.json": "old", "model.safetensors": "old weights", "notes.txt": "mine"}


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


# The claim.


def test_a_folder_is_one_programs_at_a_time(tmp_path):
    folder = tmp_path / "a" / "b"
    with claimed(folder) as path:
        assert path == folder
        message = (
            rf"{folder} is being written by another program \(process {os.getpid()}\): wait for it,"
            r" or pass another --out"
        )
        with pytest.raises(ConfigError, match=message), claimed(folder):
            pytest.fail("claimed twice")
        (folder / "file").write_text("")
        with claimed(tmp_path / "a"):
            pass
    assert [path.name for path in folder.iterdir()] == ["file"]
    with claimed(folder):
        pass


def test_folders_that_were_made_for_nothing_are_removed_and_others_not(tmp_path):
    (tmp_path / "mine").mkdir()
    with claimed(tmp_path / "mine"):
        pass
    with claimed(tmp_path / "mine" / "a" / "b"):
        pass
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path / "mine" / "c"):
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def test_a_new_folder_is_the_first_that_is_not_there(tmp_path, monkeypatch):
    """The same command twice is two runs, even at the same time; a folder that was
    named holds one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x-2").write_text("a file")
    with claimed(Path("runs/x"), new=True) as first, claimed(Path("runs/x"), new=True) as second:
        assert (str(first), str(second)) == ("runs/x", "runs/x-3")


def test_a_kill_ends_the_claim_and_what_was_left_is_cleaned(tmp_path):
    """In a process of its own, which is killed while it has the lock, and a file half
    written."""
    folder = write(tmp_path / "run", OLD)
    program = (
        "import os, signal; from pathlib import Path\nfrom jaxcnn.programs.output import claimed;"
        " from jaxcnn.stored.files import write_whole\ndef half(path): path.write_text('half');"
        f" print('held', flush=True); input()\nwith claimed(Path({str(folder)!r})) as folder:"
        " write_whole(folder / 'a.png', half)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=rf"\(process {child.pid}\)"), claimed(folder):
            pytest.fail("claimed twice")
        assert (folder / f".a.png.{child.pid}.partial").exists()
        child.send_signal(signal.SIGKILL)
    assert (folder / LOCK).exists()
    with claimed(folder):
        assert content(folder) == OLD | {LOCK: str(os.getpid())}
    assert sorted(path.name for path in folder.iterdir()) == sorted(OLD)


@pytest.mark.parametrize("path", ["file", "file/inside", "dangling", "n" * 300])
def test_what_cannot_be_a_folder_is_refused_by_name(path, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with (
        pytest.raises(
            ConfigError,
            match=rf"^--output must be a folder that can be written: {tmp_path / path}: [A-Z]",
        ),
        claimed(tmp_path / path),
    ):
        pytest.fail("claimed")


def test_a_folder_in_which_nothing_can_be_made_is_refused_and_not_tried_for_ever():
    with (
        pytest.raises(
            ConfigError, match=r"^--output must be a folder that can be written: /proc/self"
        ),
        claimed(Path("/proc/self")),
    ):
        pytest.fail("claimed")


# Files.


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, capsys):
    """/dev/full takes nothing, and does not say what it is."""

    def fill(partial: Path) -> None:
        Path("/dev/full").write_bytes(b"x")

    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(tmp_path / "config.json", fill)
    assert fail("train", caught.value, 1) == 1
    assert (
        capsys.readouterr().err == f"train: {tmp_path / 'config.json'}: No space left on device\n"
    )
    with pytest.raises(OSError, match=r"No space left.*/dev/full"):
        append_line(Path("/dev/full"), "a line")
    with pytest.raises(FileNotFoundError) as missing:
        write_whole(tmp_path / "none" / "file", lambda path: path.write_text(""))
    assert missing.value.filename == str(tmp_path / "none" / "file"), (
        "and not that of the partial file"
    )


def test_a_line_that_does_not_fit_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    append_line(path, "first")
    real = Path.open

    class Full:
        """Takes three bytes, then none: what a disk does that fills up."""

        def __init__(self, file):
            self.file, self.calls = file, 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.calls += 1
            if self.calls > 1:
                raise OSError(28, "No space left on device")
            return self.file.write(data[:3])

    monkeypatch.setattr(files.Path, "open", lambda *args, **options: Full(real(*args, **options)))
    with pytest.raises(OSError, match="No space"):
        append_line(path, "second")
    monkeypatch.undo()
    assert path.read_text() == "first\n"
    append_line(path, "third")
    assert path.read_text() == "first\nthird\n"


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(partial):
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
