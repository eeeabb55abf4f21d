"""Work in several processes that end with the program: on Ctrl-C none outlives it,
prints a traceback, or is waited for."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class LostProcessError(RuntimeError):
    """A process was killed from outside, most likely because memory ran out."""


def side_by_side(
    function: Callable[..., Result], items: Sequence[Item], processes: int, *more: object
) -> Iterator[tuple[Item, Result]]:
    """(item, function(item, *more)) as they are done, by so many fresh processes.

    Raises:
      LostProcessError: if one of them dies.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
    try:
        with _without_ctrl_c():
            futures = {pool.submit(function, item, *more): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        # A signal to all processes reaches this one too, and is the thing to report.
        time.sleep(0.5)
        raise LostProcessError(
            "a process was killed, as happens when memory runs out: fewer --processes take less"
        ) from error
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes that are started inside do not get SIGINT. At a terminal it goes to all
    of them, and each would print a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
