"""What a program for a GPU or a TPU does, counted in its compiled text: kernels, calls
of libraries, scatters, collectives, and bytes that the kernels read and write.

A kernel is an instruction that the device runs by itself: a fusion, a library's call, a
copy, or any other that is in no fusion. Parameters, constants, tuples and views are
none, nor are the copies that a TPU begins ahead of time. The body of a loop counts
once, however often it runs, as in `jaxcnn.check.compare_costs`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from jaxcnn.check.hlo import Instruction, instructions

_ENTRY = re.compile(r"^ENTRY %?(?P<name>[\w.-]+) ", re.MULTILINE)
_CALLED = re.compile(
    r"\b(?:to_apply|body|condition|calls|true_computation|false_computation)=%?([\w.-]+)"
    r"|\bbranch_computations=\{([^}]*)\}"
)
_ARRAY = re.compile(r"\b(?P<dtype>pred|[a-z]+(?P<bits>\d+)\w*)\[(?P<sizes>[\d,]*)\]")
_NAME = re.compile(r"[\w.-]+")

_CALLERS = ("call", "while", "conditional", "async-start")
"""They run other computations, whose kernels count."""
_FREE = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"),
    *("add-dependency", "opt-barrier", "partition-id", "replica-id"),
    *("copy-start", "slice-start", "async-update"),
    *_CALLERS,
}
"""No kernels."""
_COLLECTIVES = (
    *("all-reduce", "all-gather", "all-to-all", "reduce-scatter"),
    *("collective-permute", "collective-broadcast"),
)
_LIBRARIES = re.compile(r"__cu|cu_|triton")
"""How the names of a library's functions begin: "__cudnn$convForward"."""


class Counts(NamedTuple):
    """What is in a program's text.

    Attributes:
      kernels: how many the device runs.
      library: calls of a library by its function, and the convolutions and matrix
        products that the compiler itself wrote kernels for.
      scatters: scatters; select-and-scatters too, unless they are one pass.
      collectives: communications between devices, by kind.
      bytes_moved: operands and results of all kernels, in bytes.
    """

    kernels: int
    library: dict[str, int]
    scatters: int
    collectives: dict[str, int]
    bytes_moved: int


def counts(hlo: str, *, one_pass: bool) -> Counts:
    """The counts of a compiled program's text.

    Args:
      hlo: the text.
      one_pass: whether a select-and-scatter is one pass, as on a TPU, and no scatter.
    """
    every = list(instructions(hlo))
    running = _run(every, hlo)
    library: Counter[str] = Counter()
    collectives: Counter[str] = Counter()
    scatters = 0
    for found in every:
        opcode = found.opcode.removesuffix("-start")
        if opcode in _COLLECTIVES:
            collectives[opcode] += 1
        elif opcode in ("convolution", "dot"):
            library[opcode] += 1
        elif _LIBRARIES.match(found.target):
            library[found.target] += 1
        scatters += opcode == "scatter" or (opcode == "select-and-scatter" and not one_pass)
    kernels = [found for found in running if _is_kernel(found)]
    return Counts(
        kernels=len(kernels),
        library=dict(sorted(library.items())),
        scatters=scatters,
        collectives=dict(sorted(collectives.items())),
        bytes_moved=sum(_moved(kernels, every)),
    )


def _run(every: list[Instruction], hlo: str) -> list[Instruction]:
    """The instructions that are run by themselves, in no fusion: those of the entry and
    of whatever it calls."""
    by_computation: dict[str, list[Instruction]] = {}
    for found in every:
        by_computation.setdefault(found.computation, []).append(found)
    entry = _ENTRY.search(hlo)
    todo, seen = [entry["name"]] if entry else [], set()
    running = []
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for found in by_computation.get(name, []):
            running.append(found)
            if found.opcode in _CALLERS:
                for one, several in _CALLED.findall(found.line):
                    todo += _NAME.findall(f"{one} {several}")
    return running


def _is_kernel(found: Instruction) -> bool:
    return found.opcode not in _FREE and not found.opcode.endswith("-done")


def _moved(kernels: list[Instruction], every: list[Instruction]) -> Iterator[int]:
    """The bytes of operands and results of each kernel."""
    sizes = {(found.computation, found.name): _bytes(found.result) for found in every}
    for kernel in kernels:
        operands = dict.fromkeys(_NAME.findall(_operands(kernel)))
        yield _bytes(kernel.result) + sum(
            sizes.get((kernel.computation, name), 0) for name in operands
        )


def _operands(found: Instruction) -> str:
    """The text between the parentheses of an instruction."""
    start = found.line.index(f" {found.opcode}(") + len(found.opcode) + 2
    depth = 1
    for end, character in enumerate(found.line[start:], start):
        depth += (character == "(") - (character == ")")
        if not depth:
            return found.line[start:end]
    return found.line[start:]


def _bytes(result: str) -> int:
    """The bytes of an array, or of all those of a tuple.

    >>> _bytes("(f32[2,3]{1,0:T(8,128)}, pred[4]{0}, s4[3]{0}, token[])")
    30
    """
    return sum(
        -(-math.prod(map(int, filter(None, found["sizes"].split(",")))) * _bits(found) // 8)
        for found in _ARRAY.finditer(result)
    )


def _bits(found: re.Match[str]) -> int:
    return 8 if found["dtype"] == "pred" else int(found["bits"])
