"""`render`: the report of a run as one HTML page, for the person who started it, and
for those to whom it is sent.

The page needs nothing beside it, as `pages.environment` says; its pictures are part of
it. The template is `page.html`, with its style beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.programs.evaluation import CONFIDENCE
from jaxcnn.programs.pages.environment import page_environment
from jaxcnn.programs.readable import MINUS, NONE
from jaxcnn.programs.train.page.content import ReportContent
from jaxcnn.programs.train.page.mistakes import data_uri, mistakes
from jaxcnn.programs.train.page.scores import scores
from jaxcnn.stored.files import write_whole

MOST_CELLS = 20  # classes of which the table of confusions is shown
MOST_CONFUSIONS = 12
MOST_ROWS = 25  # of the tables of classes and of epochs, before they get a box that scrolls


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page to a file, whole or not at all.

    Raises:
      OSError: with the name of the file, if it cannot be written.
    """
    page = render(content)
    write_whole(path, lambda partial: partial.write_text(page, encoding="utf-8"))


def render(content: ReportContent) -> str:
    """The page, the same bytes for the same content."""
    predictions = np.asarray(content.probabilities).argmax(axis=1)
    found = scores(np.asarray(content.labels), predictions, len(content.data.classes))
    environment = page_environment(Path(__file__).parent, percent, shown, data_uri)
    return environment.get_template("page.html").render(
        content=content,
        data=content.data,
        names=[name if name.strip() else f"“{name}”" for name in content.data.classes],
        scores=found,
        confidence=CONFIDENCE,
        confusions=found.confusions(MOST_CONFUSIONS),
        largest=max((c.share for c in found.confusions(found.images)), default=1.0),
        mistakes=mistakes(content),
        best=max(content.rows, key=lambda row: row["test_accuracy"]),
        most_cells=MOST_CELLS,
        most_rows=MOST_ROWS,
        train_images=int(np.sum(content.data.train_counts)),
    )


def percent(value: float | None, digits: int = 1) -> str:
    """A share: 97.5 %; a dash for None. Never 100 % for not quite all, nor 0 % for not
    quite none.

    >>> percent(0.975), percent(0.99999), percent(0.00001), percent(1.0)
    ('97.5\\xa0%', '99.9\\xa0%', '0.1\\xa0%', '100\\xa0%')
    """
    if value is None:
        return NONE
    if value in (0, 1):
        return f"{value:.0%}".replace("%", "\N{NO-BREAK SPACE}%")
    least = 10.0**-digits
    return f"{min(max(100 * value, least), 100 - least):.{digits}f}\N{NO-BREAK SPACE}%"


def shown(value: Any) -> str:
    """An option or a fact as a person reads it.

    >>> shown(None), shown(True), shown(("a", "b")), shown({"jax": "0.10"}), shown(-0.5)
    ('–', 'yes', 'a, b', 'jax 0.10', '−0.5')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, float):
        return f"{value:g}".replace("-", MINUS)
    return str(value)
