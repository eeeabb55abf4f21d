"""The report of `jaxcnn certify`: every case judged and timed, or a network compared,
as plain data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.progress import Progress

from jaxcnn.programs.certify.cases.chosen import Key, case_of, keys
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.certify.judging import judged
from jaxcnn.programs.certify.measuring import measure
from jaxcnn.programs.certify.network.given import Network, network
from jaxcnn.programs.certify.network.summary import UnfinishedError, summary
from jaxcnn.programs.certify.progress import Stage, progress_bars, say
from jaxcnn.programs.certify.rows import Row, comparable, name, why
from jaxcnn.programs.certify.workers import LostProcessError
from jaxcnn.programs.environment import environment
from jaxcnn.programs.interruption import word_and_status


class CutOffError(Exception):
    """The work was ended before it was done, by the cause of this exception.

    Attributes:
      report: of what was done, with what is missing under "incomplete"; None if nothing
        was done.
    """

    def __init__(self, report: dict[str, Any] | None):
        super().__init__()
        self.report = report


def make_report(config: Config, command: str, console: Console) -> dict[str, Any]:
    """The report, which `page.render` takes: environment, seconds, rows, model.

    The console is told how far the work is, and of each failure when it comes.

    Raises:
      ConfigError: if there is nothing to judge, or the person's own function or network
        makes no sense; before any work.
      CutOffError: from KeyboardInterrupt or LostProcessError.
    """
    start = time.perf_counter()
    given = network(config.model) if config.model else None
    todo = [] if given else keys(config)
    rows: dict[Key, Row] = {}
    model = None
    cut: BaseException | None = None
    with progress_bars(console) as progress:
        try:
            if given:
                model = _compare_network(given, config, progress)
            else:
                _judge_all(config, todo, progress, rows)
        except UnfinishedError as error:
            model, cut = error.model, error.__cause__
        except (KeyboardInterrupt, LostProcessError) as error:
            cut = error
    report: dict[str, Any] = {
        "environment": {"command": command, **environment()},
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
    """Why the work ended, and how much of what was done."""
    reason = (
        word_and_status(cut)[0] if isinstance(cut, KeyboardInterrupt) else "a process was killed"
    )
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
    return {"why": reason, "done": done, "of": of, "what": what}


def _judge_all(
    config: Config, todo: Sequence[Key], progress: Progress, rows: dict[Key, Row]
) -> None:
    """Put the row of each case into `rows`. Cases are timed afterwards, when nothing
    else runs."""
    judging = Stage(progress, "judging", len(todo))
    with closing(judged(config, todo)) as done:  # ends its processes, however this ends
        for key, row in done:
            rows[key] = row
            bad = sum(not row["passed"] for row in rows.values())
            if not row["passed"]:
                say(progress.console, f"FAIL {name(row)}: {why(row)}")
            judging.one_done(f"{bad} failed" if bad else "")
    timed = _to_be_timed(config, todo, rows)
    if not timed:
        return
    timing = Stage(progress, "timing", len(timed))
    for key in timed:
        try:
            rows[key]["time"] = measure(case_of(key, config), key.dtype, config.repetitions)
        except Exception as error:  # as in `judge`; most likely memory
            rows[key].update(
                passed=False, error=f"it could not be timed: {type(error).__name__}: {error}"
            )
            say(progress.console, f"FAIL {name(rows[key])}: {why(rows[key])}")
        timing.one_done()


def _to_be_timed(config: Config, todo: Sequence[Key], rows: Mapping[Key, Row]) -> list[Key]:
    if not config.repetitions:
        return []
    return [key for key in todo if key.kind in ("sized", "own") and comparable(rows[key])]


def _compare_network(given: Network, config: Config, progress: Progress) -> dict[str, Any]:
    """Every parameter's gradient, and training runs."""
    training = Stage(progress, "training", 3 * config.steps * config.seeds)
    return summary(given, config.steps, config.seeds, lambda count, total: training.done(count))
