"""Checks of the static arguments that a person passes: ints, flags and numbers.

Each is converted to the type that the code needs, or refused by an error that names it
and says what came and what was needed. Arrays are checked elsewhere; this file needs no
jax. An int may be a Python or NumPy int, or a 0-d array of ints. Several may be a
tuple, a list, a range, or a 1-d array of ints. A bool is no int, and no string is a
flag.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

MOST = 2**31 - 1
"""The largest int that is accepted. Larger sizes exceed XLA's indices, and are mostly
slips."""


def as_int(name: str, value: Any, *, least: int | None = None) -> int:
    """`value` as an int of at least `least`.

    >>> as_int("groups", np.int64(2), least=1)
    2
    >>> as_int("groups", 1.0)
    Traceback (most recent call last):
    ValueError: groups must be an int, got 1.0 (float)
    """
    number = _int(value)
    if number is None:
        raise ValueError(f"{name} must be an int, got {described(value)}")
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return _not_too_large(name, number)


def as_ints(
    name: str, value: Any, needed: str = "ints", *, least: int | None = None
) -> tuple[int, ...]:
    """`value`, several ints, as a tuple. `needed` is what the message asks for.

    >>> as_ints("shape", [2, np.int64(3)])
    (2, 3)
    """
    numbers = (
        None
        if not is_several(value) or getattr(value, "ndim", 1) > 1
        else [_int(entry) for entry in value]
    )
    if numbers is None or None in numbers:
        raise ValueError(f"{name} must be {needed}, got {described(value)}")
    ints = tuple(_not_too_large(name, number) for number in numbers if number is not None)
    if least is not None and any(number < least for number in ints):
        raise ValueError(f"{name} must be at least {least} everywhere, got {described(value)}")
    return ints


def per_axis(name: str, value: Any, axes: int) -> tuple[int, ...]:
    """`value`, one int or one per spatial axis, as one positive int per spatial axis.

    >>> per_axis("stride", 2, 3)
    (2, 2, 2)
    """
    needed = "an int or one int per spatial axis"
    number = _int(value)
    values = (
        as_ints(name, value, needed) if number is None else (_not_too_large(name, number),) * axes
    )
    if len(values) != axes:
        raise ValueError(f"{name} must be {needed} ({axes} here), got {described(value)}")
    if any(v < 1 for v in values):
        raise ValueError(f"{name} must be at least 1 on every axis, got {described(value)}")
    return values


def as_flag(name: str, value: Any) -> bool:
    """`value` as a bool. A string is refused, because "False" would count as true.

    >>> as_flag("train", np.bool_(True))
    True
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ValueError(f"{name} must be True or False, got {described(value)}")


def as_number(name: str, value: Any, needed: str = "a number") -> float:
    """`value`, an int, a float or a 0-d array of one, as a float. `needed` is what the
    message asks for; NaN is refused.

    >>> as_number("momentum", 1)
    1.0
    """
    of_array = getattr(value, "ndim", 0) > 0 or str(getattr(value, "dtype", "")) == "bool"
    if not isinstance(value, bool | str | bytes) and not of_array:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isnan(number):
            return number
    raise ValueError(f"{name} must be {needed}, got {described(value)}")


def is_several(value: Any) -> bool:
    """Whether this is a sequence of entries: a tuple, a list, a range or an array with
    axes, but not a string, a set or a dict."""
    if isinstance(value, str | bytes):
        return False
    return isinstance(value, Sequence) or (
        getattr(value, "ndim", 0) > 0 and hasattr(value, "__iter__")
    )


def described(value: Any) -> str:
    """A value for a message: the value and its type, or an array's dtype and shape.

    >>> described(np.zeros((2, 3))), described("no"), described(3)
    ('an array of float64, shape (2, 3)', "'no'", '3')
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of {value.dtype}, shape {tuple(value.shape)}"
    text = repr(value)
    text = text if len(text) <= 80 else f"{text[:77]}..."
    return (
        text
        if isinstance(value, int | str | tuple | list) and not isinstance(value, bool)
        else f"{text} ({_type(value)})"
    )


def _type(value: Any) -> str:
    return type(value).__name__


def _int(value: Any) -> int | None:
    """`value` as an int, or None if it is not an int."""
    if isinstance(value, bool | np.bool_) or str(getattr(value, "dtype", "")) == "bool":
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _not_too_large(name: str, number: int) -> int:
    if abs(number) > MOST:
        raise ValueError(f"{name} must be below 2^31, got {number}")
    return number
