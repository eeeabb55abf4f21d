"""The progress of a training run: a live bar in a terminal, one plain line per epoch
elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress(Protocol):
    """A context that is told of batches as they are done, and of each epoch with its
    row of metrics."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def batches_done(self, count: int) -> None: ...

    def epoch_done(self, row: Mapping[str, float], images_per_second: float) -> None: ...


def training_progress(console: Console, epochs: int, batches: int) -> TrainingProgress:
    """The progress of `epochs` epochs of `batches` steps, in the form that suits the
    console."""
    return _Bar(console, epochs, batches) if console.is_terminal else _Lines(console, epochs)


class _Bar:
    def __init__(self, console: Console, epochs: int, batches: int):
        self._epochs = epochs
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[metrics]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task(
            "training", total=epochs * batches, epoch=f"1/{epochs}", metrics=""
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._progress.stop()

    def batches_done(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def epoch_done(self, row: Mapping[str, float], images_per_second: float) -> None:
        epoch = f"{min(int(row['epoch']) + 1, self._epochs)}/{self._epochs}"
        metrics = (
            f"loss {row['train_loss']:.3f}, test accuracy {row['test_accuracy']:.2%},"
            f" {images_per_second:,.0f} images/s"
        )
        self._progress.update(self._task, epoch=epoch, metrics=metrics)


class _Lines:
    def __init__(self, console: Console, epochs: int):
        self._console = console
        self._epochs = epochs
        self._seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        pass

    def batches_done(self, count: int) -> None:
        pass

    def epoch_done(self, row: Mapping[str, float], images_per_second: float) -> None:
        self._seconds += row["seconds"]
        left = self._seconds / row["epoch"] * (self._epochs - row["epoch"])
        self._console.print(
            f"epoch {row['epoch']}/{self._epochs}: train loss {row['train_loss']:.4f}, accuracy"
            f" {row['train_accuracy']:.4f}; test loss {row['test_loss']:.4f}, accuracy"
            f" {row['test_accuracy']:.4f}; {images_per_second:,.0f} images/s, {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )
