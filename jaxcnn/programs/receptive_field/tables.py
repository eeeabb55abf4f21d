"""The tables that the program prints: the fields of all layers, and how far the drawn
ones spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from jaxcnn.fields import ReceptiveField
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.receptive_field.spread import centre_output, sd
from jaxcnn.programs.receptive_field.view import View


def field_table(title: str, fields: dict[str, ReceptiveField]) -> Table:
    """The receptive field of each layer."""
    table = _layer_table(title, "outputs", "size", "stride", "padding", "centre", "aligned")
    table.caption = "centre: row and column of the centre of what the centre output sees"
    for path, field in fields.items():
        centre = ", ".join(f"{axis:g}" for axis in field.centre(centre_output(field)))
        sizes = map(times, (field.output_size, field.size, field.stride))
        table.add_row(
            path,
            *sizes,
            ", ".join(map(str, field.padding)),
            centre,
            "yes" if field.aligned else "no",
        )
    return table


def spread_table(views: Sequence[View], images: int) -> Table:
    """The standard deviation of each layer's field, as trained and with equal
    weights."""
    title = f"Spread (sd) of the centre output's gradient in pixels, {plural(images, 'test image')}"
    table = _layer_table(title, "output", "field", "as trained", "equal weights")
    table.caption = "rows x columns"
    for view in views:
        centre = ", ".join(map(str, centre_output(view.field)))
        table.add_row(
            view.path,
            centre,
            times(view.field.size),
            pixels(sd(view.effective)),
            pixels(view.theory),
        )
    return table


def _layer_table(title: str, *columns: str) -> Table:
    """A table that breaks the paths of layers, and nothing else, where it is too
    wide."""
    table = Table(title=title)
    table.add_column("layer", overflow="fold")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def pixels(deviations: Sequence[float]) -> str:
    """Rows and columns in words.

    >>> pixels((0.8, 1.25)), pixels((math.nan, math.nan))
    ('0.80 x 1.25', 'no gradient')
    """
    return (
        "no gradient"
        if math.isnan(deviations[0])
        else " x ".join(f"{deviation:.2f}" for deviation in deviations)
    )
