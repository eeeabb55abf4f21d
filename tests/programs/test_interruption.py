"""Signals: a line and a status while a program imports, an exception later, and moments
in which they wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcnn.programs.cli import run_program
from jaxcnn.programs.interruption import (
    as_exceptions,
    ignored,
    noticed,
    word_and_status,
)

pytestmark = pytest.mark.usefixtures("hears_ctrl_c")

ROOT = Path(__file__).parents[2]
SIGNALS = [
    pytest.param(signal.SIGINT, "interrupted", 130, id="Ctrl-C"),
    pytest.param(signal.SIGTERM, "terminated", 143, id="SIGTERM"),
    pytest.param(signal.SIGHUP, "hung up", 129, id="SIGHUP"),
]
COMMANDS = ("train", "certify", "summary", "receptive-field")
EXPERIMENTS = ("benchmark", "lessons", "own_rule", "xor")


def started(
    module: str, tmp_path: Path, number: int, ignoring: str = ""
) -> subprocess.CompletedProcess[str]:
    """`python -m module`, the first of whose slow imports sends a signal to its own
    process; its status is 7 if that goes well."""
    for name in ("jax", "numpy"):
        (tmp_path / f"{name}.py").write_text(
            f"import os, sys; os.kill(os.getpid(), {int(number)}); os._exit(7)"
        )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = f"{ignoring} exec {sys.executable} -m {module}"
    return subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *((f"jaxcnn {command}", f"jaxcnn {command}") for command in COMMANDS),
        *((f"experiments.{name}", name) for name in EXPERIMENTS),
    ],
)
def test_ctrl_c_while_a_program_imports_is_one_line(module, name, tmp_path):
    result = started(module, tmp_path, signal.SIGINT)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", f"{name}: interrupted\n")


def test_sigterm_while_a_program_imports_is_one_line(tmp_path):
    result = started("jaxcnn train", tmp_path, signal.SIGTERM)
    assert (result.returncode, result.stdout, result.stderr) == (
        143,
        "",
        "jaxcnn train: terminated\n",
    )


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    """As with nohup, and with a job in the background of a script."""
    result = started("jaxcnn train", tmp_path, signal.SIGHUP, ignoring="trap '' HUP;")
    assert (result.returncode, result.stderr) == (7, "")


@pytest.mark.parametrize(
    ("status", "printed"), [(0, "told\ntaken down\n"), (2, "told\ntaken down\n"), (143, "told\n")]
)
def test_after_an_interruption_python_is_not_taken_down(status, printed):
    """JAX's threads may be at work still; what was printed is there all the same."""
    program = (
        "import atexit; from jaxcnn.programs.interruption import leave\n"
        f"atexit.register(print, 'taken down'); print('told'); leave({status})"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (status, printed, "")


@pytest.mark.parametrize(("number", "word", "status"), SIGNALS)
def test_a_running_program_is_told_in_one_line_what_was_saved(number, word, status, capsys):
    before = signal.getsignal(number)

    def body() -> int:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as interruption:
            interruption.args = ("all is saved",)
            raise
        return 0

    assert run_program("train", body) == status
    assert run_program("train", lambda: signal.raise_signal(number)) == status
    assert capsys.readouterr() == ("", f"train: {word}; all is saved\ntrain: {word}\n")
    assert signal.getsignal(number) is before


def test_a_signal_that_comes_in_a_finaliser_is_not_lost():
    """As in the function that JAX has called at each garbage collection: Python lets no
    exception out of these."""

    class Finalised:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt) as caught, as_exceptions():
        finalised = Finalised()
        del finalised
        for _ in range(1000):
            time.sleep(0.01)
    assert word_and_status(caught.value) == ("terminated", 143)


def test_another_signal_is_ignored_while_the_first_is_seen_to():
    with as_exceptions(), ignored():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), as_exceptions():
        signal.raise_signal(signal.SIGINT)


def test_the_first_signal_is_noticed_and_the_second_ends_what_is_going_on():
    seen = []
    with pytest.raises(KeyboardInterrupt) as caught, as_exceptions(), noticed() as signals:
        assert signals.number == 0
        signal.raise_signal(signal.SIGTERM)
        seen.append(signals.number)
        signal.raise_signal(signal.SIGINT)
        seen.append("behind")
    assert seen == [signal.SIGTERM]
    assert word_and_status(caught.value) == ("interrupted", 130)


def test_a_signal_that_was_noticed_and_not_raised_is_raised_at_the_end():
    seen = []
    with pytest.raises(KeyboardInterrupt) as caught, as_exceptions(), noticed():
        signal.raise_signal(signal.SIGTERM)
        seen.append("inside")
    assert seen == ["inside"]
    assert word_and_status(caught.value) == ("terminated", 143)
    with pytest.raises(ValueError, match="another"), as_exceptions(), noticed():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("another error is not hidden")
    with as_exceptions(), noticed() as signals:
        pass
    assert signals.number == 0


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "runs/x"),
            1,
            "runs/x: No such file or directory",
        ),
        (OSError("disk full"), 1, "disk full"),
        (MemoryError("Unable to allocate 3 TiB"), 1, "not enough memory: Unable to allocate 3 TiB"),
        (MemoryError(), 1, "not enough memory"),
        (KeyError("two\nlines"), 2, "'two\\nlines'"),
        (LookupError("two\nlines"), 2, "two lines"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
def test_what_goes_wrong_is_one_line(error, status, line, capsys):
    def body() -> int:
        raise error

    assert run_program("train", body, refused=(LookupError,)) == status
    assert capsys.readouterr() == ("", f"train: {line}\n")
