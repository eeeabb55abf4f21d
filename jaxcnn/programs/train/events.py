"""The curves of a run as TensorBoard reads them: scalars by epoch in an event file.

    tensorboard --logdir RUN

tensorboardX makes the events. They are written here and not by its `SummaryWriter`,
whose thread keeps events back and hangs the program when the disk is full.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import scalar

from jaxcnn.stored.files import naming


class EventFile:
    """An event file, which is on the disk to its last record after each `write`, so
    that a killed process loses nothing.

    A run that is resumed opens another file in the same folder, and TensorBoard shows
    one curve: what earlier files have from `first_step` on is not shown.

    Args:
      folder: of the event files; it is made if it is missing.
      first_step: the first epoch that will be written.

    Raises:
      OSError: with the name of the file, if it cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     with EventFile(Path(name), first_step=1) as events:
    ...         events.write(1, {"loss/train": 0.5, "accuracy/test": 0.9})
    ...     [file.name.split(".")[:3] for file in Path(name).iterdir()]
    [['events', 'out', 'tfevents']]
    """

    def __init__(self, folder: Path, *, first_step: int):
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{int(time.time()):010}.{first_step:09}.{os.getpid()}"
        self.path = folder / name
        with naming(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._records = RecordWriter(str(self.path))
        self._add(
            Event(file_version="brain.Event:2"),
            # The start of a session: TensorBoard drops what is older and not before its
            # step.
            Event(step=first_step, session_log=SessionLog(status=SessionLog.START)),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name.

        Args:
          step: the epoch.
          values: by name; what stands before a slash is the group of curves.
        """
        self._add(*(Event(step=step, summary=scalar(name, v)) for name, v in values.items()))

    def close(self) -> None:
        """Close the file; what was written is on the disk already."""
        with naming(self.path):
            self._records.close()

    def __enter__(self) -> EventFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _add(self, *events: Event) -> None:
        with naming(self.path):
            for event in events:
                event.wall_time = time.time()
                self._records.write(event.SerializeToString())
            self._records.flush()  # fsync too


def scalars(row: Mapping[str, float]) -> dict[str, float]:
    """The metrics of an epoch, a line of metrics.jsonl, as `EventFile.write` takes
    them: training and test share a chart.

    >>> scalars({"epoch": 3, "train_loss": 0.5, "test_loss": 0.75, "seconds": 2.0})
    {'loss/train': 0.5, 'loss/test': 0.75, 'seconds': 2.0}
    """
    named = {}
    for name, value in row.items():
        split, _, metric = name.partition("_")
        if split in ("train", "test"):
            named[f"{metric}/{split}"] = value
        elif name != "epoch":
            named[name] = value
    return named
