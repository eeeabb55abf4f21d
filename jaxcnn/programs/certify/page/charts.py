"""The bars of the page: how many times as much autodiff takes, on a logarithmic scale
with a line at 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from jaxcnn.programs.certify.rows import Row
from jaxcnn.programs.readable import ratio, size


class Bar(NamedTuple):
    """A bar from 1 to the ratio, with positions in percent of the axis. `end` is the
    side on which a ratio of 0 or infinity leaves every axis."""

    text: str
    left: float = 0.0
    width: float = 0.0
    better: bool = False
    whisker: tuple[float, float] | None = None
    end: str = ""


class Chart(NamedTuple):
    """A column of bars, one for each row that has such a ratio, with one axis."""

    title: str
    one: float
    ticks: list[tuple[float, str]]
    bars: list[Bar | None]

    @property
    def wordy(self) -> bool:
        """Whether a label is longer than a ratio."""
        return any(len(bar.text) > 8 for bar in self.bars if bar)


def charts(rows: Sequence[Row]) -> list[Chart]:
    """How many times more autodiff takes: of time, of temporary memory, of
    residuals."""

    def time(row: Row) -> tuple[float, float, tuple[float, float] | None] | None:
        if row["time"] is None:
            return None
        median, low, high = (row["time"]["ratio"][key] for key in ("median", "low", "high"))
        return (median, 1.0, (low, high))

    def memory(key: str) -> Callable[[Row], tuple[float, float, None] | None]:
        def read(row: Row):
            if row["costs"] is None:
                return None
            ours, theirs = (row["costs"][side][key] for side in ("explicit", "autodiff"))
            return None if ours is None or theirs is None else (theirs, ours, None)

        return read

    charts = []
    for title, read in (
        ("Time", time),
        ("Temporary memory", memory("temp_bytes")),
        ("Residuals", memory("residual_bytes")),
    ):
        found = [read(row) for row in rows]
        known = [f for f in found if f is not None]
        if known:
            values = [theirs / ours for theirs, ours, _ in known if ours and theirs]
            values += [end for _, _, ends in known for end in ends or ()]
            axis = Axis.around(values)
            charts.append(
                Chart(title, axis.position(1), axis.ticks, [_bar(f, axis) for f in found])
            )
    return charts


class Axis(NamedTuple):
    """A logarithmic axis from `low` to `high`."""

    low: float
    high: float
    marks: tuple[float, ...]

    @classmethod
    def around(cls, values: Iterable[float]) -> Axis:
        """The axis that holds the values and 1, with marks at 1, 2, 5, 10, ..., or at
        powers of 10 where those are too many."""
        finite = [v for v in values if 0 < v < math.inf]
        low, high = min([0.8, *finite]), max([1.25, *finite])
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factors, every in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4)):
            marks = [
                factor * 10.0**exponent
                for exponent in exponents
                if exponent % every == 0
                for factor in factors
            ]
            # From the last mark below all values to the first one above them.
            start = max((m for m in marks if m <= low), default=low)
            end = min((m for m in marks if m >= high), default=high)
            marks = [m for m in marks if start <= m <= end]
            if len(marks) <= 5:
                break
        return cls(start, end, tuple(marks))

    def position(self, value: float) -> float:
        """In percent from the left."""
        if not value > 0:
            return 0.0
        if value == math.inf:
            return 100.0
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return round(100 * min(max(part, 0.0), 1.0), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The positions of the marks, and their labels."""
        return [(self.position(m), f"{m:,g}" if 1e-4 < m < 1e6 else f"{m:.0e}") for m in self.marks]


def _bar(read: tuple[float, float, tuple[float, float] | None] | None, axis: Axis) -> Bar | None:
    if read is None:
        return None
    theirs, ours, ends = read
    if not ours and not theirs:
        return Bar("both 0 B")
    if math.isnan(theirs):
        return Bar("NaN")
    value = theirs / ours if ours else math.inf
    text = ratio(value) if ours and theirs else f"{size(int(ours))} against {size(int(theirs))}"
    one, there = axis.position(1), axis.position(value)
    whisker = None
    if ends is not None:
        low, high = map(axis.position, ends)
        whisker = (low, round(high - low, 1))
    end = "" if 0 < value < math.inf else "right" if value else "left"
    return Bar(text, min(one, there), round(abs(there - one), 1), value >= 1, whisker, end)
