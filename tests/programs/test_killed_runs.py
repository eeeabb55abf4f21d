"""Processes that are killed or terminated, and go on, as a person starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_runs import PICTURELESS

from experiments import killed_runs
from experiments.killed_runs import Config, files, main
from tests.compilation_cache import kept_in

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_run_that_was_killed_at_random_moments_gives_the_same_model(tmp_path, monkeypatch):
    """By SIGKILL: a short run of `experiments.killed_runs`, which has longer ones."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(
        killed_runs, "RUNS", ("2 --average-decay 0.99 --accumulate 3 --crop 1 --batch-size 128",)
    )
    monkeypatch.setattr(killed_runs, "PROGRAM", PICTURELESS)
    monkeypatch.setattr(killed_runs, "LONGEST", 1.5)
    monkeypatch.setattr(killed_runs, "MOST", 2)
    results = tmp_path / "results.jsonl"
    assert main(Config(kills=2, results=results)) == 0
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sum(line["kills"] for line in lines) >= 2
    assert all(line["equal"] for line in lines)
    assert main(Config(kills=2, results=results)) == 0
    assert len(results.read_text().splitlines()) == len(lines), "they are counted across calls"


def test_a_process_that_is_terminated_ends_with_a_line_and_goes_on(tmp_path):
    """After its first epoch."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | kept_in(tmp_path / "compiled")
    words = ["train", "--epochs", "6", "--output"]
    whole, run = tmp_path / "whole", tmp_path / "run"

    def start(*more: object, program: tuple[str, ...] = ("-m", "jaxcnn")) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *program, *words, *map(str, more)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert start(whole, program=PICTURELESS).communicate() == (None, "")
    process = start(run)
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate()
    assert process.returncode == 143
    assert told.startswith(f"jaxcnn train: terminated; {run} has a checkpoint after ")
    assert told.endswith(": --resume goes on from it\n")
    assert start(run, "--resume").communicate() == (None, "")
    assert files(run) == files(whole)
