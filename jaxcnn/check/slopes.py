"""The steps of central differences. They stay in a function's domain, and on one side
of its kinks.

The distance of drawn data (`draw.distinct`) to kinks and ties is known, so one step
serves all entries. Nothing is known of given arrays. Their entries can be of any scale,
near the edge of the domain (a square root near 0), on a kink (a relu at 0), or tied (a
maximum of equal numbers). So for these, steps are relative to each entry, and smaller
ones are tried too. Their directions are those along which the reference shows no kink:
free ones; or ones that keep equal entries equal and 0 at 0; or a scaling of everything,
which also keeps a sum that is 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check.measure import dot, largest, norm

DIRECTIONS = 3
"""The number of directions that are tried for kinks."""
FLOOR = 2.0**-10
"""A fraction of the largest entry of a given array. A smaller entry is moved as if it
had this size, and also by its own size."""
SMALLEST = 1e-9
"""The smallest relative step. A smaller one shows only rounding in float64."""

Kind = Literal["free", "tied", "scaled"]


class Walk(NamedTuple):
    """Steps and directions about a point."""

    kind: Kind
    """The kind of the directions; "free" if there is no kink."""
    reaches: list[list[np.ndarray]]
    steps: list[float]
    """An entry moves by a step times its reach times the direction's entry. Of all
    reaches and steps, the best ones count."""
    equal: list[np.ndarray]
    """For each entry of all arguments, one after the other, the number of the first
    entry that is equal to it."""

    @property
    def tries(self) -> list[tuple[list[np.ndarray], float]]:
        """All reaches with all steps."""
        return list(itertools.product(self.reaches, self.steps))

    def direction(self, rng: np.random.Generator) -> list[np.ndarray]:
        """For each argument, numbers in (-1, 1)."""
        free = [draw.distinct(rng, a.shape) for a in self.equal]
        if self.kind == "free":
            return free
        if self.kind == "scaled":
            return [np.ones(a.shape) for a in free]
        flat = np.concatenate([v.ravel() for v in free])
        return [flat[a] for a in self.equal]


def steps(x: Sequence[np.ndarray]) -> tuple[float, float]:
    """The larger step has less rounding; the smaller one crosses fewer kinks of inner
    results. Neither crosses a kink at data of `draw.distinct`."""
    h = 1e-3 * (max(map(largest, x)) or 1.0) / max(10, *(a.size for a in x))
    return h, h / 16


def walk(
    x: Sequence[np.ndarray],
    came: Sequence[bool],
    evaluate: Callable,
    out: Any,
    rng: np.random.Generator,
) -> Walk | None:
    """Steps and directions about `x`. None if the function has a kink along each
    direction that was tried, or is not finite.

    Args:
      x: the arguments, float64.
      came: for each argument, whether it was given rather than drawn.
      evaluate: (x, dy) -> value and gradients of the reference, by which kinks are
        judged.
      out: the shapes of the value.
      rng: of directions and cotangents.
    """
    if not any(came):
        return Walk("free", [[np.ones(a.shape) for a in x]], [*steps(x)], _numbers(x))
    top = [FLOOR * (largest(a) or 1.0) for a in x]
    # If steps are relative, a drawn argument's is relative to its largest entry.
    still = [np.abs(a) if c else np.full(a.shape, largest(a)) for a, c in zip(x, came, strict=True)]
    free = [np.where(a == 0, t, a) for a, t in zip(still, top, strict=True)]
    far = [np.maximum(a, t) for a, t in zip(free, top, strict=True)]
    h = 1e-3 / max(10, *(a.size for a in x))
    some = [h / 16**k for k in range(5) if k < 2 or h / 16**k >= SMALLEST]
    equal = _equal(x)
    kinds: tuple[tuple[Kind, list[list[np.ndarray]]], ...] = (
        ("free", [free, far]),
        ("tied", [still]),
        ("scaled", [still]),
    )
    for kind, reaches in kinds:
        if any(a.size for a in x) and not any(r.any() for r in reaches[0]):
            continue  # all entries are 0, and nothing would move
        found = Walk(kind, reaches, some, equal)
        if _is_smooth(found, x, evaluate, out, rng):
            return found
    return None


def moved(
    x: Sequence[np.ndarray], reach: Sequence[np.ndarray], v: Sequence[np.ndarray], t: float
) -> list[np.ndarray]:
    """x + t reach v."""
    return [a + t * r * b for a, r, b in zip(x, reach, v, strict=True)]


def scaled(g: Sequence[np.ndarray], reach: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A gradient in units of the reach."""
    with np.errstate(invalid="ignore"):
        return [np.where(r == 0, 0.0, np.asarray(a) * r) for a, r in zip(g, reach, strict=True)]


def _is_smooth(
    found: Walk, x: Sequence[np.ndarray], evaluate: Callable, out: Any, rng: np.random.Generator
) -> bool:
    """Whether second differences of <dy, F> and of <G, u>, over h, vanish with h. At a
    kink they do not depend on h."""
    for _ in range(DIRECTIONS if found.kind != "scaled" else 1):
        v = found.direction(rng)
        u = [draw.distinct(rng, a.shape) for a in x]
        dy = jax.tree.map(lambda o: draw.distinct(rng, o.shape), out)
        value, g = evaluate(x, dy)
        value_straight = gradient_straight = False
        for reach in found.reaches:
            bends: list[float] = []
            turns: list[float] = []
            for h in found.steps:
                sides = [evaluate(moved(x, reach, v, t * h), dy) for t in (1, -1)]
                with np.errstate(invalid="ignore", over="ignore"):
                    bend = abs(sum(dot(dy, side[0]) for side in sides) - 2 * dot(dy, value)) / h
                    turn = abs(sum(dot(u, side[1]) for side in sides) - 2 * dot(u, g)) / h
                bends.append(_over(bend, norm(scaled(g, reach)) * norm(v)))
                turns.append(_over(turn, norm(g) * norm(v)))
            value_straight |= _vanishes(bends)
            gradient_straight |= _vanishes(turns)
        if not (value_straight and gradient_straight):
            return False
    return True


def _over(a: float, b: float) -> float:
    return 0.0 if a == 0 else a / b if b else math.inf


def _vanishes(bends: Sequence[float]) -> bool:
    """Whether a sequence, for steps that shrink by 16, is small at one of them, or
    proportional to the step at the last ones."""
    finite = [bend for bend in bends if bend < math.inf]
    return any(bend <= 1e-5 for bend in finite) or (
        len(finite) > 1 and finite[-1] <= finite[-2] / 8
    )


def _numbers(x: Sequence[np.ndarray]) -> list[np.ndarray]:
    return _split(np.arange(sum(a.size for a in x)), x)


def _equal(x: Sequence[np.ndarray]) -> list[np.ndarray]:
    _, first, which = np.unique(
        np.concatenate([a.ravel() for a in x]), return_index=True, return_inverse=True
    )
    return _split(first[which], x)


def _split(flat: np.ndarray, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    parts = np.split(flat, np.cumsum([a.size for a in like])[:-1])
    return [part.reshape(a.shape) for part, a in zip(parts, like, strict=True)]
