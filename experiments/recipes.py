"""The recipes of `jaxcnn train`, each over several seeds: accuracy and time.

    python -m experiments.recipes default --seeds 0 1 2 3 4
    python -m experiments.recipes digits --seeds 0 1 2 3 4
    python -m experiments.recipes mnist --seeds 0 1 2
    python -m experiments.recipes cifar10 --seeds 0 1 2 \
        --options=--dataset=folder --options=--data-dir=DIR
    python -m experiments.recipes --table --page experiments/results/training.md

The recipe "default" is no recipe: the options that the program has by itself. Each run
is a process of its own, as a person would start it, and adds a line to the
results: the recipe, the seed, the accuracy of the last epoch, seconds from start to
finish, and the machine. The table has a row for each recipe, its options, its machine
and its note.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments import markdown
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.environment import environment
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.options import ConfigError, require, require_seed
from jaxcnn.programs.train.recipe import shipped_names
from jaxcnn.stored.files import append_line

HEADINGS = (
    "recipe",
    "options",
    "n",
    "accuracy",
    "deviation",
    "each",
    "minutes",
    "device",
    "note",
)
PATHS = ("--data-dir", "--output")
DEFAULT = "default"


@dataclass(frozen=True)
class Config:
    """Train a recipe with several seeds, and add a line for each to the results; or
    print the table of all results."""

    recipe: tyro.conf.Positional[str | None] = None
    """The recipe that is trained; default for none."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """The seeds, one run each."""
    options: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Another option of `jaxcnn train`, as one word: --options=--data-dir=DIR; can be
    given several times."""
    note: str = ""
    """What the times do not show, such as other programs on the machine."""
    table: bool = False
    """Print the table of all results."""
    page: Path | None = None
    """A Markdown file whose text between <!-- recipes --> and <!-- /recipes --> is
    replaced by the table. Goes with --table."""
    results: Path = Path("experiments/results/recipes.jsonl")
    """The file to which each run adds a line."""


def train(recipe: str, seed: int, options: Sequence[str]) -> dict[str, Any]:
    """The line of one run.

    Raises:
      OSError: with what the run said, if it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        words = ["train", "--seed", str(seed), "--output", str(output)]
        words += [] if recipe == DEFAULT else ["--recipe", recipe]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "jaxcnn", *words, *options], stderr=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise OSError(f"recipe {recipe} with seed {seed} failed: {done.stderr.strip()}")
        about = json.loads((output / "config.json").read_text(encoding="utf-8"))
        last = json.loads((output / "metrics.jsonl").read_text().splitlines()[-1])
    return {
        "recipe": recipe,
        "options": without_paths(options),
        "seed": seed,
        "accuracy": last["test_accuracy"],
        "epochs": last["epoch"],
        "seconds": round(seconds, 1),
        "device": about["device"],
        **{name: environment()[name] for name in ("date", "jaxcnn", "jax", "python", "cores")},
    }


def without_paths(options: Sequence[str]) -> str:
    """The options as one text; folders are left out.

    >>> without_paths(["--epochs=3", "--data-dir=here"])
    '--epochs=3'
    """
    return " ".join(option for option in options if not option.startswith(PATHS))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each recipe, options and device."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        device = f"{row['device']}, {row['cores']} cores"
        groups[row["recipe"], row["options"], device, row.get("note", "")].append(row)
    lines = []
    for (recipe, options, device, note), group in groups.items():
        accuracies = np.array([row["accuracy"] for row in group])
        minutes = np.median([row["seconds"] for row in group]) / 60
        deviation = f"{100 * accuracies.std(ddof=1):.2f}" if len(group) > 1 else ""
        each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
        mean = f"**{accuracies.mean():.2%}**"
        lines.append(
            (
                recipe,
                options,
                str(len(group)),
                mean,
                deviation,
                each,
                f"{minutes:.1f}",
                device,
                note,
            )
        )
    return markdown.table(HEADINGS, lines)


def main(config: Config) -> None:
    """Train, or print the table.

    Raises:
      ConfigError: if there is no such recipe, or it cannot be trained.
    """
    if config.page is not None and not config.table:
        raise ConfigError("--page goes with --table")
    if config.table:
        text = table([json.loads(line) for line in config.results.read_text().splitlines()])
        print(text)
        if config.page is not None:
            markdown.write_between_marks("--page", config.page, "recipes", text)
        return
    names = [DEFAULT, *shipped_names()]
    if config.recipe is None:
        raise ConfigError(f"a recipe is needed, {' or '.join(names)}, or --table")
    require("recipe", " or ".join(names), config.recipe in names, config.recipe)
    for seed in config.seeds:
        require_seed(seed)
    for seed in config.seeds:
        row = train(config.recipe, seed, config.options) | {"note": config.note}
        append_line(config.results, json.dumps(row))
        print(f"{config.recipe}, seed {seed}: {row['accuracy']:.2%} in {row['seconds']:.0f} s")


if __name__ == "__main__":
    name = "python -m experiments.recipes"
    leave(run_program(name, lambda: main(parse(Config, name))))
