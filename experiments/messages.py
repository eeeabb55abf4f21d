"""What the programs say, in one wording: counts, sizes, and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """1 image, 2 images."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def times(sizes: Sequence[int]) -> str:
    """28x28x1."""
    return "x".join(map(str, sizes))


def fail(program: str, message: object, status: int) -> int:
    """Tell what went wrong in a line on stderr; the exit status, to be returned."""
    print(f"{program}: {message}", file=sys.stderr)
    return status
