"""The program on gradients, cut off: what was judged is written, and says what is
missing; a line, and a status of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from certify_helpers import named_row

from jaxcnn.programs.certify import judging, report
from jaxcnn.programs.certify.cases import chosen
from jaxcnn.programs.certify.network.summary import UnfinishedError
from jaxcnn.programs.certify.program import command_line
from jaxcnn.programs.certify.workers import LostProcessError, side_by_side
from jaxcnn.programs.output import LOCK

pytestmark = pytest.mark.usefixtures("hears_ctrl_c")

ROOT = Path(__file__).parents[2]
SIGNALS = [
    pytest.param(signal.SIGINT, "interrupted", 130, id="Ctrl-C"),
    pytest.param(signal.SIGTERM, "terminated", 143, id="SIGTERM"),
]
MODEL = {
    "name": "lenet",
    "data": "a batch of 8 digits",
    "gradients": [],
    "not_compared": [],
    "losses": {"explicit": [[2.3]], "autodiff": [[2.3]], "nudged": [[2.3]]},
    "sentences": ["The gradients are those."],
    "passed": True,
    "figure": "",
}


def judged_row(key: Any, config: Any) -> dict[str, Any]:
    """As `judge` gives it, of a case that was not judged; every third one failed."""
    case = chosen.case_of(key, config)
    row = named_row(case.operation, case.name, key.dtype, key.kind)
    return row | {"passed": False, "error": "ValueError: no"} if key.number % 3 == 2 else row


@pytest.fixture
def interrupted(monkeypatch, tmp_path):
    """Run the program, in whose n-th call of a function a signal comes: (status,
    report, page), these None if not there."""

    def run(
        module: Any, name: str, function: Any, number: int, nth: int, *options: str
    ) -> tuple[int, Any, Any]:
        calls = []

        def then(*args: Any) -> Any:
            calls.append(args)
            if len(calls) == nth:
                signal.raise_signal(number)
            return function(*args)

        monkeypatch.setattr(module, name, then)
        status = command_line([*options, "--processes", "1", "--output", str(tmp_path / "out")])
        json_path, page_path = (
            tmp_path / "out" / f"report.{ending}" for ending in ("json", "html")
        )
        there = json_path.exists(), page_path.exists()
        assert there in ((True, True), (False, False))
        return (
            status,
            json.loads(json_path.read_text()) if there[0] else None,
            page_path.read_text() if there[0] else None,
        )

    return run


TABLE = (
    "--operations",
    "relu",
    "leaky_relu",
    "gelu",
    "--random",
    "0",
    "--dtypes",
    "float32",
    "--repetitions",
    "0",
)


@pytest.mark.parametrize(("number", "word", "status"), SIGNALS)
def test_what_was_judged_is_written_and_says_that_it_is_incomplete(
    number, word, status, interrupted, tmp_path, capsys
):
    found, made, page = interrupted(judging, "judge", judged_row, number, 4, *TABLE)
    assert found == status
    out, err = capsys.readouterr()
    done = "3 of 7 cases were judged"
    assert (
        err == f"jaxcnn certify: {word}; {done}: {tmp_path}/out/report.html and report.json have"
        " them, marked as incomplete\n"
    )
    assert "Gradients, explicit against autodiff" not in out, "no table of a part"
    assert made["incomplete"] == {"why": word, "done": 3, "of": 7, "what": "cases were judged"}
    assert len(made["rows"]) == 3
    assert f"{word} when 3 of 7 cases were judged" in page
    assert "incomplete" in page[page.index("<title>") : page.index("</title>")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.json",
    ]
    assert not (tmp_path / "out" / LOCK).exists()


def test_an_earlier_report_stays_as_long_as_nothing_was_judged(interrupted, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    for ending in ("json", "html"):
        (tmp_path / "out" / f"report.{ending}").write_text("0")
    status, made, page = interrupted(judging, "judge", judged_row, signal.SIGINT, 1, *TABLE)
    assert (status, made, page) == (130, 0, "0")
    assert capsys.readouterr().err == "jaxcnn certify: interrupted; nothing was written\n"


def test_without_an_earlier_one_no_folder_is_left(interrupted, tmp_path):
    assert interrupted(report, "keys", report.keys, signal.SIGTERM, 1, *TABLE) == (143, None, None)
    assert list(tmp_path.iterdir()) == []


def test_timing_that_is_cut_off_leaves_all_verdicts(interrupted, monkeypatch, capsys):
    monkeypatch.setattr(judging, "judge", judged_row)
    sides = {"median": 1.0, "low": 1.0, "high": 1.0, "utilisation": 1.0}
    time = {"explicit": sides, "autodiff": sides, "ratio": {"median": 2.0, "low": 2.0, "high": 2.0}}
    options = ("--operations", "max_pool", "avg_pool", "--cases", "[23]x*", *TABLE[4:-1], "9")
    status, made, _ = interrupted(report, "measure", lambda *_: time, signal.SIGINT, 2, *options)
    assert status == 130
    assert made["incomplete"] == {
        "why": "interrupted",
        "done": 1,
        "of": 3,
        "what": "cases were timed",
    }
    assert len(made["rows"]) == 4
    assert [row["time"] is not None for row in made["rows"] if row["passed"]] == [
        True,
        False,
        False,
    ]
    assert "1 of 3 cases were timed" in capsys.readouterr().err


def test_a_network_keeps_its_gradients(monkeypatch, tmp_path, capsys):
    def summary(*_):
        raise UnfinishedError(MODEL) from KeyboardInterrupt()

    monkeypatch.setattr(report, "summary", summary)
    assert command_line(["--model", "lenet", "--output", str(tmp_path)]) == 130
    assert "interrupted; 1 of 3 seeds were trained from: " in capsys.readouterr().err
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["model"] == MODEL
    assert made["incomplete"] == {
        "why": "interrupted",
        "done": 1,
        "of": 3,
        "what": "seeds were trained from",
    }


def test_a_case_that_cannot_be_timed_is_a_failed_row(monkeypatch, tmp_path, capsys):
    def measure(*_):
        raise MemoryError("3 TiB")

    monkeypatch.setattr(judging, "judge", judged_row)
    monkeypatch.setattr(report, "measure", measure)
    options = ("--operations", "relu", "--cases", "28x28", *TABLE[4:-1], "9", "--processes", "1")
    assert command_line([*options, "--output", str(tmp_path)]) == 1
    (row,) = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert (row["passed"], row["error"]) == (False, "it could not be timed: MemoryError: 3 TiB")
    assert "FAIL relu 28x28 float32: it could not be timed" in capsys.readouterr().out


def test_a_full_disk_is_one_line(monkeypatch, tmp_path, capsys):
    def fail(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(judging, "judge", judged_row)
    monkeypatch.setattr(Path, "write_bytes", fail)
    assert command_line([*TABLE, "--processes", "1", "--output", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().err
        == f"jaxcnn certify: {tmp_path}/report.json: No space left on device\n"
    )


# Several processes.


def children() -> set[Any]:
    return set(multiprocessing.active_children())


def test_processes_end_with_the_work():
    before = children()
    start = time.monotonic()
    with closing(side_by_side(time.sleep, [0.01, 600.0, 600.0], 2)) as results:
        assert next(results) == (0.01, None)
        assert len(children() - before) == 2
    assert children() == before
    assert time.monotonic() - start < 60


def test_a_process_that_is_killed_is_told():
    with pytest.raises(
        LostProcessError,
        match="a process was killed, as happens when memory runs out: fewer --processes",
    ):
        list(side_by_side(os._exit, [3], 1))


def test_a_lost_process_leaves_what_was_judged(monkeypatch, tmp_path, capsys):
    def judged(config, todo):
        yield todo[0], judged_row(todo[0], config)
        raise LostProcessError("a process was killed")

    monkeypatch.setattr(report, "judged", judged)
    assert command_line([*TABLE, "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(
        "jaxcnn certify: a process was killed; 1 of 7 cases were judged: "
    )
    assert (
        json.loads((tmp_path / "report.json").read_text())["incomplete"]["why"]
        == "a process was killed"
    )


SLEEPING = """
import sys
import time

from jaxcnn.programs.certify.workers import side_by_side
from jaxcnn.programs.cli import run_program


def body():
    for item, _ in side_by_side(time.sleep, [0.01, 600.0, 600.0], 2):
        print(item, flush=True)


if __name__ == "__main__":
    sys.exit(run_program("sleeping", body))
"""


def test_ctrl_c_at_a_terminal_ends_all_processes_in_one_line(tmp_path):
    """There it goes to all of them."""
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, str(tmp_path / "sleeping.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, text=True, start_new_session=True, **pipes
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0.01\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=60) == (
            "",
            "sleeping: interrupted\n",
        ), "and no process is left that has the pipes"
    assert process.returncode == 130
