"""Each map of each case, timed by all columns in turns, after their values have been
compared."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from rich.console import Console
from rich.progress import track

from experiments.benchmark import peers
from experiments.benchmark.cases import BenchmarkCase, Case, OperationCase
from experiments.benchmark.columns import LENGTH, OPS, compile_map, operand_shapes
from experiments.benchmark.config import Config, chosen_cases
from jaxcnn.programs.timing import Timing, interleaved, ratio

Row = dict[str, Any]

LEAST_REPETITIONS = 6  # below them a ratio has no interval of 95 %
SLOW = 0.5  # seconds of a call, above which it is repeated that often and no more
TOLERANCES = {"float32": 1e-3, "bfloat16": 3e-2}


# Programs.


def same_program(a: jax.stages.Compiled, b: jax.stages.Compiled) -> bool:
    """Whether XLA made the same of both, but for names and where in the source an
    instruction comes from."""
    return _without_names(a.as_text() or "") == _without_names(b.as_text() or "")


def _without_names(text: str) -> str:
    """The computations of a compiled program, each name replaced by the number of its
    first appearance."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(("%", "ENTRY"))), 0)
    body = "\n".join(line.rstrip() for line in lines[start:] if line.strip())
    body = re.sub(r', metadata=\{(?:"(?:\\.|[^"\\])*"|[^"}])*\}', "", body)
    body = re.sub(
        r"(?<=[(,] )[\w.\-]+: |(?<=\()[\w.\-]+: ", "", body
    )  # of parameters, where a computation begins
    numbers: dict[str, str] = {}
    return re.sub(r"%[\w.\-]+", lambda name: numbers.setdefault(name[0], f"%{len(numbers)}"), body)


def matrix_product_rate(dtype: str, size: int = 1024, repetitions: int = 7) -> float:
    """FLOP per second of a product of two square matrices: the best of several, as what
    the machine can do."""
    a = jnp.ones((size, size), dtype)
    product = jax.jit(jnp.dot).lower(a, a).compile()
    return 2 * size**3 / min(seconds(partial(product, a, a)) for _ in range(repetitions))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def time_calls(
    calls: Mapping[str, Callable[[], object]], repetitions: int, slowest: float
) -> dict[str, Timing]:
    """`interleaved`, with fewer repetitions where the slowest call is slow."""
    return interleaved(
        calls, min(repetitions, LEAST_REPETITIONS) if slowest > SLOW else repetitions
    )


# Values.


def draw(case: Case, map_name: str, dtype: str) -> list[list[Array]]:
    """Random operands of a map, for each step of a scan; the same numbers, rounded, in
    every dtype."""
    rng = np.random.default_rng(0)
    classes = (isinstance(case, OperationCase) and case.classes) or 0
    steps = []
    for _ in range(LENGTH):
        arrays = []
        for shape in operand_shapes(case, map_name, dtype):
            if jnp.issubdtype(shape.dtype, jnp.integer):
                arrays.append(jnp.asarray(rng.integers(classes, size=shape.shape), shape.dtype))
            else:
                arrays.append(
                    jnp.asarray(rng.standard_normal(shape.shape, np.float32)).astype(shape.dtype)
                )
        steps.append(arrays)
    return steps


def widen(arrays: Sequence[Array]) -> list[Array]:
    return [a.astype("float32") if jnp.issubdtype(a.dtype, jnp.floating) else a for a in arrays]


def as_numpy(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(tree)]


