"""Reading the text of a compiled program: its instructions, and the number of each
kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

EXCERPT_LINES = 40

# Patterns in the compiled text.

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?(?P<name>[\w.-]+) .*\{$")

_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<result>\(.*?\)|\S+) (?P<opcode>[a-z][a-z0-9-]*)\("
)

_TARGET = re.compile(r'custom_call_target="(?P<target>[^"]*)"')

# Names of a library's convolutions and matrix products: "__cudnn$convForward",
# "__cublas$gemm", "__onednn$matmul".
_LIBRARY = {
    "convolution": re.compile("conv", re.IGNORECASE),
    "dot": re.compile("gemm|matmul", re.IGNORECASE),
}

_TELLING = (
    "convolution",
    "dot",
    "custom-call",
    "while",
    "scatter",
    "select-and-scatter",
    "reduce-window",
    "conditional",
    "sort",
)


class Instruction(NamedTuple):
    """A line of a compiled program's text.

    Attributes:
      computation: the name of the computation that it is in.
      name: its own.
      result: the type and shape of what it computes, such as "f32[8,10]{1,0}".
      opcode: what it does, such as "fusion".
      line: all of it.
    """

    computation: str
    name: str
    result: str
    opcode: str
    line: str

    @property
    def target(self) -> str:
        """The name of the library's function that a custom call calls; "" of any other
        instruction."""
        found = _TARGET.search(self.line) if self.opcode == "custom-call" else None
        return found["target"] if found else ""


def without_locations(hlo: str) -> str:
    """The text without the tables of files, functions, lines and frames, and without
    references to them. They say who called, not what runs."""
    hlo = re.sub(
        r"^(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d+ .*\n)*\n?",
        "",
        hlo,
        flags=re.MULTILINE,
    )
    return re.sub(r" stack_frame_id=\d+", "", hlo)


def count(hlo: str) -> dict[str, int]:
    """The numbers of convolutions, dots, fusions, custom calls, loops and scatters in a
    compiled program's text, by `Cost`'s names."""
    counts: Counter[str] = Counter()
    for instruction in instructions(hlo):
        counts[instruction.opcode] += 1
        counts.update(
            kind for kind, pattern in _LIBRARY.items() if pattern.search(instruction.target)
        )
    return {
        "convolutions": counts["convolution"],
        "dots": counts["dot"],
        "fusions": counts["fusion"],
        "custom_calls": counts["custom-call"],
        "loops": counts["while"],
        "scatters": counts["scatter"] + counts["select-and-scatter"],
    }


def excerpt(hlo: str, lines: int = EXCERPT_LINES) -> str:
    """The most important instructions of a compiled program's text, under the name of
    their computation, without layouts and metadata.

    If there are too many lines, fusions are left out unless they are a library's
    (kind=kCustom), and the rest is cut at `lines`.
    """
    every = [
        (found.computation, found.opcode, _shortened(found.line))
        for found in instructions(hlo)
        if found.opcode in (*_TELLING, "fusion")
    ]
    text = _by_computation(every)
    if len(text) > lines:
        text = _by_computation(
            [row for row in every if row[1] != "fusion" or "kind=kCustom" in row[2]]
        )
    if len(text) > lines:
        text = [*text[: lines - 1], f"... and {len(text) - lines + 1} lines more"]
    return "\n".join(text)


def _by_computation(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    text: list[str] = []
    for number, (name, _, line) in enumerate(rows):
        if number == 0 or rows[number - 1][0] != name:
            text.append(f"{name}:")
        text.append(f"  {line}")
    return text


def instructions(hlo: str) -> Iterator[Instruction]:
    """Every instruction of a compiled program's text, in its order."""
    computation = ""
    for line in hlo.splitlines():
        if header := _COMPUTATION.match(line):
            computation = header["name"]
        elif found := _INSTRUCTION.match(line):
            yield Instruction(computation, found["name"], found["result"], found["opcode"], line)


def _shortened(line: str) -> str:
    """A line without metadata, layouts and sigils. If its result is a tuple, only the
    number of arrays is given."""
    line = re.sub(
        r", (?:metadata=\{.*?\}(?=,|$)|backend_config=.*)", "", line.strip().removeprefix("ROOT ")
    )
    line = re.sub(r"(?<=\])\{[^}]*\}|/\*index=\d+\*/|%", "", line)
    return re.sub(
        r"(?<= = )\(.*?\)(?= [a-z])", lambda shape: f"({shape[0].count('[')} arrays)", line
    )
