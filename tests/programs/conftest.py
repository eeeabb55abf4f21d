"""Fixtures that several files of tests share."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import jax
import pytest
from file_server import Server
from idx_files import GOOD
from picture_files import write_classes
from training_runs import few, train, with_images, without_onednn, without_pictures

REAL_MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"


@pytest.fixture
def folder(tmp_path):
    """A folder with four good files, not gzipped."""
    path = tmp_path / "data"
    path.mkdir()
    for name, content in GOOD.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture
def serve(monkeypatch):
    """Starts servers, and closes them after the test."""
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(behaviour):
        servers.append(Server(behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder where the data set `source` is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "jaxcnn" / "tiny"


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder with forty pictures of three classes, and a cache folder of the test's
    own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_classes(tmp_path / "pictures", {"cat": 10, "dog": 10, "猫": 20})


@pytest.fixture
def hears_ctrl_c():
    """SIGINT has Python's handler in this process, and in those that it starts, where
    the suite was started in the background of a script, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def no_onednn():
    with without_onednn():
        yield


@pytest.fixture
def quick_runs(monkeypatch, no_onednn):
    """Runs of `training_runs.train`: few images, no pictures at the end, no oneDNN."""
    with_images(monkeypatch, few())
    without_pictures(monkeypatch)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A run of two epochs, a checkpoint after each; for all to read."""
    with (
        pytest.MonkeyPatch.context() as patch,
        jax.numpy_dtype_promotion("standard"),
        without_onednn(),
    ):
        with_images(patch, few())
        without_pictures(patch)
        output = tmp_path_factory.mktemp("finished") / "run"
        assert train(output, "--checkpoint-epochs", "1") == 0
    return output


@pytest.fixture
def copied_run(finished_run, tmp_path):
    """A copy of `finished_run`."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def real_mnist():
    if not REAL_MNIST.is_dir():
        pytest.skip(f"MNIST itself is not in {os.path.relpath(REAL_MNIST)}")
    return REAL_MNIST