def relative_error(value: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> float:
    """The largest error of an array over its largest entry, of all arrays; infinity for
    NaNs and other shapes.

    >>> relative_error([np.array([1.0, 4.0])], [np.array([2.0, 4.0])])
    0.25
    """
    if [v.shape for v in value] != [r.shape for r in reference]:
        return math.inf
    errors = (
        float(np.max(np.abs(v - r)) / (np.max(np.abs(r)) or 1))
        for v, r in zip(value, reference, strict=True)
    )
    return max((math.inf if math.isnan(error) else error for error in errors), default=0.0)


# Rows.


def measure_case(case: Case, config: Config, rates: Mapping[str, float]) -> Iterator[Row]:
    """A row for each map, dtype and place.

    The values of every column, plain JAX included, are compared with those of plain JAX
    in float32 at the top level, for the same operands. One that differs is timed all
    the same, and named under "disagrees".
    """
    compiled = cache(partial(compile_map, case))
    methods = config.methods if isinstance(case, BenchmarkCase) else ()
    for dtype in config.dtypes:
        for map_name in (name for name in case.maps if name in config.maps):
            steps = draw(case, map_name, dtype)
            plain = compiled("plain", map_name, "top level", "float32")
            assert plain is not None, "only methods refuse a case"
            reference = [as_numpy(plain(*widen(arrays))) for arrays in steps]
            for place in (name for name in case.places if name in config.places):
                programs = {
                    column: compiled(column, map_name, place, dtype) for column in (*OPS, *methods)
                }
                there = {
                    column: program for column, program in programs.items() if program is not None
                }
                figures = measure(
                    case, map_name, dtype, place, there, steps, reference, config.repetitions
                )
                flops, rate = case.flops, rates.get(dtype)
                yield {
                    "case": case.id,
                    "family": case.family,
                    "network": case.network,
                    "map": map_name,
                    "place": place,
                    "dtype": dtype,
                    **figures,
                    "identical": same_program(there["plain"], there["explicit"]),
                    "flops": flops,
                    "peak_fraction": (
                        flops / figures["columns"]["explicit"]["median"] / rate
                        if flops and rate
                        else None
                    ),
                }


def measure(
    case: Case,
    map_name: str,
    dtype: str,
    place: str,
    programs: Mapping[str, jax.stages.Compiled],
    steps: Sequence[Sequence[Array]],
    reference: Sequence[Sequence[np.ndarray]],
    repetitions: int,
) -> Row:
    """Errors, times and ratios of the columns."""
    scanned = place == "scan"
    args = [jnp.stack(arrays) for arrays in zip(*steps, strict=True)] if scanned else steps[0]
    calls: dict[str, Callable[[], Any]] = {
        column: partial(program, *args) for column, program in programs.items()
    }
    read: dict[str, Callable[[Any], list[np.ndarray]]] = dict.fromkeys(calls, as_numpy)
    if not scanned and peers.available():
        torch = peers.prepare(case, map_name, [np.asarray(a) for a in widen(steps[0])], dtype)
        calls[peers.PYTORCH], read[peers.PYTORCH] = torch.call, torch.read

    expected = (
        [np.stack(leaves) for leaves in zip(*reference, strict=True)] if scanned else reference[0]
    )
    errors, slowest = {}, 0.0
    for column, call in calls.items():
        start = time.perf_counter()
        value = jax.block_until_ready(call())
        slowest = max(slowest, time.perf_counter() - start)
        errors[column] = relative_error(read[column](value), expected)
        del value

    timings = time_calls(calls, repetitions, slowest)
    each = LENGTH if scanned else 1
    return {
        "columns": {
            column: {
                "median": t.median / each,
                "low": t.low / each,
                "high": t.high / each,
                "utilisation": t.utilisation,
                "error": errors[column] if math.isfinite(errors[column]) else None,
            }
            for column, t in timings.items()
        },
        "ratios": ratios(timings),
        "disagrees": [column for column, error in errors.items() if error > TOLERANCES[dtype]],
        "repetitions": len(timings["explicit"].samples),
    }


def ratios(timings: Mapping[str, Timing]) -> Row:
    """How many times as long as explicit each other column takes, with an interval."""
    explicit = timings["explicit"].samples
    return {
        f"{column}/explicit": ratio(timing.samples, explicit)._asdict()
        for column, timing in timings.items()
        if column != "explicit"
    }


def measure_maps(config: Config, console: Console, rates: Mapping[str, float]) -> Iterator[Row]:
    """The rows of all chosen cases.

    Args:
      config: which cases, maps, places, dtypes and methods.
      console: where progress is shown, and columns that disagree are named.
      rates: FLOP per second of a matrix product, by dtype.
    """
    if peers.available():
        peers.use_all_cores()
    for case in track(chosen_cases(config), "operations", console=console):
        for row in measure_case(case, config, rates):
            for column in row["disagrees"]:
                console.print(disagreement(row, column), markup=False, highlight=False)
            yield row
        jax.clear_caches()


def disagreement(row: Row, column: str) -> str:
    error = row["columns"][column]["error"]
    off = (
        "is not finite or of another shape"
        if error is None
        else f"is off by {error:.1e} of the largest entry"
    )
    return f"{column} {off}: {row['case']}, {row['map']}, {row['place']}, {row['dtype']}"
