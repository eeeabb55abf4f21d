"""Going on with a run: what it may change, and from where."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.programs.options import ConfigError, shown
from jaxcnn.programs.output import LOCK
from jaxcnn.programs.train.checkpoints import has_any
from jaxcnn.programs.train.run_files import CONFIG, NOTHING, REPORT

FREE = frozenset(
    {
        "recipe",
        "output",
        "resume",
        "data_dir",
        "memory_gb",
        "checkpoint_minutes",
        "checkpoint_epochs",
        "tensorboard",
        "devices",
        "epochs",
    }
)
"""Options that may change: the result does not depend on them, or it is compared in
another way."""
BITS = {
    "device": "the device",
    "processes": "the processes",
    "onednn": "what oneDNN computes",
    "versions": "the versions",
}
"""What may change, but then gives other bits, and how it is called."""
KINDS = {"fingerprint": str, "epochs": int, "commands": list}
"""What is needed of an earlier config.json, whatever its options."""


def earlier_run(output: Path) -> dict[str, Any] | None:
    """The config.json of the run in the folder; None if no run began there.

    Raises:
      ConfigError: if the folder holds something else, or the file is damaged.
    """
    there = sorted(path.name for path in output.iterdir() if path.name != LOCK)
    path = output / CONFIG
    if CONFIG not in there:  # the file that a run writes first
        if has_any(output):
            raise ConfigError(f"{path} is missing: without it the run cannot go on")
        if there:
            raise ConfigError(f"{output} holds {shown(there[0])} and no run: pass another --output")
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(about, dict) or any(
        not isinstance(about.get(name), kind) for name, kind in KINDS.items()
    ):
        raise ConfigError(f"{path} is not that of a run that can go on")
    return about


def is_finished(output: Path, earlier: Mapping[str, Any], epochs: int) -> bool:
    """Whether the run has all it would get with so many epochs."""
    return (output / REPORT).exists() and earlier["epochs"] == epochs


def check_options(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises ConfigError if an option changed that must not.

    Args:
      earlier: the config.json of the run.
      now: the options of today.
    """
    for name in now:
        if name not in FREE and name in earlier:
            before, after = (json.loads(json.dumps(each[name])) for each in (earlier, now))
            if before != after:
                raise ConfigError(
                    f"--{name.replace('_', '-')} was {shown(before)} when the run began, and is"
                    f" {shown(after)} now: with --resume it must stay"
                )
    if now["epochs"] < earlier["epochs"]:
        raise ConfigError(
            f"--epochs was {earlier['epochs']} when the run began, and is {now['epochs']} now:"
            " with --resume there can be more, not fewer"
        )


def check_data(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises ConfigError if the images are not those that the run began with."""
    if earlier["fingerprint"] != now["fingerprint"]:
        raise ConfigError(
            "the images are not those that the run began with (their SHA-256 was"
            f" {earlier['fingerprint'][:12]}..., and is {now['fingerprint'][:12]}...): begin a new"
            " run"
        )


def tell_changes(
    earlier: Mapping[str, Any], now: Mapping[str, Any], say: Callable[[str], object]
) -> None:
    """Say what changed that makes other bits."""
    for name, called in BITS.items():
        before, after = earlier.get(name, NOTHING), now[name]
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            for package in sorted({*before, *after}):
                if before.get(package) != after.get(package):
                    say(
                        f"{package} was {before.get(package)} when the run began, and is"
                        f" {after.get(package)} now: the result will not be the same bit for bit"
                    )
        else:
            say(
                f"{called} was {before} when the run began, and is {after} now: the result will"
                " not be the same bit for bit"
            )
