"""How good is a trained network?

    jaxcnn evaluate runs/pets
    jaxcnn evaluate runs/pets --data-dir other/pictures
    jaxcnn evaluate runs/pets --format json

The JSON object has accuracy, interval (at confidence), images, correct, classes,
confusion (a row for each true class) and per_class: for each name images, predicted,
precision and recall. What is not defined, as the precision of a class that was never
predicted, is null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.data.dataset import load_test
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Split
from jaxcnn.programs.evaluate.config import Config
from jaxcnn.programs.evaluate.moved import check_there, is_moved
from jaxcnn.programs.evaluate.tables import class_table, confusion_table, sentence
from jaxcnn.programs.evaluation import Evaluation, evaluation
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.runs import data_options, read_model_of_pictures
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.model import StoredModel


def main(config: Config, console: Console | None = None) -> Evaluation:
    """Predict the images, and print what came of it.

    Raises:
      ConfigError, StoredError, DataError: if an option makes no sense, there is no
        model, or the images cannot be had.
    """
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=140)
    beside = Console(stderr=True)
    require_paths(config)
    stored = read_model_of_pictures(config.run, config.model)
    options, own = chosen_images(config, stored)
    split = images(options, own, stored, beside)
    if len(split) == 0:
        raise DataError(f"{options.data_dir or options.dataset} has no images to judge by")
    with beside.status("predicting"):
        found = evaluation(split.labels, predictions(stored, split), stored.classes)
    if config.format == "json":
        content = {"run": str(config.run), "dataset": options.dataset} | found.as_json()
        console.file.write(f"{json.dumps(content)}\n")
    else:
        console.print(class_table(found))
        console.print(confusion_table(found))
        console.print(sentence(found), highlight=False, soft_wrap=True)
    return found


def chosen_images(config: Config, stored: StoredModel) -> tuple[DataOptions, bool]:
    """The images that the command line or the run names, and whether they are those
    that the network was trained with, of which it held out a share.

    Raises:
      ConfigError: if neither names any.
    """
    recorded = data_options(config.run)
    if recorded is None and config.dataset is None and config.data_dir is None:
        raise ConfigError(
            f"{config.run} has no config.json, which would name images: pass --data-dir or"
            " --dataset"
        )
    if recorded is not None and config.dataset is None and config.data_dir is None:
        check_there(config.run, recorded)
    options = recorded or DataOptions(dataset="folder")
    if config.dataset is not None and config.dataset != options.dataset:
        options = replace(options, dataset=config.dataset, data_dir=None)
    if config.data_dir is not None:
        pictures = config.dataset is None and _has_pictures(config.data_dir, stored.classes)
        dataset = "folder" if pictures or options.dataset == "digits" else options.dataset
        options = replace(options, dataset=dataset, data_dir=config.data_dir)
    own = recorded is not None and (
        _same(options.data_dir, recorded.data_dir)
        or (options.data_dir is not None and is_moved(config.run, recorded, options.data_dir))
    )
    height, width = stored.image_size
    options = replace(
        options,
        image_size=height if height == width else None,
        channels=None,
        fit=stored.fit,
    )
    return options, own


def images(options: DataOptions, own: bool, stored: StoredModel, console: Console) -> Split:
    """The images to judge by: of a folder without a split, those that the run held out
    if it is its `own`, else all.

    Raises:
      DataError: if they cannot be had, or are not what the network takes.
    """
    try:
        return load_test(
            options,
            classes=stored.classes,
            image_shape=stored.description.image_shape,
            held_out=own,
            say=partial(console.print, highlight=False, soft_wrap=True, markup=False),
            console=console,
        )
    except ConfigError as error:
        if not str(error).startswith("--classes"):
            raise
        there = str(error).rpartition(": ")[2]
        raise DataError(
            f"{options.dataset} has other classes than the network: {there[:1].lower()}{there[1:]}"
        ) from error


def _same(folder: Path | None, other: Path | None) -> bool:
    if folder is None or other is None:
        return False
    return folder == other or (folder.exists() and other.exists() and folder.samefile(other))


def _has_pictures(folder: Path, classes: Sequence[str]) -> bool:
    """Whether the folder has pictures in folders, not the files of a published set."""
    return any((folder / name).is_dir() for name in ("test", "val", *classes))


def predictions(stored: StoredModel, split: Split) -> np.ndarray:
    """The likeliest class of each image, (n,)."""
    whole = len(split) // stored.batch * stored.batch
    order = np.arange(whole).reshape(-1, stored.batch)
    found = [stored.predict(some).argmax(axis=1) for some, _ in split.batches(order)]
    rest = split.images[whole : len(split)]
    return np.concatenate([*found, stored.predict(rest).argmax(axis=1)])


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    name = "jaxcnn evaluate"

    def body() -> None:
        main(parse(Config, name, arguments))

    return run_program(name, body, refused=(StoredError, DataError))
