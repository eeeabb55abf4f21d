"""Work shared out to threads, with a bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Given = TypeVar("Given")
Made = TypeVar("Made")


def cores() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """The results of `work` in the order in which they are done, by as many threads as
    there are cores. If one raises, or this is interrupted, what has not begun is
    dropped."""
    pool = ThreadPoolExecutor(cores())
    try:
        for future in as_completed([pool.submit(work, each) for each in given]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def bar(what: str, count: int, console: Console | None = None) -> Iterator[Callable[[int], object]]:
    """A bar on a console that is a terminal, stderr by default; what comes out is told
    how many of `count` were done."""
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=count)
        yield lambda done: progress.advance(task, done)
