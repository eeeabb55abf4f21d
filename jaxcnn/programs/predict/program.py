"""What is in an image?

    jaxcnn predict runs/pets cat.jpg dog.png
    jaxcnn predict runs/pets holidays/ --format json --top 3
    find . -name '*.jpg' | jaxcnn predict runs/pets - --format json
    jaxcnn predict runs/pets cat.jpg --explain why/

Images of any size and kind are brought to the model's size in the way that the run
brought its own. In JSON there is an object a line, with file, class, probability, and
probabilities, the likeliest first; with --explain, explanation is the picture's file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.messages import fail, plural
from jaxcnn.programs.options import ConfigError, require_count, require_paths, shown
from jaxcnn.programs.predict.config import Config
from jaxcnn.programs.predict.explaining import Explainer
from jaxcnn.programs.predict.picture import picture, write_picture
from jaxcnn.programs.predict.reading import Picture, Unread, pictures
from jaxcnn.programs.runs import read_model_of_pictures
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.model import StoredModel

PROGRAM = "jaxcnn predict"
IN_TABLE = 3  # classes
PIPE_ENDED = 141  # the shell's status of a program that SIGPIPE ends


class Answer(NamedTuple):
    """What the model says of an image: the probability of each class, and the picture
    that explains it, if there is one."""

    file: str
    probabilities: dict[str, float]
    explanation: Path | None = None

    @property
    def best(self) -> str:
        """The likeliest class."""
        return next(iter(self.probabilities))

    def as_json(self, top: int | None) -> dict[str, Any]:
        """For `json.dumps`, with the `top` likeliest classes or all."""
        found: dict[str, Any] = {
            "file": self.file,
            "class": self.best,
            "probability": self.probabilities[self.best],
            "probabilities": dict(list(self.probabilities.items())[:top]),
        }
        return found if self.explanation is None else found | {"explanation": str(self.explanation)}


def main(config: Config, console: Console | None = None) -> int:
    """Predict the images, print the answers, and name what could not be read; the exit
    status.

    Raises:
      ConfigError, StoredError: if an option makes no sense, or there is no model.
    """
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=140)
    require_paths(config)
    if config.top is not None:
        require_count("top", config.top)
    if not config.images:
        raise ConfigError("IMAGE must be files, folders, or - for names from standard input")
    stored = read_model_of_pictures(config.run, config.model)
    if config.explain is not None:
        make_folder(config.explain)
    rows: list[Answer] = []
    read = unread = 0
    for found in answered(config, stored):
        if isinstance(found, Unread):
            unread += 1
            fail(PROGRAM, found.why, 1)
            continue
        read += 1
        if config.format == "table":
            rows.append(found)
        else:
            console.file.write(f"{json.dumps(found.as_json(config.top))}\n")
            console.file.flush()
    if rows:
        console.print(table(rows, config.top or IN_TABLE))
    if not read:
        return fail(PROGRAM, f"no image could be read: {plural(unread, 'file')} tried", 2)
    return 1 if unread else 0


def answered(config: Config, stored: StoredModel) -> Iterator[Answer | Unread]:
    """The answer for each image, in the order of the command line."""
    explainer = None if config.explain is None else Explainer(stored)
    taken: set[str] = set()
    for some in pictures(stored, config.images):
        images = [each.image for each in some if isinstance(each, Picture)]
        rows = iter(stored.predict(np.stack(images)) if images else [])
        for each in some:
            if isinstance(each, Unread):
                yield each
                continue
            row = next(rows)
            order = np.argsort(-row, kind="stable")
            answer = Answer(each.file, {stored.classes[k]: float(row[k]) for k in order})
            if explainer and config.explain:
                best, path = int(order[0]), config.explain / explanation_name(each.file, taken)
                explanation = explainer(each.image, best)
                probability = answer.probabilities[answer.best]
                figure = picture(
                    each.image, explanation, each.file, best, stored.classes, probability
                )
                write_picture(figure, path)
                answer = answer._replace(explanation=path)
            yield answer


def explanation_name(file: str, taken: set[str]) -> str:
    """A name for the picture that explains a file, which no file of this command has
    had; it is added to `taken`.

    >>> taken = set()
    >>> explanation_name("a/cat.jpg", taken), explanation_name("b/cat.jpg", taken)
    ('cat.jpg.explained.png', 'cat.jpg.2.explained.png')
    """
    stem = Path(file).name.encode(errors="surrogateescape")[:180].decode(errors="ignore")
    number, name = 1, f"{stem}.explained.png"
    while name in taken:
        number += 1
        name = f"{stem}.{number}.explained.png"
    taken.add(name)
    return name


def make_folder(folder: Path) -> None:
    """Make the folder for --explain.

    Raises:
      ConfigError: if it cannot be made, or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"--explain must be a folder that can be made: {folder}: {error.strerror}"
        ) from error


def table(answers: Sequence[Answer], top: int) -> Table:
    """A line for each image: the `top` likeliest classes with their probabilities."""
    found = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    found.add_column("file", overflow="fold")
    most = min(top, len(answers[0].probabilities))
    for place in range(most):
        found.add_column("class" if place == 0 else "or", overflow="fold")
        found.add_column("", justify="right", no_wrap=True)
    for answer in answers:
        cells = [Text(_printable(answer.file))]
        for name, probability in list(answer.probabilities.items())[:most]:
            cells += [Text(_printable(name)), Text(f"{probability:.1%}")]
        found.add_row(*cells)
    return found


def _printable(text: str) -> str:
    return text if text.isprintable() else shown(text)


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> int:
        try:
            return main(parse(Config, PROGRAM, arguments))
        except BrokenPipeError:  # whoever reads the lines, such as head, has enough of them
            return PIPE_ENDED

    return run_program(PROGRAM, body, refused=(StoredError,))
