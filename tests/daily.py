"""Which cases of a table daily work has time for; the others are marked `slow`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def daily(cases: Iterable[Any], kept: Collection[str]) -> list[Any]:
    """The cases, names or `pytest.param`s with an id, as parameters: slow but for those
    whose id is `kept`.

    >>> [bool(case.marks) for case in daily(["relu", "gelu"], {"relu"})]
    [False, True]
    """
    parameters = [
        case if hasattr(case, "marks") else pytest.param(case, id=str(case)) for case in cases
    ]
    unknown = set(kept) - {case.id for case in parameters}
    if unknown:
        raise ValueError(f"kept must be ids of cases, got {sorted(unknown)}")
    return [
        case
        if case.id in kept
        else pytest.param(*case.values, marks=(*case.marks, pytest.mark.slow), id=case.id)
        for case in parameters
    ]
