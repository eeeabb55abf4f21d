"""What was measured, as files: a report for each part, of rows and the environment in
which they were measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.benchmark.config import PARTS
from jaxcnn.programs.options import ConfigError
from jaxcnn.stored.files import write_whole

Row = dict[str, Any]
Report = dict[str, Any]

FILES = {part: f"{part}.json" for part in PARTS if part != "memory"}
"""By part. Rows of memory are in the file of the steps, under "memory"."""


def write_report(report: Report, path: Path) -> None:
    """As JSON, a line for each row; whole or not at all."""
    entries = [f'"environment": {json.dumps(report["environment"])}']
    for name, rows in report.items():
        if name != "environment":
            lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
            entries.append(f'"{name}": [\n{lines}\n]')
    text = "{" + ",\n".join(entries) + "}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def load_reports(folder: Path) -> dict[str, Report]:
    """The reports of a folder, by part.

    Raises:
      ConfigError: that names --summarise, if there is none, or one is no report.
    """
    found = {}
    for part, name in FILES.items():
        path = folder / name
        if path.is_file():
            try:
                found[part] = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, RecursionError) as error:
                raise ConfigError(
                    f"--summarise {folder} has a {name} that is not JSON: {error}"
                ) from error
            if not isinstance(found[part], dict) or {"rows", "environment"} - found[part].keys():
                raise ConfigError(f"--summarise {folder} has a {name} without rows and environment")
    if not found:
        raise ConfigError(
            f"--summarise must be a folder with {', '.join(FILES.values())}, got {folder}"
        )
    return found
