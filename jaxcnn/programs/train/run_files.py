"""The files of a run: where they go, and what they say of its options and epochs."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from jax.sharding import Mesh

from jaxcnn.programs.data.splits import Dataset
from jaxcnn.programs.environment import environment
from jaxcnn.programs.output import claimed, replacing
from jaxcnn.programs.train.config import Config, ConfigError
from jaxcnn.programs.train.epochs import Done
from jaxcnn.stored.arrays import save_arrays
from jaxcnn.stored.files import append_line, write_whole

PICTURES = (
    "learning_curves.png",
    "first_filters.png",
    "feature_maps.png",
    "confusion_matrix.png",
    "worst_mistakes.png",
)
RUN_FILES = ("config.json", "metrics.jsonl", "model.safetensors", *PICTURES)


def claimed_output(config: Config) -> AbstractContextManager[Path]:
    """The run's folder, which no other program can write to meanwhile."""
    if config.output is not None:
        return claimed(config.output)
    return claimed(
        Path("runs") / f"{config.dataset}-{config.model}-{config.gradients}-seed{config.seed}",
        new=True,
    )


def check_free(output: Path, config: Config) -> None:
    """Raises ConfigError if the folder holds a run that is not to be replaced."""
    if any((output / name).exists() for name in RUN_FILES) and not config.overwrite:
        raise ConfigError(
            f"{output} holds a run already: pass --overwrite to replace it, or another --output"
        )


def description(config: Config, dataset: Dataset, mesh: Mesh) -> str:
    """The content of config.json: the options, and what else the result depends on."""
    options = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
    }
    packages = ("jaxcnn", "jax", "jaxlib", "optax", "numpy", "scikit-learn")
    found = environment(*packages)
    result = options | {
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
        "image_shape": dataset.image_shape,
        "classes": dataset.classes,
        "device": f"{mesh.devices.size} x {found['platform']}: {found['device']}",
        "versions": {name: found[name] for name in packages},
        "python": found["python"],
    }
    return json.dumps(result, indent=2)


def write_run(output: Path, about: str, done: Done, *, with_weights: bool) -> None:
    """Replace whatever run the folder has by the files of this one so far, all at once.

    Args:
      output: the folder, claimed.
      about: the content of config.json.
      done: what the run has after its last whole epoch.
      with_weights: write model.safetensors too.
    """
    with replacing(output, RUN_FILES) as new:
        write_whole(new / "config.json", lambda path: path.write_text(f"{about}\n"))
        lines = "".join(f"{json.dumps(row)}\n" for row in done.rows)
        write_whole(new / "metrics.jsonl", lambda path: path.write_text(lines))
        if with_weights:
            write_weights(new, done)


def append_metrics(output: Path, done: Done) -> None:
    """Add the last epoch's line to metrics.jsonl."""
    append_line(output / "metrics.jsonl", json.dumps(done.rows[-1]))


def write_weights(folder: Path, done: Done) -> None:
    """model.safetensors: what the model predicts with, params and state."""
    save_arrays(folder / "model.safetensors", done.weights)
