"""How a step calls its augmentation: with as many of (key, x, y, step) as it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from jax import Array

from jaxcnn.arguments import described
from jaxcnn.ops._arrays import as_array

Augment = (
    Callable[[Array, Array], Array]
    | Callable[[Array, Array, Array], tuple[Array, Array]]
    | Callable[[Array, Array, Array, Array], tuple[Array, Array]]
)
"""(key, x) -> x, (key, x, y) -> (x, y), or (key, x, y, step) -> (x, y)"""

FORMS = "(key, x) -> x, (key, x, y) -> (x, y) or (key, x, y, step) -> (x, y)"


def check_augment(augment: Augment | None) -> None:
    """Raises ValueError unless it is None or a function that takes 2, 3 or 4
    arguments."""
    if augment is not None and (not callable(augment) or arguments(augment) is None):
        raise ValueError(f"augment must be a function, {FORMS}, or None, got {described(augment)}")


def augmented(augment: Augment, key: Array, x: Array, y: Array, step: Array) -> tuple[Array, Array]:
    """The images and the labels after augmentation.

    Raises:
      ValueError: if augment gives something else than its arguments promise.
    """
    count = arguments(augment)
    given: Any = cast(Callable[..., Any], augment)(*(key, x, y, step)[:count])
    if count == 2:
        if isinstance(given, tuple):
            raise ValueError(
                "augment takes (key, x) and must give images alone, got a tuple: an augmentation"
                " that gives labels too takes them, (key, x, y) -> (x, y)"
            )
        return as_array("what augment gives", given), y
    if not isinstance(given, tuple) or len(given) != 2:
        raise ValueError(
            f"augment takes labels and must give a pair, (x, y), got {described(given)}"
        )
    x, y = (as_array(f"{name} that augment gives", a) for name, a in zip("xy", given, strict=True))
    return x, y


def arguments(augment: Callable[..., Any]) -> int | None:
    """How many arguments it gets: the fewest of 2, 3 and 4 that it can be called with.
    None if it can be called with none of these.

    >>> arguments(lambda key, x: x), arguments(lambda key, x, y, step=0: (x, y))
    (2, 3)
    """
    try:
        signature = inspect.signature(augment)
    except (TypeError, ValueError):  # of some functions in C
        return 2
    for count in (2, 3, 4):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count
    return None
