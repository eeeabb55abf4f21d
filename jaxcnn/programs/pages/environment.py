"""What the HTML pages of the programs share: frame.html, base.css, macros.html, and how
numbers become words.

A page needs nothing beside it: no network, no fonts, no scripts from elsewhere. It is
read from a disk or out of an e-mail, in light or dark, on a phone, and with JavaScript
switched off.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jaxcnn.programs.messages import plural
from jaxcnn.programs.readable import count, number, ratio, seconds, share, size, ulps

FILTERS = (number, ulps, ratio, size, seconds, share, count, plural)


def page_environment(folder: Path, *filters: Callable[..., Any]) -> Environment:
    """The templates of a folder and the shared ones; values are escaped.

    Args:
      folder: of the page's templates.
      filters: functions that its templates use under their own names, besides those of
        all pages.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {f.__name__: f for f in (*FILTERS, *filters)}
    return environment
