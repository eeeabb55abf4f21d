"""Event files where a run asks for them, and tensorboardX only then: it imports PyTorch
where that is installed, which takes two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from jaxcnn.programs.options import ConfigError

EVENTS = "jaxcnn.programs.train.events"


@contextmanager
def event_log(
    folder: Path | None, *, first_epoch: int
) -> Iterator[Callable[[Mapping[str, float]], object]]:
    """A function that takes the metrics of each epoch, a line of metrics.jsonl with its
    "epoch", and adds them to an event file; one that does nothing if folder is None.

    Args:
      folder: of the event files; None for none.
      first_epoch: the first epoch that it will get, more than 1 in a resumed run.

    Raises:
      ConfigError: if tensorboardX is not installed.
      OSError: with the name of the file, if it cannot be written; from the function
        too.

    >>> with event_log(None, first_epoch=1) as log:
    ...     log({"epoch": 1, "train_loss": 0.5})
    """
    if folder is None:
        yield lambda row: None
        return
    try:
        events = import_module(EVENTS)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'event files need {error.name}, which is not installed: pip install "jaxcnn[programs]"'
        ) from error
    with events.EventFile(folder, first_step=first_epoch) as file:
        yield lambda row: file.write(int(row["epoch"]), events.scalars(row))
