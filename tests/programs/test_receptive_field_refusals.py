"""What `jaxcnn receptive-field` refuses: options, runs and images that do not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from receptive_field_runs import write_run

from jaxcnn.programs.data.dataset import digits
from jaxcnn.programs.receptive_field import program
from jaxcnn.programs.receptive_field.program import command_line
from jaxcnn.stored.arrays import load_arrays, save_arrays


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The output folder of a run that trained `cnn_basics`, as far as this program
    reads it; the training is left out."""
    return write_run(tmp_path_factory.mktemp("run"), "cnn_basics")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--layer", "6_flatten"],
            (
                "--layer must be a layer whose output has space, got 6_flatten: there are 0_conv,"
                " 1_relu, 2_m"
            ),
        ),
        (
            ["--layer", "3_conv", "--positions", "0", "3"],
            "--positions must be in the 3x3 outputs of 3_conv, got (0, 3)",
        ),
        (
            ["--positions", "-1", "0"],
            "--positions must be in the 6x6 outputs of 0_conv, got (-1, 0)",
        ),
        (["--images", "0"], "--images must be at least 1, got 0"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (
            ["--run", "{tmp}"],
            "--run {tmp} is no run of jaxcnn train: its config.json: No such file or directory",
        ),
        (
            ["--dataset", "mnist"],
            "--run {run} was trained on digits, not on mnist: leave --dataset out",
        ),
        (["--data-dir", "{tmp}"], "the digits come with scikit-learn"),
        (
            ["--output", "{run}/config.json"],
            "--output must be a folder that can be written: {run}/config.json: File exists",
        ),
    ],
)
def test_what_makes_no_sense_gives_one_line_and_status_2(options, message, run, tmp_path, capsys):
    words = [
        word.format(tmp=tmp_path, run=run)
        for word in ["--run", "{run}", "--output", "{tmp}/new", *options]
    ]
    assert command_line(["cnn_basics", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(
        f"jaxcnn receptive-field: {message.format(tmp=tmp_path, run=run)}"
    )
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_network_is_refused(run, tmp_path, capsys):
    assert command_line(["lenet", "--run", str(run), "--output", str(tmp_path / "new")]) == 2
    assert (
        capsys.readouterr().err
        == f"jaxcnn receptive-field: --run {run} trained cnn_basics, not lenet\n"
    )
    write_run(tmp_path, "cnn_basics", model="lenet")
    assert command_line(["lenet", "--run", str(tmp_path), "--output", str(tmp_path / "new")]) == 2
    assert (
        "has another network than lenet of today: model.safetensors has other arrays"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "new").exists()


def test_a_run_in_whole_numbers_is_refused(run, tmp_path, capsys):
    shutil.copy(run / "config.json", tmp_path)
    save_arrays(
        tmp_path / "model.safetensors",
        jax.tree.map(np.int32, load_arrays(run / "model.safetensors")),
    )
    assert (
        command_line(["cnn_basics", "--run", str(tmp_path), "--output", str(tmp_path / "new")]) == 2
    )
    assert "model.safetensors has other arrays" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "config.json",
            b"{",
            "is no run of jaxcnn train: config.json does not tell of one",
        ),
        (
            "config.json",
            b"[]",
            "is no run of jaxcnn train: config.json does not tell of one",
        ),
        (
            "config.json",
            b'{"model": "cnn_basics"}',
            "is no run of jaxcnn train: config.json does not tell of one",
        ),
        ("model.safetensors", b"damaged", "has no trained network: model.safetensors: "),
        ("model.safetensors", None, "has no trained network: model.safetensors: "),
    ],
)
def test_a_damaged_run_is_refused(name, content, message, tmp_path, capsys):
    run = write_run(tmp_path, "cnn_basics")
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    assert command_line(["cnn_basics", "--run", str(run), "--output", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"jaxcnn receptive-field: --run {run} {message}")
    assert error.count("\n") == 1


def test_images_too_small_for_the_network_are_refused(tmp_path, capsys, monkeypatch):
    small = digits()
    monkeypatch.setattr(
        program,
        "load",
        lambda *_, **__: replace(small, image_shape=(4, 4, 1)),
    )
    assert command_line(["vgg", "--output", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("jaxcnn receptive-field: vgg does not take 4x4 images: ")
    assert error.count("\n") == 1
