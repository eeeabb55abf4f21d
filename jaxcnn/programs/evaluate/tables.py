"""An evaluation as tables for the console."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from jaxcnn.programs.evaluation import CONFIDENCE, Evaluation
from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import NONE, count

MOST_IN_MATRIX = 12  # classes
MOST_CONFUSIONS = 10


def sentence(found: Evaluation) -> str:
    """The accuracy in one line.

    >>> from jaxcnn.programs.evaluation import evaluation
    >>> sentence(evaluation([0, 0, 1], [0, 1, 1], ["cat", "dog"]))
    'accuracy 66.67%: 2 of 3 images right; 95% interval 20.77% to 93.85%'
    """
    low, high = found.interval
    return (
        f"accuracy {found.accuracy:.2%}: {found.correct:,} of {found.images:,} images right;"
        f" {CONFIDENCE:.0%} interval {low:.2%} to {high:.2%}"
    )


def class_table(found: Evaluation) -> Table:
    """A line for each class: its images, precision and recall."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.add_column("class", overflow="fold")
    for name in ("images", "predicted", "precision", "recall"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in found.per_class.items():
        shares = (
            NONE if share is None else f"{share:.1%}" for share in (row.precision, row.recall)
        )
        table.add_row(Text(name), count(row.images), count(row.predicted), *shares)
    return table


def confusion_table(found: Evaluation) -> Table:
    """Of few classes the whole matrix; of many the most frequent mistakes."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    if len(found.classes) <= MOST_IN_MATRIX:
        table.add_column("true \\ predicted", overflow="fold")
        for name in found.classes:
            table.add_column(Text(name), justify="right", overflow="fold")
        for name, row in zip(found.classes, found.confusion, strict=True):
            table.add_row(Text(name), *(count(int(n)) if n else "" for n in row))
        return table
    mistakes = found.confusions()
    for name in ("true", "predicted"):
        table.add_column(name, overflow="fold")
    table.add_column("images", justify="right", no_wrap=True)
    for number, true, predicted in mistakes[:MOST_CONFUSIONS]:
        table.add_row(Text(true), Text(predicted), count(number))
    if len(mistakes) > MOST_CONFUSIONS:
        table.caption = f"and {plural(len(mistakes) - MOST_CONFUSIONS, 'kind')} of mistakes more"
    return table
