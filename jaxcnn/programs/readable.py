"""Numbers as people read them: short, with a unit, and never rounded to something
else, such as 100 % for not quite all."""

from __future__ import annotations

import math
from collections.abc import Sequence

SPACE = "\N{NO-BREAK SPACE}"
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


def number(value: float | None) -> str:
    """An error in short: 1.2e-07, 0, ∞, NaN; a dash for None."""
    if value is None:
        return NONE
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:.1e}" if value else "0"


def ulps(value: float | None) -> str:
    """Units in the last place: 0.7, 12, 1.2e+30."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    if 0.095 <= value < 99_999.5:
        return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"
    return number(value)


def ratio(value: float) -> str:
    """How many times as much: 0.97×, 1.8×, 23×, 1,200×."""
    if not math.isfinite(value):
        return f"{number(value)}{TIMES}"
    for limit, digits in ((0.00995, None), (1.995, 2), (9.95, 1), (99_999.5, 0)):
        if value < limit:
            return f"{number(value)}{TIMES}" if digits is None else f"{value:,.{digits}f}{TIMES}"
    return f"{number(value)}{TIMES}"


def scaled(value: float | None, units: Sequence[tuple[float, str]]) -> str:
    """The value in the largest unit that it reaches. `units` are pairs of a scale and a
    name, from the largest to the smallest."""
    if value is None or not math.isfinite(value):
        return number(value)
    scale, unit = next((u for u in units if abs(value) >= 0.9995 * u[0]), units[-1])
    short = value / scale
    return (
        f"{short:.0f}{SPACE}{unit}"
        if short == int(short) or short >= 99.5
        else f"{short:.2g}{SPACE}{unit}"
    )


def size(value: int | None) -> str:
    """Bytes: 0 B, 1.2 MB."""
    return scaled(value, ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")))


def seconds(value: float) -> str:
    """A time: 410 µs, 3.2 ms, 12 s, 5 min 30 s."""
    if 60 <= value < math.inf:
        minutes, rest = divmod(round(value), 60)
        return (
            f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
        )
    return scaled(value, ((1, "s"), (1e-3, "ms"), (1e-6, "µs")))


def flops(value: float | None) -> str:
    """Floating-point operations: 1.2 G."""
    return scaled(value, ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))).strip()


def share(part: int, whole: int) -> str:
    """37 %; 100 % only for all of them, and 0 % only for none."""
    percent = round(100 * part / whole)
    if part not in (0, whole):
        percent = min(max(percent, 1), 99)
    return f"{percent}{SPACE}%"


def count(value: int) -> str:
    """A whole number with commas: 1,200."""
    return f"{value:,}"
