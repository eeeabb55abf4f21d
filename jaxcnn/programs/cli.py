"""How every program reads its command line and how it ends: with an exit status, and
whatever goes wrong in one line on stderr."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import Any, TypeVar

import tyro

from jaxcnn.programs.interruption import as_exceptions, word_and_status
from jaxcnn.programs.messages import fail
from jaxcnn.programs.options import ConfigError

Options = TypeVar("Options")


def parse(
    options: type[Options],
    program: str,
    arguments: Sequence[str] | None = None,
    default: Options | None = None,
) -> Options:
    """The options in the words of a command line. --help ends the process with
    status 0.

    Args:
      options: a dataclass: its fields are the options, their docstrings the help. A
        bool is set by its name alone and has no `--no-` twin.
      program: its name in the help, such as "jaxcnn train".
      arguments: the words; `sys.argv[1:]` by default.
      default: options to begin with, in place of the dataclass's own defaults.

    Raises:
      ConfigError: if there is no such option, or a value does not parse.
    """
    more: dict[str, Any] = {} if default is None else {"default": default}
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            return tyro.cli(
                options,
                prog=program,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
                **more,
            )
    except SystemExit as error:
        if not error.code:
            raise
        raise ConfigError(f"{in_a_line(told.getvalue())}; {program} --help lists all") from None


def in_a_line(box: str) -> str:
    """What tyro draws as a box, of lines or in ASCII: what is wrong, and the options
    that were perhaps meant.

    >>> in_a_line(
    ...     " Unrecognized options\\n ---\\n  Unrecognized options: --epocs\\n  ---\\n"
    ...     "  Perhaps you meant:\\n      --epochs INT\\n          How often.\\n"
    ... )
    'unrecognized options: --epocs (is --epochs INT meant?)'
    """
    plain = re.sub(r"\x1b\[[\d;]*m", "", box)  # without colours
    lines = [line[2:].rstrip(" │") for line in plain.splitlines()[1:]]
    parts = re.split(r"^[─-]+$", "\n".join(lines), flags=re.MULTILINE)
    wrong = next((" ".join(part.split()).rstrip(".") for part in parts if part.strip()), plain)
    meant = [found[1] for line in lines if (found := re.fullmatch(r" {4}(--\S.*)", line))]
    asks = meant and wrong.startswith("Unrecognized")
    slip = f" (is {' or '.join(meant)} meant?)" if asks else ""
    return f"{wrong[:1].lower()}{wrong[1:]}{slip}"


def command(program: str, arguments: Sequence[str] | None = None) -> str:
    """The command as a person types it, for the files of a result; `arguments` are
    `sys.argv[1:]` by default.

    >>> command("jaxcnn certify", ["--cases", "2d-*"])
    "jaxcnn certify --cases '2d-*'"
    """
    return shlex.join([*program.split(), *(sys.argv[1:] if arguments is None else arguments)])


def run_program(
    program: str,
    body: Callable[[], int | None],
    *,
    refused: tuple[type[Exception], ...] = (),
    failed: tuple[type[Exception], ...] = (),
) -> int:
    """Run `body`; the exit status: what it returns, or 0 for None.

    ConfigError and the exceptions in `refused` give status 2; OSError, MemoryError and
    those in `failed` give 1. An interruption gives 130, or 143 for SIGTERM; its
    message, if it has one, follows the word "interrupted" or "terminated".

    Args:
      program: its name in front of each line, such as "jaxcnn train".
      body: the program itself.
      refused, failed: more exceptions that mean wrong options, or a run that failed.
    """
    try:
        with as_exceptions():
            return body() or 0
    except KeyboardInterrupt as error:
        word, status = word_and_status(error)
        return fail(program, f"{word}{'; ' if str(error) else ''}{error}", status)
    except (ConfigError, *refused) as error:
        return fail(program, error, 2)
    except MemoryError as error:
        return fail(program, f"not enough memory: {error}".rstrip(": "), 1)
    except (OSError, *failed) as error:
        return fail(program, error, 1)
