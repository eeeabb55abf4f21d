"""`jaxcnn train` in several real processes, on the digits."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from processes import Processes
from training_runs import PICTURELESS

from jaxcnn.programs.train.run_files import PICTURES, RUN_FILES
from jaxcnn.stored.arrays import load_arrays
from tests.compilation_cache import kept_in

pytestmark = pytest.mark.slow

# Two pixels of shift, so that each image has random numbers of its own; a batch for
# each of four processes; a last batch of the test images that has to be padded.
OPTIONS = ["--model", "cnn_basics", "--batch-size", "64", "--seed", "3", "--shift", "2"]
MINUTES = 60.0
REAL = ("-m", "jaxcnn")
KEPT = {"JAXCNN_ONEDNN": "0"}
"""In tests of what is the same however it is computed: XLA cannot keep what calls
oneDNN."""


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory) -> Iterator[None]:
    """What one test compiles is there for the others; in a folder of this file's own,
    because a process that is killed may leave half a program."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kept_in(tmp_path_factory.mktemp("compiled")).items():
            patch.setenv(name, value)
        yield


def train(
    count: int,
    output: Path,
    *options: str,
    program: tuple[str, ...] = PICTURELESS,
    environment: Mapping[str, str] | None = None,
) -> Processes:
    command = [*program, "train", *OPTIONS, "--output", str(output), *options]
    return Processes(count, command, {"JAX_PLATFORMS": "cpu", **(environment or {})})


def rows(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(compiled, tmp_path_factory) -> Path:
    """The run of one process."""
    output = tmp_path_factory.mktemp("alone") / "run"
    with train(1, output, "--epochs", "3") as processes:
        assert processes.ended(10 * MINUTES)[0].status == 0
    return output


@pytest.mark.parametrize(
    ("count", "program", "files"),
    [
        pytest.param(2, REAL, {*RUN_FILES}, id="2"),
        pytest.param(4, PICTURELESS, {*RUN_FILES} - {*PICTURES}, id="4"),
    ],
)
def test_the_result_is_that_of_one_process(count, program, files, alone, tmp_path):
    """Relative differences of 1e-7 were measured, the rounding of float32; 1e-5 leaves
    room for another machine's."""
    with train(count, tmp_path / "run", "--epochs", "3", program=program) as processes:
        first, *others = processes.ended(10 * MINUTES)
    assert (first.status, first.stderr) == (0, "")
    assert "test accuracy" in first.stdout
    assert "Gloo" not in first.stdout
    assert [each[:3] for each in others] == [(0, "", "")] * (count - 1)
    assert {path.name for path in (tmp_path / "run").iterdir()} == files
    for ours, theirs in zip(rows(tmp_path / "run"), rows(alone), strict=True):
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-5), name
    ours, theirs = (
        load_arrays(run / "model.safetensors")["params"] for run in (tmp_path / "run", alone)
    )
    for layer, entries in theirs.items():
        for name, array in entries.items():
            assert ours[layer][name] == pytest.approx(array, rel=1e-3, abs=1e-5), layer


@pytest.mark.parametrize(("count", "who"), [(2, 0), (3, 1)])
def test_one_killed_at_random_ends_the_others_in_bounded_time(count, who, tmp_path):
    """The one that writes, and one of those that do not."""
    words = ("--epochs", "1000", "--batch-size", "66")
    with train(count, tmp_path / "run", *words, environment=KEPT) as processes:
        processes.until(tmp_path / "run" / "best" / "model.json", 5 * MINUTES)
        time.sleep(random.uniform(0, 1))
        processes.signal(who, signal.SIGKILL)
        ended = processes.ended(20)
    for index, each in enumerate(ended):
        if index == who:
            assert each.status == -signal.SIGKILL
            continue
        assert each.status == 1
        assert each.stderr == (
            f"jaxcnn train (process {index} of {count}): process {who} ended without a word, and"
            " no other can go on without it; --resume goes on from the last checkpoint\n"
        )
        assert each.when - ended[who].when < 10
    assert [row["epoch"] for row in rows(tmp_path / "run")]


def test_a_signal_to_one_ends_all_and_saves_what_there_is(tmp_path):
    run = tmp_path / "run"
    with train(2, run, "--epochs", "1000", program=REAL, environment=KEPT) as processes:
        processes.until(run / "best" / "model.json", 5 * MINUTES)
        processes.signal(1, signal.SIGTERM)
        first, second = processes.ended(30)
    assert first.status == second.status == 143
    assert first.stderr.startswith(f"jaxcnn train: terminated; {run} has a checkpoint after ")
    assert second.stderr == "jaxcnn train: terminated\n"
    assert list((run / "checkpoints").glob("*.sha256.json"))


def test_all_go_on_after_one_was_killed_and_give_the_same_bits(tmp_path):
    whole, run, epochs = tmp_path / "whole", tmp_path / "run", ["--epochs", "9"]
    with train(2, whole, *epochs, environment=KEPT) as processes:
        assert [each.status for each in processes.ended(10 * MINUTES)] == [0, 0]
    with train(2, run, *epochs, "--checkpoint-epochs", "1", environment=KEPT) as processes:
        processes.until(run / "best" / "model.json", 5 * MINUTES)
        time.sleep(random.uniform(0, 0.3))
        processes.signal(1, signal.SIGKILL)
        processes.ended(30)
    assert len(rows(run)) < 9, "it was killed too late to show anything"
    with train(2, run, *epochs, "--resume", environment=KEPT) as processes:
        assert [each.status for each in processes.ended(10 * MINUTES)] == [0, 0]
    for name in ("model.safetensors", "model.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "31"], "--batch-size must be a multiple of the 2 processes, got 31"),
        (["--devices", "100"], "--devices must be between 1 and the"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--data-dir", "/"], "the digits come with scikit-learn"),
    ],
)
def test_wrong_options_are_refused_by_all(options, message, tmp_path):
    with train(2, tmp_path / "run", *options, program=REAL) as processes:
        ended = processes.ended(2 * MINUTES)
    for each in ended:
        assert (each.status, each.stdout) == (2, "")
        assert message in each.stderr
        assert each.stderr.count("\n") == 1


def test_a_folder_that_holds_a_run_is_refused_by_all(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with train(2, tmp_path, program=REAL) as processes:
        first, second = processes.ended(2 * MINUTES)
    refusal = f"{tmp_path} holds config.json: pass --resume to go on"
    assert first.status == second.status == 2
    assert first.stderr.startswith(f"jaxcnn train: {refusal}")
    assert second.stderr.startswith(f"jaxcnn train (process 1 of 2): process 0 ended ({refusal}")
