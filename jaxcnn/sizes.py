"""Sizes of arrays, which may be symbolic: with `jax.export.symbolic_shape` an entry of
a shape is an expression, not an int.

Such an expression can be added, multiplied, divided and compared for equality, but it
has no order, and no loop can count to it. Code that orders sizes, or ranges over one,
uses these functions. They need no jax, since an expression knows its own `max` and
`min`.
"""

from __future__ import annotations

from typing import Any


def is_known(*sizes: Any) -> bool:
    """Whether all sizes are ints: numbers that can be compared and counted to.

    >>> is_known(2, 3)
    True
    """
    return all(isinstance(size, int) for size in sizes)


def at_least(size: Any, least: int) -> Any:
    """max(size, least)

    >>> at_least(-2, 0)
    0
    """
    return max(size, least) if is_known(size) else size.max(least)


def at_most(size: Any, most: int) -> Any:
    """min(size, most)

    >>> at_most(3, 1)
    1
    """
    return min(size, most) if is_known(size) else size.min(most)
