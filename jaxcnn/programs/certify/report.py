"""The report of `jaxcnn.programs.certify`: every case judged and measured, as
plain data."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from jaxcnn.check import Certificate, Cost, certify, compare_costs, draw
from jaxcnn.check._arguments import among, floating
from jaxcnn.check.subject import value_and_gradients
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.certify import cases as gradient_cases
from jaxcnn.programs.certify.cases import Case
from jaxcnn.programs.certify.config import Config, OptionError, load, parse_shapes
from jaxcnn.programs.certify.model import UnfinishedError, summary
from jaxcnn.programs.certify.workers import LostProcessError, side_by_side
from jaxcnn.programs.interruption import word_and_status
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import shown
from jaxcnn.programs.timing import interleaved, ratio

Row = dict[str, Any]
LONGEST_JAXPR = 10_000
"""Characters of a jaxpr that the report keeps."""

IN_LOOPS = ("jit", "vmap", "scan")
IN_FLOAT64 = ("linearity", "conservation", "adjoint", "differences", "reference", "second order")


# Cases. A process finds a case by its key, since functions do not travel.


Kind = Literal["table", "random", "sized", "own"]


class Key(NamedTuple):
    kind: Kind
    number: int
    dtype: str


@cache
def _table() -> list[Case]:
    return gradient_cases.table()


@cache
def _sized() -> list[Case]:
    return gradient_cases.sized()


def case_of(key: Key, config: Config) -> Case:
    if key.kind == "own":
        return own_case(config)
    if key.kind == "random":
        return gradient_cases.random_case(config.seed, key.number)
    return (_table() if key.kind == "table" else _sized())[key.number]


def keys(config: Config) -> list[Key]:
    """What there is to judge, in order.

    Raises:
      OptionError: if nothing is left.
    """
    if config.pair:
        own_case(config)  # its errors come before anything is begun
        return [Key("own", 0, dtype) for dtype in dict.fromkeys(config.dtypes)]
    found = []
    dtypes = list(dict.fromkeys(config.dtypes))
    kinds: tuple[tuple[Kind, list[Case]], ...] = (
        ("table", _table()),
        ("random", list(gradient_cases.random(config.seed, config.random))),
        ("sized", _sized()),
    )
    for kind, cases in kinds:
        for number, case in enumerate(cases):
            if (not config.operations or case.operation in config.operations) and fnmatch(
                case.name, config.cases
            ):
                # Random cases in one dtype, in turns; what rounding does at size, in
                # those that people train in.
                narrow = [dtype for dtype in dtypes if dtype != "float64"]
                some = (
                    [dtypes[number % len(dtypes)]]
                    if kind == "random"
                    else narrow
                    if kind == "sized"
                    else dtypes
                )
                found += [Key(kind, number, dtype) for dtype in some]
    if not found:
        raise OptionError(
            f"no case of {', '.join(config.operations) or 'any operation'} has a name like"
            f" {shown(config.cases)!r}"
        )
    return found


def own_case(config: Config) -> Case:
    """The user's pair as a case.

    Raises:
      OptionError: if a module does not import, a function is not there, or the shapes
        are none.
    """
    assert config.pair is not None
    explicit, reference = (load(path) for path in config.pair)
    shapes = {f"argument {i}": shape for i, shape in enumerate(parse_shapes(config.shapes))}
    if not shapes:
        raise OptionError(
            "--pair needs --shapes, the shapes of its arguments: --shapes 2x8x8x3 3x3x3x4"
        )
    strange = [i for i in config.linear_in if not 0 <= i < len(shapes)]
    if strange:
        raise OptionError(
            f"--linear-in must be numbers of the {plural(len(shapes), 'argument')}, from 0, got"
            f" {strange[0]}"
        )
    linear = tuple(f"argument {i}" for i in config.linear_in)

    def call(ops, *args):
        return (explicit if ops is EXPLICIT else reference)(*args)

    return Case(config.pair[0], config.pair[1], shapes, call, "", linear, "sums" if linear else "")


# Judging and measuring.


def judge(key: Key, config: Config) -> Row:
    """The row of one case: its checks and its costs. What goes wrong is in the row, not
    raised, so that others go on."""
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
            jax.clear_caches()  # of hundreds of compiled programs, few come again
    costs = {"explicit": _as_dict(comparison.explicit), "autodiff": _as_dict(comparison.reference)}
    wrong = [
        {"of": check.of, "detail": check.autodiff_detail} for check in certificate.autodiff_wrong
    ]
    return row | {
        "passed": certificate.passed,
        "checks": [check._asdict() for check in certificate.checks],
        "left_out": certificate.left_out,
        "autodiff_wrong": wrong,
        "costs": costs,
        "seconds": time.perf_counter() - start,
    }


def _certificate(case: Case, key: Key, config: Config) -> Certificate:
    skip: tuple[str, ...] = ()
    if key.kind == "sized":  # float64 at such a size is slow: once is enough
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
    more = len(cost.jaxpr) - LONGEST_JAXPR
    jaxpr = (
        cost.jaxpr
        if more <= 0
        else f"{cost.jaxpr[:LONGEST_JAXPR]}\n... and {more:,} characters more"
    )
    return {name: value for name, value in cost._asdict().items() if name != "hlo"} | {
        "jaxpr": jaxpr
    }  # of hlo, the excerpt


def measure(case: Case, dtype: str, repetitions: int) -> dict[str, Any]:
    """Times of value and gradients, explicit and autodiff taking turns."""
    with jax.enable_x64(dtype == "float64"):
        rng = np.random.default_rng(0)

        def drawn(a):
            return (
                jnp.asarray(draw.distinct(rng, a.shape), a.dtype)
                if isinstance(a, jax.ShapeDtypeStruct)
                else a
            )

        args = [drawn(a) for a in case.args(dtype)]
        numbers = floating(args)
        dy = jax.tree.map(drawn, jax.eval_shape(case.of(EXPLICIT), *args))

        def timed(ops) -> Callable[[], object]:
            @jax.jit
            def compiled(args, dy):  # labels and keys come in too: constants would be folded
                return value_and_gradients(among(case.of(ops), args, numbers))(
                    [args[i] for i in numbers], dy
                )

            return lambda: compiled(args, dy)

        timings = interleaved(
            {"explicit": timed(EXPLICIT), "autodiff": timed(case.oracle)}, repetitions
        )
    found: dict[str, Any] = {name: timing._asdict() for name, timing in timings.items()}
    return found | {
        "ratio": ratio(timings["autodiff"].samples, timings["explicit"].samples)._asdict()
    }


def judged(config: Config, todo: Sequence[Key]) -> Generator[tuple[Key, Row]]:
    """Rows as they are done, in several processes where that helps."""
    processes = config.processes or ((os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1)
    processes = min(processes, len(todo))
    if processes == 1:
        for key in todo:
            yield key, judge(key, config)
        return
    # A process grows by what it compiles: after some cases come fresh ones.
    # (max_tasks_per_child can wait forever in Python 3.11)
    for start in range(0, len(todo), 50 * processes):
        yield from side_by_side(judge, todo[start : start + 50 * processes], processes, config)


# The report.


class CutOffError(Exception):
    """Something ended the work before it was done: the cause of this exception.

    Attributes:
      report: of what was done, with what is missing under "incomplete"; None if nothing
        was.
    """

    def __init__(self, report: dict[str, Any] | None):
        super().__init__()
        self.report = report


def make_report(config: Config, command: str, console: Console) -> dict[str, Any]:
    """What `page.render` takes. Tells the console how far it is, and what fails when it
    does.

    Raises:
      CutOffError: from KeyboardInterrupt or LostProcessError.
    """
    start = time.perf_counter()
    todo = [] if config.model else keys(config)
    failures = TextColumn("{task.fields[failed]}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        failures,
    )
    rows: dict[Key, Row] = {}
    model = None
    cut: BaseException | None = None
    with Progress(*columns, console=console) as progress:
        try:
            if config.model:
                model = network(config, progress)
            else:
                operations(config, todo, progress, rows)
        except UnfinishedError as error:
            model, cut = error.model, error.__cause__
        except (KeyboardInterrupt, LostProcessError) as error:
            cut = error
    report: dict[str, Any] = {
        "environment": environment(command),
        "seconds": time.perf_counter() - start,
        "rows": [rows[key] for key in todo if key in rows],
        "model": model,
    }
    if cut is not None:
        report["incomplete"] = _missing(config, cut, rows, todo, model)
        raise CutOffError(report if rows or model else None) from cut
    return report


def _missing(
    config: Config, cut: BaseException, rows: Mapping[Key, Row], todo: Sequence[Key], model: Any
) -> dict[str, Any]:
    """Why it ended, and how much of what was done."""
    why = word_and_status(cut)[0] if isinstance(cut, KeyboardInterrupt) else "a process was killed"
    if model:
        done, of, what = len(model["losses"]["explicit"]), config.seeds, "seeds were trained from"
    elif len(rows) < len(todo):
        done, of, what = len(rows), len(todo), "cases were judged"
    else:
        timed = _to_be_timed(config, todo, rows)
        done, of, what = (
            sum(rows[key]["time"] is not None for key in timed),
            len(timed),
            "cases were timed",
        )
    return {"why": why, "done": done, "of": of, "what": what}


def operations(
    config: Config, todo: Sequence[Key], progress: Progress, rows: dict[Key, Row]
) -> None:
    """Each row judged, into `rows`; then, with nothing beside it, timed."""
    bar = progress.add_task("judging", total=len(todo), failed="")
    with closing(judged(config, todo)) as done:  # which ends its processes, however this ends
        for key, row in done:
            rows[key] = row
            bad = sum(not row["passed"] for row in rows.values())
            progress.update(bar, advance=1, failed=f"{bad} failed" if bad else "")
            if not row["passed"]:
                say(progress.console, f"FAIL {name(row)}: {why(row)}")
            _tell(progress, bar)
    timed = _to_be_timed(config, todo, rows)
    if timed:
        bar = progress.add_task("timing", total=len(timed), failed="")
    for key in timed:
        try:
            rows[key]["time"] = measure(case_of(key, config), key.dtype, config.repetitions)
        except Exception as error:  # as in `judge`: most likely memory
            rows[key].update(
                passed=False, error=f"it could not be timed: {type(error).__name__}: {error}"
            )
            say(progress.console, f"FAIL {name(rows[key])}: {why(rows[key])}")
        progress.update(bar, advance=1)
        _tell(progress, bar)


def _to_be_timed(config: Config, todo: Sequence[Key], rows: Mapping[Key, Row]) -> list[Key]:
    return (
        [key for key in todo if key.kind in ("sized", "own") and _comparable(rows[key])]
        if config.repetitions
        else []
    )


def _comparable(row: Row) -> bool:
    """Whether both functions gave something, and that of one shape."""
    return row["error"] is None and all(
        check["passed"] for check in row["checks"] if check["name"] == "structure"
    )


def network(config: Config, progress: Progress) -> dict[str, Any]:
    """A whole network: every parameter's gradient, and training runs."""
    assert config.model is not None
    bar = progress.add_task("training", total=3 * config.steps * config.seeds, failed="")

    def done(count: int, total: int) -> None:
        progress.update(bar, completed=count)
        _tell(progress, bar)

    return summary(config.model, config.steps, config.seeds, done)


def _tell(progress: Progress, bar: TaskID) -> None:
    """Where no bar can be drawn, a line at each tenth."""
    task = progress.tasks[bar]
    tenth = max(1, int(task.total or 1) // 10)
    if not progress.console.is_terminal and (
        int(task.completed) % tenth == 0 or task.completed == task.total
    ):
        say(
            progress.console,
            f"{task.description}: {int(task.completed)} of {int(task.total or 0)},"
            f" {task.elapsed or 0:.0f} s",
        )


def environment(command: str) -> dict[str, Any]:
    device = jax.devices()[0]
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        **{name: version(name) for name in ("jaxcnn", "jax", "jaxlib", "numpy")},
        "python": platform.python_version(),
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
    }


def say(console: Console, line: str) -> None:
    """A line as it is, however long."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def name(row: Row) -> str:
    return f"{row['operation']} {row['case']} {row['dtype']}"


def why(row: Row) -> str:
    """What went wrong first."""
    if row["error"]:
        return row["error"].splitlines()[0]
    worst = next(check for check in row["checks"] if not check["passed"])
    return f"{worst['name']} of {worst['of']}: {worst['diagnosis'] or worst['detail']}"
