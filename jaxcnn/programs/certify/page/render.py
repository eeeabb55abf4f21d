"""`render`: the report as one HTML page, for a person who asks whether the gradients
are right and what they cost.

The page needs nothing beside it, as `pages.environment` says. With JavaScript switched
off it lacks the search and the programs of each case. Their jaxprs and compiled
instructions are megabytes of text, much of it alike, and are packed into one compressed
block.

The template is `page.html`, with style, script and sections in files beside it. The
Python files here count, sort, and put numbers into words.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from jaxcnn.programs.certify.page.accuracy import accuracy, by_dtype
from jaxcnn.programs.certify.page.charts import charts
from jaxcnn.programs.certify.page.details import costs, lines, texts, worst_errors
from jaxcnn.programs.certify.page.totals import checks_seen, summary, wrong_gradients
from jaxcnn.programs.certify.page.words import KINDS, of_words
from jaxcnn.programs.pages.environment import page_environment


def render(report: Mapping[str, Any]) -> str:
    """The page of a report, as `report.make_report` returns it and report.json has it.

    Raises:
      KeyError: if the report lacks something.
    """
    rows = list(enumerate(report["rows"]))
    programs = sorted(
        {text for _, row in rows if row["costs"] is not None for text in texts(row)}
    )  # neighbours that are alike pack best
    places = {text: i for i, text in enumerate(programs)}
    failing = [(i, row) for i, row in rows if not row["passed"]]
    groups = [("failed", failing)] if failing else []
    for operation in dict.fromkeys(row["operation"] for _, row in rows):
        members = [(i, row) for i, row in rows if row["passed"] and row["operation"] == operation]
        if members:
            groups.append((operation, members))
    sized = [
        (i, row)
        for i, row in rows
        if row["time"] is not None or (row["kind"] == "sized" and row["costs"] is not None)
    ]
    environment = page_environment(Path(__file__).parent, of_words, lines, costs)
    environment.filters["worst"] = worst_errors
    return environment.get_template("page.html").render(
        report=report,
        summary=summary(report),
        failing=failing,
        groups=groups,
        wrong=list(wrong_gradients(rows)),
        accuracy=accuracy("", "", report["rows"]),
        by_dtype=by_dtype(report["rows"]),
        sized=sized,
        charts=charts([row for _, row in sized]),
        seen=checks_seen(report["rows"]),
        at_kinks=sum(
            any(check["name"] == "integers" for check in row["checks"]) for _, row in rows
        ),
        kinds=KINDS,
        places=lambda row: " ".join(str(places[text]) for text in texts(row)),
        packed=_packed(programs),
        figure=(
            Markup(_svg(report["model"]["figure"]))
            if report["model"] and report["model"]["figure"]
            else ""
        ),
        incomplete=report.get("incomplete"),
    )


def _packed(programs: Sequence[str]) -> str:
    return base64.b64encode(
        gzip.compress(json.dumps(programs, ensure_ascii=False).encode(), 9, mtime=0)
    ).decode()


def _svg(text: str) -> str:
    """The element alone, without the XML declaration and the doctype of a file."""
    return text[text.index("<svg") :]
