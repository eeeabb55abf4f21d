"""Where models are written, and that each moment has a whole one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxcnn
from jaxcnn.stored import files, saving
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.saving import DESCRIPTION, WEIGHTS
from tests.stored._stored_models import ABOUT, arrays, content, same

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def test_a_folder_that_holds_something_is_refused_and_replaced_on_demand(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"must be new or empty: .* holds notes.txt; pass overwri"):
        jaxcnn.save(folder, *arrays(), **ABOUT)
    assert sorted(content(folder)) == ["notes.txt"]
    for seed in (1, 2):
        jaxcnn.save(folder, *arrays(seed), **ABOUT, overwrite=True)
        assert sorted(content(folder)) == [DESCRIPTION, WEIGHTS, "notes.txt"]
        assert same(jaxcnn.load(folder), *arrays(seed))
    with pytest.raises(ValueError, match=r"holds model.json and 2 more"):
        jaxcnn.save(folder, *arrays(), **ABOUT)


def test_folders_above_are_made_and_an_empty_one_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    inode = (tmp_path / "empty").stat().st_ino
    for folder in (tmp_path / "a" / "b" / "c", tmp_path / "empty"):
        jaxcnn.save(folder, *arrays(), **ABOUT)
        assert same(jaxcnn.load(folder), *arrays())
    assert (tmp_path / "empty").stat().st_ino == inode, "it may be where a disk is mounted"


def test_a_file_in_the_place_of_the_folder_is_refused(folder):
    folder.write_text("mine")
    with pytest.raises(ValueError, match="is no folder"):
        jaxcnn.save(folder, *arrays(), **ABOUT, overwrite=True)
    assert folder.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(OSError, match="'/proc/self/model'"):
        jaxcnn.save("/proc/self/model", *arrays(), **ABOUT)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_leaves_what_was_there(overwrite, folder, monkeypatch):
    """The disk fills up while model.json is written."""
    if overwrite:
        jaxcnn.save(folder, *arrays(1), **ABOUT)
    else:
        folder.mkdir()
    earlier = content(folder)

    def full(path, write):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(saving, "write_whole", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*model\.json'"):
        jaxcnn.save(folder, *arrays(2), **ABOUT, overwrite=overwrite)
    with pytest.raises(OSError, match=r"No space left on device"):
        jaxcnn.save(folder.with_name("new"), *arrays(2), **ABOUT)
    assert content(folder) == earlier
    assert list(folder.parent.iterdir()) == [folder]


# Each moment has a whole model, or none.


def moments(folder: Path, monkeypatch, write) -> list[Path]:
    """Copies of the folder's parent before and after each renaming that `write` does:
    what a loss of power can leave."""
    copies: list[Path] = []

    def copied(function):
        def renamed(self, target):
            for action in (lambda: None, lambda: function(self, target)):
                action()
                copies.append(folder.parent.with_name(f"copy{len(copies)}"))
                shutil.copytree(folder.parent, copies[-1])
            return Path(target)

        return renamed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", copied(Path.replace))
        patched.setattr(Path, "rename", copied(Path.rename))
        write()
    return copies


def test_each_moment_of_replacing_a_model_has_the_earlier_or_the_new_one(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "model"
    jaxcnn.save(folder, *arrays(1), **ABOUT)
    found = []
    for copy in moments(
        folder,
        monkeypatch,
        lambda: jaxcnn.save(folder, *arrays(2), **ABOUT, overwrite=True),
    ):
        weight = jaxcnn.load(copy / "model").params["0_conv"]["b"]
        found.append(next(n for n in (1, 2) if (weight == arrays(n)[0]["0_conv"]["b"]).all()))
    assert found == [1, 1, 1, 2, 2, 2], "weights, then model.json, which decides"
    assert sorted(content(folder)) == [DESCRIPTION, WEIGHTS]


def test_each_moment_of_a_new_folder_has_no_model_or_all_of_it(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "model"
    folder.parent.mkdir()
    there = []
    for copy in moments(folder, monkeypatch, lambda: jaxcnn.save(folder, *arrays(), **ABOUT)):
        there.append((copy / "model").exists())
        if there[-1]:
            assert same(jaxcnn.load(copy / "model"), *arrays())
    assert there == [False] * 5 + [True]


def test_each_moment_of_a_training_runs_folder_has_no_model_or_all_of_it(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    jaxcnn.save(tmp_path / "other", *arrays(), **ABOUT)
    about = jaxcnn.load(tmp_path / "other").description
    found = []
    for copy in moments(folder, monkeypatch, lambda: saving.write_model(folder, *arrays(), about)):
        try:
            found.append(same(jaxcnn.load(copy / "run"), *arrays()))
        except StoredError as error:
            found.append(str(error).partition("holds no model: ")[2].partition(";")[0])
    assert found == [
        "it has no model.json",
        "it has model.safetensors alone",
        "it has model.safetensors alone",
        True,
    ]
    assert content(folder) == content(tmp_path / "other")


KILLED = """
import sys
sys.path.insert(0, {root!r})
import jaxcnn
from tests.stored._stored_models import ABOUT, arrays

print("begun", flush=True)
for seed in range(1, 10_000):
    jaxcnn.save({folder!r}, *arrays(seed), **ABOUT, overwrite=True)
"""


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_a_whole_model(folder):
    """At random moments, in a process that writes one model after another."""
    jaxcnn.save(folder, *arrays(0), **ABOUT)
    random = np.random.default_rng()
    program = KILLED.format(root=str(ROOT), folder=str(folder))
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(random.uniform(1, 3))
            child.send_signal(signal.SIGKILL)
        assert jaxcnn.load(folder).classes == ("cat", "dog", "猫")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files: Linux")
def test_files_reach_the_disk_before_they_have_their_names(folder, monkeypatch):
    """What is renamed was written to the disk just before, and the folder that has the
    name just after."""
    done = []

    def kept(descriptor):
        done.append(("kept", Path(f"/proc/self/fd/{descriptor}").readlink()))

    monkeypatch.setattr(files.os, "fsync", kept)
    for name in ("replace", "rename"):
        rename = getattr(Path, name)

        def renamed(source, target, rename=rename):
            done.append(("renamed", source, Path(target)))
            return rename(source, target)

        monkeypatch.setattr(Path, name, renamed)
    jaxcnn.save(folder, *arrays(), **ABOUT)
    renamings = [place for place, each in enumerate(done) if each[0] == "renamed"]
    assert [done[place][2].name for place in renamings] == [WEIGHTS, DESCRIPTION, "model"]
    for place in renamings:
        _, source, target = done[place]
        assert done[place - 1] == ("kept", source)
        assert done[place + 1] == ("kept", target.parent)
