"""The files of a run: where they go, and what they say of its options and epochs."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxcnn.programs.data.splits import Dataset
from jaxcnn.programs.environment import environment
from jaxcnn.programs.machines.place import MachineOptions
from jaxcnn.programs.machines.together import Machines
from jaxcnn.programs.output import LOCK, claimed
from jaxcnn.programs.train.checkpoints import FOLDER
from jaxcnn.programs.train.config import Config, ConfigError
from jaxcnn.programs.train.epochs import Done, Row
from jaxcnn.stored.description import Description
from jaxcnn.stored.files import append_line, remove_partial_files, write_whole
from jaxcnn.stored.saving import write_model

PICTURES = {
    "learning_curves.png": ("Learning curves", "Loss and accuracy after each epoch."),
    "first_filters.png": ("Filters", "The kernels of the first layer."),
    "feature_maps.png": ("Feature maps", "What the layers give for one test image."),
    "confusion_matrix.png": ("Confusion", "Which classes are taken for which."),
    "worst_mistakes.png": ("Mistakes", "The test images that the network got most wrong."),
}
"""The files of a run's pictures, each with a title and a sentence."""
CONFIG, METRICS, REPORT, BEST = "config.json", "metrics.jsonl", "report.html", "best"
RUN_FILES = (CONFIG, METRICS, "model.safetensors", "model.json", REPORT, BEST, FOLDER, *PICTURES)
NOTHING = "nothing"
VERSIONS = ("jaxcnn", "jax", "jaxlib", "optax", "numpy", "scikit-learn")


def claimed_output(config: Config) -> AbstractContextManager[Path]:
    """The run's folder, which no other program can write to meanwhile."""
    if config.output is not None:
        return claimed(config.output)
    model = config.model.replace(":", ".")
    return claimed(
        Path("runs") / f"{config.dataset}-{model}-{config.gradients}-seed{config.seed}",
        new=True,
    )


def check_free(output: Path) -> None:
    """Raises ConfigError if the folder holds anything."""
    there = sorted(path.name for path in output.iterdir() if path.name != LOCK)
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise ConfigError(
            f"{output} holds {there[0]}{more}: pass --resume to go on with the run in it, or"
            " another --output"
        )


def common_options(config: Config) -> dict[str, Any]:
    """The options that are the same in every process of a run, for JSON."""
    own = {field.name for field in fields(MachineOptions)}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(config).items()
        if name not in own
    }


def description(config: Config, dataset: Dataset, mesh: Mesh, machines: Machines) -> dict[str, Any]:
    """The content of config.json: the options, and what else the result depends on."""
    found = environment(*VERSIONS)
    return common_options(config) | {
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
        "image_shape": list(dataset.image_shape),
        "class_names": list(dataset.classes),
        "class_counts": list(dataset.class_counts),
        "fingerprint": dataset.fingerprint,
        "device": f"{mesh.devices.size} x {found['platform']}: {found['device']}",
        "processes": machines.count,
        "onednn": ", ".join(found["onednn"] if found["platform"] == "cpu" else ()) or NOTHING,
        "versions": {name: found[name] for name in VERSIONS},
        "python": found["python"],
    }


def tidy(output: Path) -> None:
    """Remove what a killed run left half written, and the report of one that was
    finished and goes on."""
    (output / REPORT).unlink(missing_ok=True)
    if (output / BEST).is_dir():
        remove_partial_files(output / BEST)


def write_description(output: Path, about: dict[str, Any]) -> None:
    """config.json, whole."""
    text = f"{json.dumps(about, indent=2, ensure_ascii=False)}\n"
    write_whole(output / CONFIG, lambda path: path.write_text(text, encoding="utf-8"))


def write_metrics(output: Path, rows: tuple[Row, ...]) -> None:
    """metrics.jsonl with these lines, whole."""
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    write_whole(output / METRICS, lambda path: path.write_text(lines))


def append_metrics(output: Path, row: Row) -> None:
    """Add an epoch's line to metrics.jsonl."""
    append_line(output / METRICS, json.dumps(row))


def keep_best(output: Path, done: Done, about: Description) -> None:
    """Write the model of this epoch to the folder `best`, if none before it was as
    good."""
    accuracies = [row["test_accuracy"] for row in done.rows]
    if accuracies[-1] > max(accuracies[:-1], default=-1.0):
        best = output / BEST
        best.mkdir(exist_ok=True)
        write_model(best, *done.weights, about)
