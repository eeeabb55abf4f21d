"""The epochs of a run, one after another: train, then test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn.programs.train.run import Run

Row = dict[str, float]
"""The metrics of one epoch, a line of metrics.jsonl."""


class Done(NamedTuple):
    """What a run has after an epoch.

    Attributes:
      rows: the metrics of each epoch so far.
      weights: the model's params and state, copied to NumPy, because the next step
        takes the memory of the originals.
      logits: of the test images, (n, classes).
      speed: training images per second, in this epoch and in all so far.
    """

    rows: tuple[Row, ...]
    weights: dict[str, Any]
    logits: np.ndarray
    speed: tuple[float, float]


def epochs(run: Run, batches_done: Callable[[int], object]) -> Iterator[Done]:
    """Train for the run's epochs, and test after each.

    Args:
      run: a compiled run.
      batches_done: is told how many batches each dispatch did.

    Raises:
      DivergedError: as `Run.epoch`.
    """
    config, dataset = run.config, run.dataset
    random = np.random.default_rng(config.seed)
    rows: tuple[Row, ...] = ()
    training_seconds = 0.0
    for epoch in range(1, config.epochs + 1):
        start = time.perf_counter()
        seen = []
        for metrics in run.epoch(random, epoch):
            seen.append(metrics)
            batches_done(len(metrics["loss"]))
        train = {
            name: float(np.concatenate([metrics[name] for metrics in seen]).mean())
            for name in ("loss", "accuracy")
        }
        epoch_seconds = time.perf_counter() - start
        training_seconds += epoch_seconds
        logits = run.predict(dataset.test.images)
        test = run.evaluate(logits, dataset.test.labels)
        row = {
            "epoch": epoch,
            "train_loss": train["loss"],
            "train_accuracy": train["accuracy"],
            "test_loss": test["loss"],
            "test_accuracy": test["accuracy"],
            "learning_rate": float(run.schedule(epoch * run.batches // config.accumulate)),
            "seconds": time.perf_counter() - start,
        }
        rows = (*rows, row)
        params, model_state = jax.tree.map(np.array, run.state.eval_params())
        images = run.batches * config.batch_size
        yield Done(
            rows,
            {"params": params, "state": model_state},
            logits,
            (images / epoch_seconds, epoch * images / training_seconds),
        )
