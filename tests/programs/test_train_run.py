"""A short run of the training program: its files, its metrics, and what it prints."""

from __future__ import annotations

import io
import json
import math
import re
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console
from training_runs import train

from jaxcnn.models import lenet
from jaxcnn.ops import AUTODIFF
from jaxcnn.programs.data.dataset import digits
from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.program import main
from jaxcnn.programs.train.run_files import PICTURES, RUN_FILES
from jaxcnn.stored.arrays import load_arrays

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("standard_promotion")]


EPOCHS = 2


class Watcher(io.StringIO):
    """What a run prints, and how many lines metrics.jsonl had when it told of an
    epoch."""

    def __init__(self, metrics: Path):
        super().__init__()
        self.metrics = metrics
        self.lines_seen: list[int] = []

    def write(self, text: str) -> int:
        if text.startswith("epoch"):
            self.lines_seen.append(len(self.metrics.read_text().splitlines()))
        return super().write(text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A short run of each kind from one seed: its result, and what it printed."""
    results = {}
    for gradients in ("explicit", "autodiff"):
        output = tmp_path_factory.mktemp(gradients) / "run"
        printed = Watcher(output / "metrics.jsonl")
        config = Config(gradients=gradients, epochs=EPOCHS, batch_size=64, output=output)
        results[gradients] = (main(config, Console(file=printed, width=100)), printed)
    return results


# What a run writes and returns.


def test_a_run_writes_its_files_and_nothing_else(runs):
    result, _ = runs["explicit"]
    assert {path.name for path in result.output.iterdir()} == set(RUN_FILES)


def test_config_says_what_was_run(runs):
    result, _ = runs["autodiff"]
    config = json.loads((result.output / "config.json").read_text())
    expected = {
        "gradients": "autodiff",
        "seed": 0,
        "epochs": EPOCHS,
        "batch_size": 64,
        "train_images": 1437,
        "test_images": 360,
    }
    assert config.items() >= expected.items()
    assert config["versions"]["jax"] == jax.__version__


def test_metrics_are_the_rows_of_the_result(runs):
    result, _ = runs["explicit"]
    rows = [json.loads(line) for line in (result.output / "metrics.jsonl").read_text().splitlines()]
    assert rows == result.rows
    assert [row["epoch"] for row in rows] == [1, 2]
    names = {
        "epoch",
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "learning_rate",
        "seconds",
    }
    assert all(
        set(row) == names and all(math.isfinite(value) for value in row.values()) for row in rows
    )
    assert rows[1]["train_loss"] < rows[0]["train_loss"]
    assert rows[1]["test_accuracy"] > 0.5
    assert result.images_per_second > 0


def test_metrics_are_in_the_file_as_soon_as_an_epoch_is_done(runs):
    _, watcher = runs["explicit"]
    assert watcher.lines_seen == [1, 2]


def test_saved_parameters_give_the_reported_accuracy(runs):
    result, _ = runs["explicit"]
    params = load_arrays(result.output / "model.safetensors")["params"]
    assert params["0_conv"]["w"].shape == (5, 5, 1, 16)
    dataset = digits()
    # With JAX's own operations: they are the same network.
    logits, _ = jax.jit(partial(lenet().apply, params, {}, ops=AUTODIFF))(
        dataset.normalisation(dataset.test.images)
    )
    assert np.mean(np.argmax(logits, axis=1) == dataset.test.labels) == pytest.approx(
        result.rows[-1]["test_accuracy"], abs=1e-6
    )


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_a_png_with_something_on_it(runs, name):
    result, _ = runs["explicit"]
    path = result.output / name
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = imread(path)
    assert min(picture.shape[:2]) > 300
    assert np.std(picture[..., :3]) > 0.05


def test_a_pipe_gets_a_line_for_each_epoch_and_a_table(runs):
    result, watcher = runs["explicit"]
    printed = watcher.getvalue()
    assert [line.split(":")[0] for line in printed.splitlines()[:EPOCHS]] == [
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert "\x1b" not in printed
    assert f"{result.rows[-1]['test_accuracy']:.2%}" in printed
    assert "38,666" in printed


@pytest.mark.parametrize("smoothing", ["0.1", "0"])
def test_the_table_says_how_small_a_smoothed_loss_can_be(
    smoothing, quick_runs, tmp_path, capsys, monkeypatch
):
    """By hand: the entropy of one label of 0.91 and nine of 0.01."""
    monkeypatch.setenv("COLUMNS", "200")
    assert train(tmp_path / "run", "--label-smoothing", smoothing, epochs=1) == 0
    found = re.findall(
        r"least possible test loss, labels smoothed\W+(\S+)", capsys.readouterr().out
    )
    least = f"{-0.91 * math.log(0.91) - 9 * 0.01 * math.log(0.01):.4f}"
    assert found == ([least] if smoothing == "0.1" else [])


# Training.


def test_explicit_and_autodiff_runs_follow_the_same_curves(runs):
    """Relative differences of 7e-7 were measured, the rounding of float32; 1e-5 leaves
    room for another machine's."""
    (explicit, _), (autodiff, _) = runs["explicit"], runs["autodiff"]
    for ours, theirs in zip(explicit.rows, autodiff.rows, strict=True):
        for split, images in (("train", 1437), ("test", 360)):
            assert ours[f"{split}_loss"] == pytest.approx(theirs[f"{split}_loss"], rel=1e-5)
            assert ours[f"{split}_accuracy"] == pytest.approx(
                theirs[f"{split}_accuracy"], abs=1.01 / images
            )
