"""Ctrl-C, SIGTERM and a closed terminal give one line and an exit status whenever they
come, not a traceback and not silence.

While a program imports, they end it at once (`end_at_once`). Later they are exceptions
(`as_exceptions`), so that the program can save its work, or are noticed and asked for
(`noticed`). A signal that is ignored, as under `nohup`, stays ignored. Nothing slow is
imported here, because `end_at_once` comes before the imports that it guards.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
SIGNALS = {
    int(getattr(signal, name)): word for name, word in WORDS.items() if hasattr(signal, name)
}

Handler = Callable[[int, FrameType | None], object]


class Interruption(KeyboardInterrupt):
    """One of `SIGNALS` came; each of them is treated as Ctrl-C is."""

    number: int = signal.SIGINT


def interruption(number: int, message: str = "") -> Interruption:
    """The exception of a signal."""
    error = Interruption(*([message] if message else []))
    error.number = number
    return error


def word_and_status(error: KeyboardInterrupt) -> tuple[str, int]:
    """The word for an interruption and its exit status, which is the shell's: 130 for
    Ctrl-C, 143 for SIGTERM.

    >>> word_and_status(KeyboardInterrupt())
    ('interrupted', 130)
    """
    number = int(getattr(error, "number", signal.SIGINT))
    return SIGNALS[number], 128 + number


def end_at_once(program: str) -> None:
    """From now on a signal ends the process with a line on stderr. Call it first of
    all, before the slow imports.

    An exception would not do, because modules that are being imported, above all those
    in C, turn it into errors of their own.
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

    Python lets no exception out of a finaliser, nor out of the callback that JAX runs
    at each garbage collection: it would be printed there and lost. So one that is
    raised there is raised again a moment later.
    """
    unraisable = sys.unraisablehook

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise interruption(number)

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


class Noticed:
    """The number of the signal that came; 0 if none did."""

    number: int = 0


@contextmanager
def noticed() -> Iterator[Noticed]:
    """Inside, the first signal is only noticed, so that the program ends where it
    suits: it looks at `number` now and then. Where it went on to the end, the signal is
    raised there. A second one ends what is going on, as in `as_exceptions`."""
    seen = Noticed()

    def notice(number: int, frame: FrameType | None) -> None:
        if seen.number:
            raise interruption(number)
        seen.number = number

    earlier = _install(notice)
    try:
        yield seen
    finally:
        _restore(earlier)
    if seen.number:
        raise interruption(seen.number)


@contextmanager
def ignored() -> Iterator[None]:
    """Inside, signals do nothing, such as a second Ctrl-C after the first."""
    earlier = _install(lambda number, frame: None)
    try:
        yield
    finally:
        _restore(earlier)


def leave(status: int) -> NoReturn:
    """End the process with this status.

    After an interruption it ends at once, without Python's clean-up: JAX may still be
    computing or compiling, and taking Python down under it now and then is a
    segmentation fault.
    """
    if status > 128:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def _install(handler: Handler) -> dict[int, Handler | int]:
    """Make `handler` the handler of all signals that are not ignored; the earlier
    handlers. Outside the main thread it does nothing."""
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
