"""How every program ends: with an exit status, and whatever goes wrong in one line on
stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from jaxcnn.programs.interruption import as_exceptions, word_and_status
from jaxcnn.programs.messages import fail
from jaxcnn.programs.options import ConfigError


def run_program(
    name: str,
    body: Callable[[], int | None],
    *,
    refused: tuple[type[Exception], ...] = (),
    failed: tuple[type[Exception], ...] = (),
) -> int:
    """The exit status of `body`, of which None is 0.

    ConfigError and what is `refused` have status 2, and OSError, MemoryError and what
    has `failed` 1. An interruption has 130, or 143 for SIGTERM; what it says, where it
    says something, is told behind the word.
    """
    try:
        with as_exceptions():
            return body() or 0
    except KeyboardInterrupt as error:
        word, status = word_and_status(error)
        return fail(name, f"{word}{'; ' if str(error) else ''}{error}", status)
    except (ConfigError, *refused) as error:
        return fail(name, error, 2)
    except MemoryError as error:
        return fail(name, f"not enough memory: {error}".rstrip(": "), 1)
    except (OSError, *failed) as error:
        return fail(name, error, 1)


def leave(status: int) -> NoReturn:
    """End the process with this status.

    After an interruption at once: JAX may still be computing or compiling, and where
    Python is taken down under it that is, now and then, a segmentation fault.
    """
    if status > 128:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(status)
    sys.exit(status)
