"""When a run saves a checkpoint, and when it ends before its time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxcnn.programs.interruption import Noticed, ignored, interruption
from jaxcnn.programs.messages import plural
from jaxcnn.programs.train.checkpoints import Checkpoints, Saved, newest
from jaxcnn.programs.train.epochs import START, Place
from jaxcnn.programs.train.run import Run

UNTESTED = -1.0  # the accuracy of a checkpoint in the middle of an epoch


class Saver:
    """Looks, after each dispatch and each epoch of a run, whether to save and whether
    to end.

    Args:
      run: the run.
      checkpoints: where they go; None in a process that does not write.
      signals: whether one came.
      output: the run's folder, for messages.
      place: where the run begins; a checkpoint has it already, unless it is the start.
    """

    def __init__(
        self,
        run: Run,
        checkpoints: Checkpoints | None,
        signals: Noticed,
        output: Path | None,
        place: Place = START,
    ):
        self._run, self._checkpoints, self._signals = run, checkpoints, signals
        self._output = output
        self._saved = place
        self._time = time.monotonic()

    def pause(self, place: Place) -> None:
        """The state is that of the place: save it if it is time.

        Raises:
          Interruption: after a signal, when the place is saved; its message says so.
          OSError: if a checkpoint could not be written.
        """
        number = -self._run.machines.least(-self._signals.number)
        if number:  # in one of the processes
            with ignored():
                self.save(place)
            raise interruption(number, self._where(place))
        if self._is_time(place):
            self.save(place, wait=False)

    def save(self, place: Place, *, wait: bool = True) -> None:
        """Save the place, which is waited for or written in the background."""
        if self._checkpoints is None:
            return
        if place not in (START, self._saved):
            accuracy = place.rows[-1]["test_accuracy"] if not place.batches else UNTESTED
            self._checkpoints.save(
                place.number(self._run.batches), self._run.arrays(), place.as_json(), accuracy
            )
            self._saved, self._time = place, time.monotonic()
        if wait:
            self._checkpoints.wait()

    def _is_time(self, place: Place) -> bool:
        config, epochs = self._run.config, len(place.rows)
        if time.monotonic() - self._time >= 60 * config.checkpoint_minutes:
            return True
        every = config.checkpoint_epochs
        return bool(every and epochs and not place.batches and epochs % every == 0)

    def _where(self, place: Place) -> str:
        if self._output is None:
            return ""
        if place == START:
            return "nothing was saved: no batch was done"
        done = f"{len(place.rows)} of {plural(self._run.config.epochs, 'epoch')}"
        batches = f" and {plural(place.batches, 'batch', 'batches')}" if place.batches else ""
        return f"{self._output} has a checkpoint after {done}{batches}: --resume goes on from it"


def go_on(run: Run, output: Path | None, say: Callable[[str], object]) -> Place:
    """Give the run the state of its newest whole checkpoint; the place of it, or the
    start if there is none. All processes must call it; the one with the folder reads.

    Raises:
      ConfigError: if the checkpoint is of another network.
      OSError: if it cannot be read.
    """
    arrays = run.arrays()
    found = None if output is None else newest(output, arrays, say)
    return _agreed(run, found, arrays)


def _agreed(run: Run, found: Saved | None, arrays: dict[str, np.ndarray]) -> Place:
    """Every process takes what process 0 found."""
    agree = run.machines.agree
    text = json.dumps(found.place).encode() if found else b""
    length = int(agree(np.asarray(len(text), np.int32)))
    if not length:
        return START
    place = bytes(agree(np.frombuffer(text.ljust(length), np.uint8)))
    run.restore(agree(found.arrays if found else arrays))
    return Place.from_json(json.loads(place))
