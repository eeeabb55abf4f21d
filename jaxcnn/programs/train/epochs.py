"""The epochs of a run, one after another: train, then test; from any place in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn.programs.train.run import Run
from jaxcnn.stored.inference import probabilities_of

Row = dict[str, float]
"""The metrics of one epoch, a line of metrics.jsonl."""


class Place(NamedTuple):
    """Where a run is: what it needs beside its state to go on.

    Attributes:
      rows: the metrics of the whole epochs.
      batches: how many are done of the epoch after them.
      seen: the metrics of each of these batches.
      epoch_seconds: of training in this epoch so far.
      seconds: of training in all whole epochs.
    """

    rows: tuple[Row, ...] = ()
    batches: int = 0
    seen: tuple[Row, ...] = ()
    epoch_seconds: float = 0.0
    seconds: float = 0.0

    def number(self, batches_per_epoch: int) -> int:
        """Grows with each batch and each test.

        >>> [Place(batches=7).number(7), Place(({},)).number(7)]
        [7, 8]
        """
        return len(self.rows) * (batches_per_epoch + 1) + self.batches

    def as_json(self) -> dict[str, Any]:
        return self._asdict()

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Place:
        return Place(
            tuple(value["rows"]),
            value["batches"],
            tuple(value["seen"]),
            value["epoch_seconds"],
            value["seconds"],
        )


START = Place()


class Done(NamedTuple):
    """What a run has after an epoch.

    Attributes:
      place: the place after it.
      weights: the model's (params, state) to predict with, copied to NumPy, because the
        next step takes the memory of the originals.
      logits: of the test images, (n, classes).
      speed: training images per second, in this epoch and in all so far.
    """

    place: Place
    weights: tuple[Any, Any]
    logits: np.ndarray
    speed: tuple[float, float]

    @property
    def probabilities(self) -> np.ndarray:
        """Of the test images, (n, classes)."""
        return np.asarray(probabilities_of(jnp.asarray(self.logits)))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The metrics of each epoch so far."""
        return self.place.rows


def epochs(
    run: Run,
    place: Place = START,
    *,
    batches_done: Callable[[int], object] = lambda count: None,
    pause: Callable[[Place], object] = lambda place: None,
) -> Iterator[Done]:
    """Train for the run's epochs, and test after each.

    Args:
      run: a compiled run, whose state is that of the place.
      place: where to begin.
      batches_done: is told how many batches each dispatch did.
      pause: is told the place after each dispatch. The state is that of the place then,
        and the function may raise.

    Raises:
      DivergedError: as `Run.epoch`.
    """
    while len(place.rows) < run.config.epochs:
        start = time.perf_counter()
        before = place.epoch_seconds
        for metrics in run.epoch(len(place.rows), place.batches):
            seen = _by_batch(metrics)
            place = place._replace(
                batches=place.batches + len(seen),
                seen=place.seen + seen,
                epoch_seconds=before + time.perf_counter() - start,
            )
            batches_done(len(seen))
            pause(place)
        done = _tested(run, place)
        place = done.place
        yield done


def tested(run: Run, place: Place) -> Done:
    """What a run that goes on after its last epoch has: the test is made again."""
    logits = run.predict(run.dataset.test)
    images = len(place.rows) * run.batches * run.config.batch_size
    speed = images / max(place.seconds, 1e-9)
    return Done(place, run.weights(), logits, (speed, speed))


def _tested(run: Run, place: Place) -> Done:
    start = time.perf_counter()
    logits = run.predict(run.dataset.test)
    test = run.evaluate(logits, run.dataset.test.labels)
    train = {
        name: float(np.mean([row[name] for row in place.seen], dtype=np.float32))
        for name in place.seen[0]
    }
    epoch = len(place.rows) + 1
    updates = epoch * run.batches // run.config.accumulate
    row = {
        "epoch": epoch,
        "train_loss": train["loss"],
        "train_accuracy": train["accuracy"],
        "test_loss": test["loss"],
        "test_accuracy": test["accuracy"],
        "learning_rate": float(run.schedule(updates)),
        "seconds": place.epoch_seconds + time.perf_counter() - start,
    }
    seconds = place.seconds + place.epoch_seconds
    images = run.batches * run.config.batch_size
    return Done(
        Place((*place.rows, row), seconds=seconds),
        run.weights(),
        logits,
        (images / max(place.epoch_seconds, 1e-9), epoch * images / max(seconds, 1e-9)),
    )


def _by_batch(metrics: Mapping[str, np.ndarray]) -> tuple[Row, ...]:
    kept = ("loss", "accuracy")
    columns = [metrics[name].tolist() for name in kept]
    return tuple(dict(zip(kept, values, strict=True)) for values in zip(*columns, strict=True))
