"""Where the images of a run are now: in the folder that it names, or in another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from jaxcnn.programs.data.class_folders import parts_of
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.folders import load_folder
from jaxcnn.programs.data.layout import layout_of
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.runs import recorded


def check_there(run: Path, options: DataOptions) -> None:
    """Raises ConfigError if the folder that the run was trained with is gone."""
    folder = options.data_dir
    if options.dataset == "folder" and folder is not None and not folder.exists():
        where = "" if folder.is_absolute() else f" in {Path.cwd()}"
        raise ConfigError(
            f"{folder}, whose images {run} was trained with, is not there{where}: pass"
            " --data-dir, where they are now"
        )


def is_moved(run: Path, options: DataOptions, folder: Path) -> bool:
    """Whether the images in a folder are those that the run was trained with: they have
    the fingerprint of config.json, which is made of names, labels and pixels.

    If they are, a share of them was held out, and the rest has been learned. A folder
    with test or val says itself what was held out, so there it does not matter.

    Args:
      run: the folder of the run.
      options: of the images of the run.
      folder: where its images may be now.
    """
    facts = recorded(run) or {}
    if options.dataset != "folder" or not folder.is_dir() or parts_of(folder):
        return False
    now = replace(options, data_dir=folder)
    try:
        layout = layout_of(now)
        # Broken files are among those of the layout, not among the images.
        for listed, images in ((layout.train, "train_images"), (layout.test, "test_images")):
            if len(listed.files) < facts.get(images, 0):
                return False
        found = load_folder(now, say=_nothing, console=Console(stderr=True))
    except (ConfigError, DataError):  # whose folder has other classes, sizes, or no images
        return False
    return found.fingerprint == facts.get("fingerprint")


def _nothing(_words: str) -> None:
    """The notes on the images come when they are read to be judged by."""
