"""The peak memory of training steps, measured in processes of its own."""

from __future__ import annotations

import pytest

from experiments.benchmark import memory_processes


@pytest.mark.slow
def test_memory_in_a_process():
    found = memory_processes.in_a_process("lenet", "explicit", "one by one")
    parameters_and_momentum = 2 * 4 * 224_000
    assert parameters_and_momentum < found["steps_bytes"] < 1e9
    assert 5e7 < found["before_bytes"] <= found["peak_bytes"] < 5e9
    assert found["temp_bytes"] > 1e6


def test_memory_is_the_median_of_processes(monkeypatch):
    found = {"plain": [100, 400, 200], "explicit": [150, 10, 100]}
    monkeypatch.setattr(
        memory_processes,
        "in_a_process",
        lambda network, column, mode: {"steps_bytes": found[column].pop(), "how": "VmHWM"},
    )
    row = memory_processes.measure_memory("lenet", "in a scan", ["plain", "explicit"])
    assert row["ratio"] == 0.5
    assert row["columns"]["plain"] == {
        "steps_bytes": 200,
        "how": "VmHWM",
        "samples_bytes": [200, 400, 100],
    }


@pytest.mark.slow
def test_a_process_that_fails():
    with pytest.raises(RuntimeError, match="memory of no_network, plain, one by one: KeyError"):
        memory_processes.in_a_process("no_network", "plain", "one by one")
