"""The peak memory of training steps: medians over processes, in each of which
`memory.py` runs one column."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.benchmark.agreement import torch_networks
from experiments.benchmark.columns import OPS, PYTORCH
from experiments.benchmark.networks import MODES, require_networks
from experiments.benchmark.steps import say
from jaxcnn.programs.readable import size

Row = dict[str, Any]

MEMORY_MODES = MODES[:2]
PROCESSES = 3  # for each figure of memory
REPOSITORY = Path(__file__).parents[2]


def measure_memories(networks: Sequence[str], console: Console) -> Iterator[Row]:
    """The peak memory of every network, each of `MEMORY_MODES` and every column; rows
    are JSON.

    Raises:
      ValueError: on a network that is not in `NETWORKS`.
    """
    require_networks(networks)
    columns = [*OPS, *([PYTORCH] if torch_networks() else [])]
    for network in networks:
        for mode in MEMORY_MODES:
            row = measure_memory(network, mode, columns)
            say(
                console,
                row,
                {column: size(found["steps_bytes"]) for column, found in row["columns"].items()},
            )
            yield row


def measure_memory(network: str, mode: str, columns: Sequence[str]) -> Row:
    """A row of the columns' peak memory."""
    reports: dict[str, list[Row]] = {column: [] for column in columns}
    for _ in range(PROCESSES):
        for column in columns:
            reports[column].append(in_a_process(network, column, mode))
    found = {}
    for column, several in reports.items():
        middle = sorted(several, key=lambda report: report["steps_bytes"])[len(several) // 2]
        found[column] = {**middle, "samples_bytes": [report["steps_bytes"] for report in several]}
    return {
        "network": network,
        "mode": mode,
        "columns": found,
        "ratio": found["explicit"]["steps_bytes"] / max(1, found["plain"]["steps_bytes"]),
    }


def in_a_process(network: str, column: str, mode: str, dtype: str = "float32") -> Row:
    """What `python -m experiments.benchmark.memory` prints."""
    what = (network, column, mode, dtype)
    command = [sys.executable, "-m", "experiments.benchmark.memory", *what]
    # Large arrays go back to the system as soon as they are free, page by page.
    # Otherwise memory that malloc keeps for later would count.
    environment = os.environ | {
        "MALLOC_MMAP_THRESHOLD_": str(2**17),
        "MALLOC_ARENA_MAX": "2",
        "GLIBC_TUNABLES": "",
    }
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"memory of {network}, {column}, {mode}:"
            f" {(done.stderr.strip() or 'no message').splitlines()[-1]}"
        )
    return json.loads(done.stdout.splitlines()[-1])
