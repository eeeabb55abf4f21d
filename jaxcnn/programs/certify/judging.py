"""Judge one case: its certificate, and what its gradients cost, as a row of the
report."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import jax

from jaxcnn.check import Certificate, Cost, certify, compare_costs
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify.cases.case import Case
from jaxcnn.programs.certify.cases.chosen import Key, case_of
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.certify.rows import Row
from jaxcnn.programs.certify.workers import side_by_side
from jaxcnn.programs.devices import usable_cores

LONGEST_JAXPR = 10_000
"""Characters of a jaxpr that the report keeps."""

IN_LOOPS = ("jit", "vmap", "scan")
IN_FLOAT64 = ("linearity", "conservation", "adjoint", "differences", "reference", "second order")

CASES_PER_PROCESS = 50
"""A process grows by what it compiles, so after so many cases a fresh one takes over.
(`max_tasks_per_child` can wait forever in Python 3.11.)"""


def judge(key: Key, config: Config) -> Row:
    """The row of one case. An exception of the case goes into the row, so that the
    other cases go on."""
    start = time.perf_counter()
    case = case_of(key, config)
    row: Row = {
        "operation": case.operation,
        "case": case.name,
        "dtype": key.dtype,
        "kind": key.kind,
        "description": case.description,
        "passed": False,
        "error": None,
        "checks": [],
        "left_out": {},
        "not_compared": [],
        "autodiff_wrong": [],
        "costs": None,
        "time": None,
        "seconds": 0.0,
    }
    try:
        certificate = _certificate(case, key, config)
        with jax.enable_x64(key.dtype == "float64"):
            comparison = compare_costs(
                case.of(EXPLICIT), case.of(case.oracle), case.args(key.dtype)
            )
    except Exception as error:  # the verdict on this case
        return row | {
            "error": f"{type(error).__name__}: {error}",
            "seconds": time.perf_counter() - start,
        }
    finally:
        if key.number % 8 == 0:
            jax.clear_caches()  # hundreds of programs are compiled, few of them twice
    costs = {"explicit": _as_dict(comparison.explicit), "autodiff": _as_dict(comparison.reference)}
    wrong = [
        {"of": check.of, "detail": check.autodiff_detail} for check in certificate.autodiff_wrong
    ]
    return row | {
        "passed": certificate.passed,
        "checks": [check._asdict() for check in certificate.checks],
        "left_out": certificate.left_out,
        "not_compared": list(certificate.not_compared),
        "autodiff_wrong": wrong,
        "costs": costs,
        "seconds": time.perf_counter() - start,
    }


def _certificate(case: Case, key: Key, config: Config) -> Certificate:
    skip: tuple[str, ...] = ()
    if key.kind == "sized":  # float64 is slow at this size; the small cases have it
        skip = (*IN_LOOPS, *IN_FLOAT64, "integers")
    elif key.kind == "random":
        skip = IN_LOOPS
    elif key.dtype != config.dtypes[0]:
        skip = IN_FLOAT64
    names = list(case.arguments)
    return certify(
        case.of(EXPLICIT),
        case.of(case.oracle),
        case.args(key.dtype),
        linear_in=[names.index(name) for name in case.linear_in],
        integers=case.exact_in(key.dtype),
        label=config.label if key.kind == "own" else "exact",
        names=names,
        skip=skip,
        seed=config.seed,
    )


def _as_dict(cost: Cost) -> dict[str, Any]:
    """The cost without the compiled program, of which the excerpt is enough, and with a
    jaxpr that is not too long."""
    more = len(cost.jaxpr) - LONGEST_JAXPR
    jaxpr = (
        cost.jaxpr
        if more <= 0
        else f"{cost.jaxpr[:LONGEST_JAXPR]}\n... and {more:,} characters more"
    )
    return {name: value for name, value in cost._asdict().items() if name != "hlo"} | {
        "jaxpr": jaxpr
    }


def judged(config: Config, todo: Sequence[Key]) -> Generator[tuple[Key, Row]]:
    """Keys and their rows as they are done, by several processes where that helps."""
    processes = config.processes or (usable_cores() if jax.default_backend() == "cpu" else 1)
    processes = min(processes, len(todo))
    if processes == 1:
        for key in todo:
            yield key, judge(key, config)
        return
    at_once = CASES_PER_PROCESS * processes
    for start in range(0, len(todo), at_once):
        yield from side_by_side(judge, todo[start : start + at_once], processes, config)
