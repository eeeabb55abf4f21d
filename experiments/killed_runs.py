"""Training runs that are killed at random moments and resumed: is the result the same,
bit for bit, as that of a run that nobody killed?

    python -m experiments.killed_runs --kills 200
    python -m experiments.killed_runs --kills 1000 --processes 2

Each run is killed by SIGKILL a random time after its training began, or, one time in
five, at any time from its start on. It is started again with `--resume` until it is
finished, and the bytes of its model and its metrics are then compared. One time in ten
a random file of the newest checkpoint is cut off or gets a wrong bit before it goes on,
as after a loss of power.

Each finished run adds a line to the results, whose kills are counted across calls.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.options import require_count
from jaxcnn.stored.files import append_line

COMMON = "--checkpoint-minutes 0.002 --epochs"
RUNS = (
    "12 --batch-size 64",
    "6 --average-decay 0.99 --accumulate 3 --optimizer sgd --learning-rate 0.05 --crop 1",
    "5 --model vgg --batch-size 64 --devices 2 --mixup 0.2",
    "25 --steps-per-dispatch 7 --batch-size 128 --cutout 3 --alternate-flips --balance",
    "5 --model cnn_basics --optimizer lion --learning-rate 1e-4 --compute-dtype bfloat16",
)
"""Options of the runs: different models, optimizers and states, all on the digits."""
PROGRAM = ("-m", "jaxcnn")
LONGEST = 2.5  # seconds of training before a kill
MOST = 40  # kills of one run, which then goes on to its end
ANYWHEN = 0.2  # share of kills that come at any time
DAMAGED = 0.1  # share of kills after which the newest checkpoint is damaged


@dataclass(frozen=True)
class Config:
    """Kill training runs at random, resume them, and compare their results with those
    of whole runs."""

    kills: int = 200
    """Go on until the results have so many kills."""
    seed: int = 0
    """Of the random moments; the kills so far are added to it."""
    processes: int = 1
    """Runs at a time."""
    results: Path = Path("experiments/results/killed_runs.jsonl")
    """The file to which each run adds a line."""


class Session:
    """Whole runs, made once, and killed ones."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._whole: dict[int, dict[str, bytes]] = {}
        cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
        always = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        self._environment = os.environ | cache | always

    def whole(self, kind: int) -> dict[str, bytes]:
        """The files of a run that is not killed."""
        if kind not in self._whole:
            output = self._folder / f"whole{kind}"
            done = self._start(kind, output)
            told = done.communicate()[0]
            if done.returncode:
                raise OSError(f"a run that nobody killed failed: {told}")
            self._whole[kind] = files(output)
        return self._whole[kind]

    def killed(self, kind: int, number: int, chance: random.Random) -> dict[str, Any]:
        """What became of one run."""
        output = self._folder / f"killed{number}"
        kills = damaged = 0
        while True:
            process = self._start(kind, output, "--resume")
            # Later and later, so that each run ends, on a slow machine too.
            if kills == MOST or _wait(process, output, chance, LONGEST * (1 + kills / 4)):
                break
            process.kill()
            process.communicate()
            kills += 1
            if chance.random() < DAMAGED:
                damaged += damage_newest(output, chance)
        told = process.communicate()[0]
        equal = process.returncode == 0 and files(output) == self.whole(kind)
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "options": RUNS[kind],
            "kills": kills,
            "damaged": damaged,
            "equal": equal,
            **({} if equal else {"told": told[-500:], "kept": str(output)}),
        }

    def _start(self, kind: int, output: Path, *more: str) -> subprocess.Popen[str]:
        words = f"train {COMMON} {RUNS[kind]} --output {output}".split()
        return subprocess.Popen(
            [sys.executable, *PROGRAM, *words, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )


def _wait(
    process: subprocess.Popen[str], output: Path, chance: random.Random, longest: float
) -> bool:
    """Wait for the random moment; True if the process ended before it."""
    if chance.random() < ANYWHEN:
        return _ends_within(process, chance.uniform(0, 4 * longest))
    before = _began(output)
    while _began(output) == before:  # config.json is written when training begins
        if process.poll() is not None:
            return True
        time.sleep(0.01)
    return _ends_within(process, chance.uniform(0, longest))


def _ends_within(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _began(output: Path) -> int:
    try:
        return (output / "config.json").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def damage_newest(output: Path, chance: random.Random) -> bool:
    """Cut off a file of the newest checkpoint, or change a bit of it, if there are two
    checkpoints at least."""
    folder = output / "checkpoints"
    numbers = [int(path.name) for path in folder.glob("*") if path.name.isdigit()]
    if len(numbers) < 2:
        return False
    inside = [path for path in (folder / str(max(numbers))).rglob("*") if path.is_file()]
    if not inside:
        return False
    path = chance.choice(sorted(inside))
    content = bytearray(path.read_bytes())
    if content and chance.random() < 0.5:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    else:
        del content[chance.randrange(len(content) + 1) :]
    path.write_bytes(content)
    return True


def files(output: Path) -> dict[str, bytes]:
    """What must be the same: the model's two files, and the metrics without times."""
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    found = {name: (output / name).read_bytes() for name in ("model.safetensors", "model.json")}
    return found | {"metrics": json.dumps(rows).encode()}


def kills_so_far(results: Path) -> int:
    """The kills in the file of results."""
    if not results.exists():
        return 0
    return sum(json.loads(line)["kills"] for line in results.read_text().splitlines())


def main(config: Config) -> int:
    """Exit status 1 if a run's result was not that of the whole run."""
    require_count("kills", config.kills)
    require_count("processes", config.processes, most=64)
    failed = 0
    count = kills_so_far(config.results)
    chance = random.Random(config.seed + count)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(config.processes) as pool:
        session = Session(Path(name))
        for kind in range(len(RUNS) if count < config.kills else 0):
            session.whole(kind)
        number = 0
        while count < config.kills:
            first, number = number, number + config.processes
            runs = [
                pool.submit(
                    session.killed, each % len(RUNS), each, random.Random(chance.getrandbits(64))
                )
                for each in range(first, number)
            ]
            for run in runs:
                row = run.result()
                append_line(config.results, json.dumps(row))
                count, failed = count + row["kills"], failed + (not row["equal"])
                same = "the same" if row["equal"] else f"ANOTHER RESULT: {row.get('told', '')}"
                print(f"{count} kills: {row['kills']} of {row['options']}: {same}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    name = "python -m experiments.killed_runs"
    leave(run_program(name, lambda: main(parse(Config, name))))
