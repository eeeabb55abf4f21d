"""Ctrl-C, SIGTERM and a closed terminal: whenever they come, a line and an exit status,
in place of a traceback or of silence.

While a program imports they end it at once (`end_at_once`); later they are exceptions
(`as_exceptions`), so that what was done can be saved, with moments in which they have
to wait (`held_back`). A signal that is ignored, as `nohup` has it, stays ignored.
Nothing slow is imported here: `end_at_once` comes before the imports that it guards.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
SIGNALS = {
    int(getattr(signal, name)): word for name, word in WORDS.items() if hasattr(signal, name)
}

Handler = Callable[[int, FrameType | None], object]


class Interruption(KeyboardInterrupt):
    """One of `SIGNALS` came. Whatever is done for Ctrl-C is done for each of them."""

    number: int = signal.SIGINT


def word_and_status(error: KeyboardInterrupt) -> tuple[str, int]:
    """What is said of it, and the exit status: 130 of Ctrl-C, 143 of SIGTERM, as a
    shell has them.

    >>> word_and_status(KeyboardInterrupt())
    ('interrupted', 130)
    """
    number = int(getattr(error, "number", signal.SIGINT))
    return SIGNALS[number], 128 + number


def end_at_once(program: str) -> None:
    """From now on a signal ends the process with a line on stderr: to be called first
    of all, before the slow imports.

    An exception would not do: modules that are being imported, those in C above all,
    turn it into errors of their own.
    """

    def end(number: int, frame: FrameType | None) -> None:
        try:
            os.write(2, f"{program}: {SIGNALS[number]}\n".encode())
        finally:
            os._exit(128 + number)

    _install(end)


@contextmanager
def as_exceptions() -> Iterator[None]:
    """Inside, a signal is an `Interruption` in the main thread.

    One that comes in a finaliser, or in what JAX has done at each garbage collection,
    would be printed there and lost, since Python lets no exception out: it comes again.
    """
    unraisable = sys.unraisablehook

    def interrupt(number: int, frame: FrameType | None) -> None:
        error = Interruption()
        error.number = number
        raise error

    def come_again(lost: sys.UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, Interruption):
            threading.Timer(0.01, _thread.interrupt_main, (lost.exc_value.number,)).start()
        else:
            unraisable(lost)

    earlier = _install(interrupt)
    sys.unraisablehook = come_again
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
        _restore(earlier)


@contextmanager
def held_back() -> Iterator[None]:
    """Inside, signals wait; when it ends, the first that came is delivered."""
    came: list[int] = []
    earlier = _install(lambda number, frame: came.append(number))
    try:
        yield
    finally:
        _restore(earlier)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def ignored() -> Iterator[None]:
    """Inside, signals do nothing: another Ctrl-C while the first is being seen to."""
    earlier = _install(lambda number, frame: None)
    try:
        yield
    finally:
        _restore(earlier)


def _install(handler: Handler) -> dict[int, Handler | int]:
    """Have it called for all signals that are not ignored; the handlers before. Does
    nothing outside the main thread."""
    earlier: dict[int, Handler | int] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            before = signal.getsignal(number)
            if (
                before is not signal.SIG_IGN and before is not None
            ):  # None: a handler that is not Python's
                earlier[number] = before
                signal.signal(number, handler)
    return earlier


def _restore(earlier: dict[int, Handler | int]) -> None:
    for number, handler in earlier.items():
        signal.signal(number, handler)
