"""How far each map of a convolution is from float64, by plain JAX and by jaxcnn: no
speed is worth a wrong number.

The reference is the same map as one product of matrices in float64, of the same
operands: a sum in another order, and in a dtype in which the order does not matter
here.
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

from experiments.benchmark.cases import BenchmarkCase
from experiments.benchmark.columns import compile_map
from experiments.benchmark.config import Config, chosen_cases
from experiments.benchmark.operations import draw, relative_error
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import number

Row = dict[str, Any]

FACTOR = 1.5
UNITS = 4
"""The error allowed is `FACTOR` times plain JAX's and `UNITS` units in the last place
of the largest entry."""


def allowed(row: Row, column: str) -> bool:
    return row["errors"][column] <= FACTOR * row["errors"]["plain"] + UNITS * float(
        jnp.finfo(row["dtype"]).eps
    )


def measure_errors(case: BenchmarkCase, config: Config) -> Iterator[Row]:
    """A row for each map and dtype: the largest error over the largest entry, by
    column."""
    for dtype in config.dtypes:
        for map_name in (name for name in case.maps if name in config.maps):
            operands = draw(case, map_name, dtype)[0]
            reference = in_float64(case, map_name, [np.asarray(a, np.float64) for a in operands])
            programs = {
                name: compile_map(case, name, map_name, "top level", dtype)
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
                "map": map_name,
                "dtype": dtype,
                "errors": errors,
            }


def in_float64(case: BenchmarkCase, map_name: str, operands: Sequence[np.ndarray]) -> np.ndarray:
    with jax.enable_x64(True):
        program = compile_map(case, "im2col", map_name, "top level", "float64")
        assert program is not None, "a product of patches computes every convolution"
        return np.asarray(program(*map(jnp.asarray, operands)))


def measure_accuracy(config: Config, console: Console) -> Iterator[Row]:
    for case in track(chosen_cases(config), "accuracy", console=console):
        if isinstance(case, BenchmarkCase):
            yield from measure_errors(case, config)
            jax.clear_caches()


def accuracy_table(rows: Sequence[Row]) -> Table:
    """For each column and dtype the median and worst error, and how many are larger
    than allowed."""
    table = Table(
        title="Errors of convolutions against float64, over the largest entry", title_justify="left"
    )
    table.add_column("column")
    for heading in (
        "dtype",
        "operations",
        "median",
        "worst",
        f"beyond {FACTOR} times plain's + {plural(UNITS, 'unit')}",
    ):
        table.add_column(heading, justify="right")
    for column in dict.fromkeys(name for row in rows for name in row["errors"]):
        for dtype in dict.fromkeys(row["dtype"] for row in rows):
            there = [row for row in rows if row["dtype"] == dtype and column in row["errors"]]
            errors = [row["errors"][column] for row in there]
            beyond = [f"{row['case']}, {row['map']}" for row in there if not allowed(row, column)]
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
