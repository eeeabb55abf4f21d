"""Each pass of each case, timed by all columns in turns, after their values have been
compared."""

from __future__ import annotations

import math
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
from experiments.benchmark.case import Case, ConvolutionCase
from experiments.benchmark.columns import OPS, PYTORCH, SCAN_LENGTH, compile_pass
from experiments.benchmark.config import Config, chosen_cases
from experiments.benchmark.repetitions import ratios_to_explicit, time_calls
from experiments.benchmark.same_program import same_program
from experiments.benchmark.values import as_numpy, in_float32, random_operands, relative_error

Row = dict[str, Any]

TOLERANCES = {"float32": 1e-3, "bfloat16": 3e-2}


def measure_passes(config: Config, console: Console, rates: Mapping[str, float]) -> Iterator[Row]:
    """The rows of all chosen cases.

    Args:
      config: which cases, passes, places, dtypes and methods.
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


def measure_case(case: Case, config: Config, rates: Mapping[str, float]) -> Iterator[Row]:
    """A row for each pass, dtype and place.

    The values of every column, plain JAX included, are compared with those of plain JAX
    in float32 at the top level, for the same operands. A column that differs is timed
    all the same, and named under "disagrees".
    """
    compiled = cache(partial(compile_pass, case))
    methods = config.methods if isinstance(case, ConvolutionCase) else ()
    for dtype in config.dtypes:
        for pass_name in (name for name in case.passes if name in config.passes):
            steps = random_operands(case, pass_name, dtype)
            plain = compiled("plain", pass_name, "top level", "float32")
            assert plain is not None, "only methods refuse a case"
            reference = [as_numpy(plain(*in_float32(arrays))) for arrays in steps]
            for place in (name for name in case.places if name in config.places):
                programs = {
                    column: compiled(column, pass_name, place, dtype) for column in (*OPS, *methods)
                }
                there = {
                    column: program for column, program in programs.items() if program is not None
                }
                figures = measure_columns(
                    case, pass_name, dtype, place, there, steps, reference, config.repetitions
                )
                flops, rate = case.flops, rates.get(dtype)
                yield {
                    "case": case.id,
                    "family": case.family,
                    "network": case.network,
                    "pass": pass_name,
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


def measure_columns(
    case: Case,
    pass_name: str,
    dtype: str,
    place: str,
    programs: Mapping[str, jax.stages.Compiled],
    steps: Sequence[Sequence[Array]],
    reference: Sequence[Sequence[np.ndarray]],
    repetitions: int,
) -> Row:
    """Errors, times and ratios of the columns, and of PyTorch where it can take part.

    Args:
      programs: of the JAX columns.
      steps: the operands of each step of a scan; the first step's at the top level.
      reference: the values that belong to them.
    """
    scanned = place == "scan"
    args = [jnp.stack(arrays) for arrays in zip(*steps, strict=True)] if scanned else steps[0]
    calls: dict[str, Callable[[], Any]] = {
        column: partial(program, *args) for column, program in programs.items()
    }
    read: dict[str, Callable[[Any], list[np.ndarray]]] = dict.fromkeys(calls, as_numpy)
    if not scanned and peers.available():
        torch = peers.prepare(case, pass_name, [np.asarray(a) for a in in_float32(steps[0])], dtype)
        calls[PYTORCH], read[PYTORCH] = torch.call, torch.read

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
    steps_per_call = SCAN_LENGTH if scanned else 1
    return {
        "columns": {
            column: {
                "median": t.median / steps_per_call,
                "low": t.low / steps_per_call,
                "high": t.high / steps_per_call,
                "utilisation": t.utilisation,
                "error": errors[column] if math.isfinite(errors[column]) else None,
            }
            for column, t in timings.items()
        },
        "ratios": ratios_to_explicit(timings),
        "disagrees": [column for column, error in errors.items() if error > TOLERANCES[dtype]],
        "repetitions": len(timings["explicit"].samples),
    }


def disagreement(row: Row, column: str) -> str:
    """Which column is off, by how much, and where."""
    error = row["columns"][column]["error"]
    off = (
        "is not finite or of another shape"
        if error is None
        else f"is off by {error:.1e} of the largest entry"
    )
    return f"{column} {off}: {row['case']}, {row['pass']}, {row['place']}, {row['dtype']}"
