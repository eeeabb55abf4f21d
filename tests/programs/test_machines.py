"""Several real processes compute together, over the loopback."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from processes import Processes

from jaxcnn.programs.machines.place import MachineOptions
from jaxcnn.programs.machines.together import ALONE, Machines, together
from jaxcnn.programs.options import ConfigError

JOINED = str(Path(__file__).with_name("joined.py"))


def run(count: int, act: str) -> Processes:
    # A proxy that is not there: nothing on the loopback may go to it.
    environment = {"JAX_PLATFORMS": "cpu", "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    return Processes(count, [JOINED, "--act", act], environment)


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_compute_on_one_array_what_one_computes(count):
    with run(count, "compute") as processes:
        ended = processes.ended(120)
    assert [(each.status, each.stderr) for each in ended] == [(0, "")] * count
    found = [json.loads(each.stdout) for each in ended]
    for index, each in enumerate(found):
        rows = 8 // count
        assert each["rows"] == [index * rows, (index + 1) * rows]
        assert each["sums"] == pytest.approx(expected(), rel=1e-6)
        assert each["agreed"] == 7
        assert each["any"] == [True, False]
        assert each["least"] == 6 - count
        assert each["processes"] == sorted(2 * list(range(count)))
        assert each["again"] == 2 * count
    normal = float(jax.random.normal(jax.random.key(3)))
    assert found[0]["own"] == pytest.approx(normal + 3.0)


def expected() -> list[float]:
    x = np.arange(16.0).reshape(2, 8, 1) ** 2
    noise = jax.random.normal(jax.random.key(3), (2, 8, 1))
    return [
        float(np.sum(x * np.arange(16.0).reshape(2, 8, 1))) + 3 + 2,
        float(jnp.sum(noise)),
        float(np.std(x)),
    ]


@pytest.mark.slow
def test_different_options_are_refused_by_all():
    with run(2, "differ") as processes:
        ended = processes.ended(120)
    difference = "--learning-rate must be the same in every process, got 0.1 in process 0 and 0.2"
    for each in ended:
        assert (each.status, each.stdout) == (2, "")
        assert difference in each.stderr
        assert each.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_process_that_fails_tells_the_others_why():
    with run(2, "fail") as processes:
        first, second = processes.ended(120)
    assert second[:3] == (1, "", "joined: /full: No space left on device\n")
    assert (first.status, first.stdout) == (1, "")
    assert first.stderr == (
        "joined (process 0 of 2): process 1 ended ([Errno 28] No space left on device: '/full'),"
        " and no other can go on without it; so there\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("count", "who"), [(2, 0), (2, 1), (4, 2)])
def test_a_process_that_is_killed_ends_those_that_wait_for_it_in_a_computation(count, who):
    """Process 0 too, which has the service whose end JAX answers with a dump."""
    with run(count, f"kill {who}") as processes:
        ended = processes.ended(120)
    assert ended[who].status == -signal.SIGKILL
    for index in {*range(count)} - {who}:
        assert (ended[index].status, ended[index].stdout) == (1, "")
        assert ended[index].stderr == (
            f"joined (process {index} of {count}): process {who} ended without a word,"
            " and no other can go on without it; so there\n"
        )
        assert ended[index].when - ended[who].when < 10


def test_alone_nothing_has_to_be_agreed():
    with together(MachineOptions(), "test") as machines:
        assert machines is ALONE
    assert ALONE.is_writer and ALONE.share(7) == slice(0, 7)
    assert ALONE.agree({"a": [1, 2]}) == {"a": [1, 2]}
    assert ALONE.any(True) is True and ALONE.any(False) is False
    assert ALONE.least(3) == 3
    ALONE.same_everywhere({"seed": 1})


def test_the_processes_must_divide_the_batch():
    with pytest.raises(ConfigError, match=r"--batch-size must be a multiple of the 4 .* got 30"):
        Machines(1, 4).share(30)
    assert [Machines(i, 4).share(32) for i in range(4)][1:] == [
        slice(8, 16),
        slice(16, 24),
        slice(24, 32),
    ]


def test_half_given_options_are_refused_before_anything():
    with (
        pytest.raises(ConfigError, match="a run of several processes needs --processes and"),
        together(MachineOptions("node7:5000"), "test"),
    ):
        pass
