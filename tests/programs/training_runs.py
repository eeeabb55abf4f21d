"""Quick runs of `jaxcnn train`: a tiny network and few images, in this process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orbax.checkpoint as orbax
import pytest

from jaxcnn import layers
from jaxcnn.ops._onednn import certain
from jaxcnn.programs.data.arrays import from_arrays
from jaxcnn.programs.data.dataset import digits
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Dataset
from jaxcnn.programs.train import finishing, program
from jaxcnn.programs.train.program import command_line
from jaxcnn.programs.train.run import Run

TINY = "training_runs:tiny"
BATCHES = 5
"""In an epoch of `few`."""
WORDS = ("--model", TINY, "--batch-size", "8", "--devices", "1")
PICTURELESS = (str(Path(__file__).with_name("pictureless.py")),)
"""In the place of `-m jaxcnn`."""


def tiny(classes: int) -> layers.Layer:
    """With all that a state can have: statistics, dropout and its key."""
    return layers.serial(
        layers.conv(3, 3), layers.batch_norm(), layers.relu(), layers.max_pool(2),
        layers.flatten(), layers.dropout(0.2), layers.dense(classes),
    )  # fmt: skip


def few(seed: int = 0) -> Dataset:
    """Forty digits to train with, in 5 batches of 8, and twenty to test with."""
    whole = digits()
    chosen = np.random.default_rng(seed).permutation(len(whole.train))[:40]
    return from_arrays(
        DataOptions(), whole.classes, whole.train.take(chosen), whole.test.take(np.arange(20))
    )


def without_pictures(monkeypatch) -> None:
    """Pictures and the report take most of the time of a short run, and are tested
    elsewhere."""
    monkeypatch.setattr(finishing, "pictures", lambda *_: iter(()))
    monkeypatch.setattr(finishing, "report_of", lambda *_: None)
    monkeypatch.setattr(finishing, "write_report", lambda path, _: path.write_text("report"))


@contextmanager
def without_onednn() -> Iterator[None]:
    """A program that calls oneDNN is not kept by tests/compilation_cache.py: each run
    would compile it anew, for most of a short run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certain, "SWITCHED_ON", False)
        certain.certain_dtypes.cache_clear()
        yield
    certain.certain_dtypes.cache_clear()


def with_images(monkeypatch, dataset: Dataset) -> None:
    """Let `--dataset digits` be these images."""
    monkeypatch.setattr(program, "load", lambda *_, **__: dataset)


def train(output: Path, *words: str, epochs: int = 2) -> int:
    """The exit status of a run of the tiny network."""
    return command_line([*WORDS, "--epochs", str(epochs), "--output", str(output), *words])


def at_batch(monkeypatch, batch: int, act: Callable[[], object], *, before: bool = False) -> None:
    """Have `act` called once, in the dispatch after so many batches of the run are
    done; `before` they are computed, or after."""
    whole, state = Run.epoch, {"waiting": True}

    def epoch(run, number, first=0):
        done = number * run.batches + first
        steps = whole(run, number, first)
        while True:
            due = state["waiting"] and done <= batch < done + run.config.steps_per_dispatch
            if due and before:
                state["waiting"] = False
                act()
            try:
                metrics = next(steps)
            except StopIteration:
                return
            if due and not before:
                state["waiting"] = False
                act()
            done += len(metrics["loss"])
            yield metrics

    monkeypatch.setattr(Run, "epoch", epoch)


def in_test(monkeypatch, epoch: int, act: Callable[[], object]) -> None:
    """Have `act` called in the test after that epoch, from 1."""
    whole, tests = Run.predict, []

    def predict(run, images):
        tests.append(images)
        if len(tests) == epoch:
            act()
        return whole(run, images)

    monkeypatch.setattr(Run, "predict", predict)


def ends(number: int = signal.SIGTERM) -> Callable[[], object]:
    """What sends a signal to this process."""
    return lambda: signal.raise_signal(number)


def rows(output: Path) -> list[dict[str, float]]:
    """metrics.jsonl, without the times."""
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name != "seconds"}
        for line in lines
    ]


def newest_number(output: Path) -> int:
    """Of the last checkpoint."""
    names = [path.name for path in (output / "checkpoints").iterdir()]
    return max(int(name) for name in names if name.isdigit())


def saved(output: Path) -> dict[str, np.ndarray]:
    """All arrays of the newest checkpoint: whatever a run goes on from."""
    folder = output.resolve() / "checkpoints" / str(newest_number(output)) / "arrays"
    with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as reader:
        return {name: np.asarray(array) for name, array in reader.restore(folder).items()}


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files, with the times at which they were changed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_same_run(output: Path, expected: Path) -> None:
    """Both have the same state, model and metrics, bit for bit."""
    arrays, others = saved(output), saved(expected)
    assert sorted(arrays) == sorted(others)
    for name, array in arrays.items():
        assert (array.dtype, array.shape) == (others[name].dtype, others[name].shape), name
        assert array.tobytes() == others[name].tobytes(), f"{name} differs"
    assert rows(output) == rows(expected)
    for name in ("model.safetensors", "model.json", "best/model.safetensors", "best/model.json"):
        assert (output / name).read_bytes() == (expected / name).read_bytes(), name
