"""Whether XLA made the same program of two functions."""

from __future__ import annotations

import re

import jax


def same_program(a: jax.stages.Compiled, b: jax.stages.Compiled) -> bool:
    """Whether both are the same but for names, and for the place in the source that an
    instruction comes from."""
    return _without_names(a.as_text() or "") == _without_names(b.as_text() or "")


def _without_names(text: str) -> str:
    """The computations of a compiled program, each name replaced by the number of its
    first appearance."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(("%", "ENTRY"))), 0)
    body = "\n".join(line.rstrip() for line in lines[start:] if line.strip())
    body = re.sub(r', metadata=\{(?:"(?:\\.|[^"\\])*"|[^"}])*\}', "", body)
    # Names of parameters, at the beginning of a computation.
    body = re.sub(r"(?<=[(,] )[\w.\-]+: |(?<=\()[\w.\-]+: ", "", body)
    numbers: dict[str, str] = {}
    return re.sub(r"%[\w.\-]+", lambda name: numbers.setdefault(name[0], f"%{len(numbers)}"), body)
