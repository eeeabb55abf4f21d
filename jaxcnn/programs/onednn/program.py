"""Does this machine compute convolutions by oneDNN, and is it right?

    jaxcnn onednn
    jaxcnn onednn --probe

jaxlib's wheel for Linux on x86 has oneDNN inside. A call that does not fit ends the
process, so it is used only with versions of jaxlib that were tried. --probe tries the
one that is here: each dtype in a process of its own, with a limit of time, against all
convolutions of the table of cases. The verdict is kept for this jaxlib and this
processor, and decides from then on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import jaxlib
from rich.console import Console

from jaxcnn.ops._onednn import certain, processor
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.options import require_count
from jaxcnn.stored.files import write_whole

TRIAL = "jaxcnn.programs.onednn.trial"


@dataclass(frozen=True)
class Config:
    """Say whether convolutions are computed by oneDNN here, or try it."""

    probe: bool = False
    """Try every dtype in a process of its own, and keep the verdict."""
    seconds: int = 600
    """Time limit of a trial; one that takes longer counts as bad."""


def main(config: Config, console: Console | None = None) -> tuple[str, ...]:
    """Print what holds, after a trial if `config` asks for one; the dtypes."""
    require_count("seconds", config.seconds)
    console = console or Console()
    if config.probe:
        _probe(config.seconds, console)
    for line in _state():
        console.print(line, highlight=False, soft_wrap=True)
    return certain.certain_dtypes()


def _state() -> list[str]:
    """What decides, and what follows from it."""
    verdict = certain.read_verdicts().get(certain.key())
    there = ", ".join(processor.certain_dtypes()) or "none"
    tried = "yes" if jaxlib.__version__ in certain.TESTED else "no"
    good = "none kept" if verdict is None else ", ".join(verdict) or "no dtype is good"
    return [
        f"jaxlib {jaxlib.__version__}, tried by this project: {tried}",
        f"dtypes for which the processor has the instructions: {there}",
        f"verdict of a probe here ({certain.verdicts_file()}): {good}",
        f"switched on ({certain.VARIABLE}): {'yes' if certain.SWITCHED_ON else 'no'}",
        f"computed by oneDNN: {', '.join(certain.certain_dtypes()) or 'nothing'}",
    ]


def _probe(seconds: int, console: Console) -> None:
    """Try each dtype, and keep those that were good."""
    good = []
    for dtype in processor.certain_dtypes():
        with console.status(f"trying {dtype}"):
            failure = trial(dtype, seconds)
        said = failure or "good"
        console.print(f"{dtype}: {said}", highlight=False, markup=False, soft_wrap=True)
        if not failure:
            good.append(dtype)
    file = certain.verdicts_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    verdicts = {**certain.read_verdicts(), certain.key(): good}
    text = json.dumps(verdicts, indent=2)
    write_whole(file, lambda partial: partial.write_text(f"{text}\n", encoding="utf-8"))
    certain.certain_dtypes.cache_clear()


def trial(dtype: str, seconds: int) -> str:
    """Why a dtype is bad, or nothing."""
    words = [sys.executable, "-m", TRIAL, dtype]
    environment = {**os.environ, certain.VARIABLE: "1", "JAX_PLATFORMS": "cpu"}
    try:
        done = subprocess.run(
            words, env=environment, timeout=seconds, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it was not done after {seconds} s"
    if done.returncode < 0:
        return f"it died of signal {-done.returncode}"
    lines = done.stderr.splitlines()
    return "" if done.returncode == 0 else f"it failed: {lines[-1] if lines else 'no message'}"


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""
    program = "jaxcnn onednn"

    def body() -> None:
        main(parse(Config, program, arguments))

    return run_program(program, body)
