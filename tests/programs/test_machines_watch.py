"""A process that is gone ends the others, in bounded time and in one line."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from processes import Processes

from tests.daily import daily

WATCHED = str(Path(__file__).with_name("watched.py"))


def run(count: int, *words: str) -> Processes:
    return Processes(count, [WATCHED, *words])


def line(index: int, count: int, what: str) -> str:
    return (
        f"watched (process {index} of {count}): {what}, and no other can go on without it;"
        " so there\n"
    )


@pytest.mark.parametrize("who", daily([0, 1, 2], {"0", "2"}))
def test_one_that_is_killed_ends_the_others_at_once(who):
    start = time.monotonic()
    with run(3, "--act", "kill", "--who", str(who)) as processes:
        ended = processes.ended(20)
    for index, each in enumerate(ended):
        expected = (
            (-signal.SIGKILL, "")
            if index == who
            else (1, line(index, 3, f"process {who} ended without a word"))
        )
        assert (each.status, each.stderr) == expected
        assert each.when - ended[who].when < 5
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("who", [0, 1])
def test_one_that_ends_says_why(who):
    with run(2, "--act", "refuse", "--who", str(who)) as processes:
        ended = processes.ended(20)
    assert ended[who][:3] == (2, "", "")
    other = 1 - who
    what = f"process {who} ended (--seed must be a number)"
    assert ended[other][:3] == (2, "", line(other, 2, what))


@pytest.mark.parametrize("who", daily([0, 1], {"1"}))
def test_a_signal_that_ends_one_is_raised_in_the_others(who):
    """Which can save what they have."""
    with run(3, "--act", "interrupt", "--who", str(who)) as processes:
        ended = processes.ended(20)
    for index, each in enumerate(ended):
        saved = "" if index == who else "saves: ('terminated', 143)\n"
        assert each[:3] == (143, saved, "")


@pytest.mark.slow
@pytest.mark.parametrize("who", [0, 1])
def test_one_that_is_not_heard_of_counts_as_gone(who):
    """As when its machine has lost its power: nothing is closed."""
    with run(3, "--act", "stop", "--who", str(who)) as processes:
        pid = processes.running[who].pid
        others = [process for i, process in enumerate(processes.running) if i != who]
        for process in others:
            assert process.wait(30) == 1
        for index in {0, 1, 2} - {who}:
            what = f"process {who} was not heard of for 5 s"
            assert processes.text(index, "err") == line(index, 3, what)
        os.kill(pid, signal.SIGKILL)


def test_processes_that_are_done_wait_for_one_another():
    with run(3, "--act", "finish") as processes:
        ended = processes.ended(20)
    assert [each[:3] for each in ended] == [(0, "done\n", "")] * 3
