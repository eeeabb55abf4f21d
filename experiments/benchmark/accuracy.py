"""How far each pass of a convolution is from float64, by plain JAX and by jaxcnn: no
speed is worth a wrong number.

The reference is the same pass of the same operands as one product of matrices in
float64. It sums in another order, but in float64 the order does not matter here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from experiments.benchmark.case import ConvolutionCase
from experiments.benchmark.columns import compile_pass
from experiments.benchmark.config import Config, chosen_cases
from experiments.benchmark.values import random_operands, relative_error
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import number

Row = dict[str, Any]

ERROR_FACTOR = 1.5
ULPS_ALLOWED = 4
"""The error allowed is `ERROR_FACTOR` times plain JAX's and `ULPS_ALLOWED` units in the
last place of the largest entry."""


def allowed(row: Row, column: str) -> bool:
    return row["errors"][column] <= ERROR_FACTOR * row["errors"]["plain"] + ULPS_ALLOWED * float(
        jnp.finfo(row["dtype"]).eps
    )


def measure_errors(case: ConvolutionCase, config: Config) -> Iterator[Row]:
    """A row for each pass and dtype: the largest error over the largest entry, by
    column."""
    for dtype in config.dtypes:
        for pass_name in (name for name in case.passes if name in config.passes):
            operands = random_operands(case, pass_name, dtype)[0]
            reference = in_float64(case, pass_name, [np.asarray(a, np.float64) for a in operands])
            programs = {
                name: compile_pass(case, name, pass_name, "top level", dtype)
                for name in ("plain", "explicit", *config.methods)
            }
            errors = {
                name: relative_error([np.asarray(program(*operands), np.float64)], [reference])
                for name, program in programs.items()
                if program is not None
            }
            yield {
                "case": case.id,
                "family": case.family,
                "pass": pass_name,
                "dtype": dtype,
                "errors": errors,
            }


def in_float64(case: ConvolutionCase, pass_name: str, operands: Sequence[np.ndarray]) -> np.ndarray:
    with jax.enable_x64(True):
        program = compile_pass(case, "im2col", pass_name, "top level", "float64")
        assert program is not None, "im2col computes every convolution"
        return np.asarray(program(*map(jnp.asarray, operands)))


def measure_accuracy(config: Config, console: Console) -> Iterator[Row]:
    for case in track(chosen_cases(config), "accuracy", console=console):
        if isinstance(case, ConvolutionCase):
            yield from measure_errors(case, config)
            jax.clear_caches()


def accuracy_table(rows: Sequence[Row]) -> Table:
    """For each column and dtype the median and worst error, and how many errors are
    larger than allowed."""
    table = Table(
        title="Errors of convolutions against float64, over the largest entry", title_justify="left"
    )
    table.add_column("column")
    for heading in (
        "dtype",
        "passes",
        "median",
        "worst",
        f"beyond {ERROR_FACTOR} times plain's + {plural(ULPS_ALLOWED, 'unit')}",
    ):
        table.add_column(heading, justify="right")
    for column in dict.fromkeys(name for row in rows for name in row["errors"]):
        for dtype in dict.fromkeys(row["dtype"] for row in rows):
            there = [row for row in rows if row["dtype"] == dtype and column in row["errors"]]
            errors = [row["errors"][column] for row in there]
            beyond = [f"{row['case']}, {row['pass']}" for row in there if not allowed(row, column)]
            told = f"{len(beyond)}: {'; '.join(beyond)}" if beyond else "0"
            table.add_row(
                column,
                dtype,
                str(len(there)),
                number(float(np.median(errors))),
                number(max(errors)),
                told,
            )
    return table
