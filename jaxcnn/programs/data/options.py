"""The options that say which images a run has, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from jaxcnn.programs.options import (
    ConfigError,
    require,
    require_count,
    require_path,
    require_positive,
)

LARGEST_SIDE = 16_384  # pixels

Name = Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "folder"]


@dataclass(frozen=True)
class DataOptions:
    """The images, how they are read, and which of them are held out.

    An instance is also what `load` takes, so a larger script writes
    `load(DataOptions("folder", data_dir=Path("pictures"), image_size=64))`.
    """

    dataset: Name = "digits"
    """The images: folder is your own, in data-dir. The digits come with scikit-learn;
    the others are downloaded once, unless they are in data-dir."""
    data_dir: Path | None = None
    """Folder of the images: for folder, train/CLASS/* with test/CLASS/* or val/CLASS/*,
    or CLASS/* alone. For the other sets, their published files."""
    image_size: int | None = None
    """Height and width in pixels to which images are brought; by default they stay as
    they are, which works if all have one size."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; by default 3 if any image has a colour."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How an image of another shape gets image-size: crop cuts the longer side, pad
    adds black at the shorter one, stretch distorts."""
    classes: tuple[str, ...] | None = None
    """Only these classes, in this order; by default all, sorted by name."""
    test_share: float = 0.2
    """Share of each class that is held out, if the folder has no test and no val."""
    split_seed: int = 0
    """Seed of the choice of the images that are held out, whatever the run's seed."""
    most_broken: float = 0.1
    """Largest share of a folder's files that may be broken or no images; each of them
    is named and left out."""
    memory_gb: float | None = None
    """Gigabytes that decoded images may take; more are read from disk again in each
    epoch. By default half of the memory that is available."""


def check_data_options(options: DataOptions) -> None:
    """Raises ConfigError for an option that makes no sense, whatever the files."""
    *others, last = get_args(Name)
    needed = f"{', '.join(others)} or {last}"
    require("dataset", needed, options.dataset in (*others, last), options.dataset)
    if options.data_dir is not None:
        require_path("data_dir", options.data_dir)
    needed = "given with --dataset folder: the folder of your images"
    require("data_dir", needed, options.dataset != "folder" or bool(options.data_dir), "nothing")
    if options.image_size is not None:
        require_count("image_size", options.image_size, most=LARGEST_SIDE)
    require("channels", "1 or 3", options.channels in (None, 1, 3), options.channels)
    require("fit", "crop, pad or stretch", options.fit in ("crop", "pad", "stretch"), options.fit)
    if options.classes is not None:
        names = options.classes
        require("classes", "at least two names", len(names) >= 2, " ".join(names) or "none")
        twice = next((name for name in names if names.count(name) > 1), "")
        require("classes", "different names", len(set(names)) == len(names), f"{twice} twice")
    share = options.test_share
    require("test_share", "above 0 and below 1", 0 < share < 1, share)
    require_count("split_seed", options.split_seed, least=0)
    broken = options.most_broken
    require("most_broken", "between 0 and 1", 0 <= broken <= 1, broken)
    if options.memory_gb is not None:
        require_positive("memory_gb", options.memory_gb)


def recorded_options(record: Mapping[str, Any]) -> DataOptions:
    """The options of a run, out of its config.json; those that it does not have are the
    defaults.

    Raises:
      ConfigError: if one of them makes no sense.

    >>> recorded_options({"dataset": "mnist", "epochs": 3}).dataset
    'mnist'
    """
    given = {
        field.name: record[field.name] for field in fields(DataOptions) if field.name in record
    }
    try:
        if given.get("data_dir") is not None:
            given["data_dir"] = Path(given["data_dir"])
        if given.get("classes") is not None:
            given["classes"] = tuple(map(str, given["classes"]))
        options = DataOptions(**given)
        check_data_options(options)
    except TypeError as error:
        raise ConfigError(f"the recorded options of the images are damaged: {error}") from error
    return options
