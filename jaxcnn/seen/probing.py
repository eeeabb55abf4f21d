"""`verify`: what the outputs of a function see, found by running it.

Two probes need no formula. NaN at one input position comes out wherever it is computed
with. Other numbers at one position change some outputs, if the function is not flat
there. Each finds less or more than the sets of `fields_of`:

    changed outputs  are inside  derived sets  are inside  sets with known zeros as taps
    outputs of NaN   are inside                            sets with known zeros as taps

The last is where 0 x NaN = NaN goes: the weights of a resizing are a matrix mostly of
zeros. NaN does not come out of a comparison or of a conversion to ints, and on some
processors not out of a maximum. A pair of positions counts as confirmed if any probe
finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.arguments import as_int
from jaxcnn.seen.following import checked_axes, follow, output_space, traced
from jaxcnn.seen.result import Seen

Pair = tuple[tuple[int, ...], tuple[int, ...]]
LARGE = 100
LEAST_CHANGE = 1e-5  # of the largest output: rounding changes less
MOST_SHOWN = 20


@dataclass(frozen=True)
class Verification:
    """What the probes say of the sets of a function.

    Attributes:
      seen: the derived sets.
      tried: the number of input positions that were probed.
      of: the number of input positions.
      confirmed: pairs of an input and an output position, derived and found.
      unconfirmed: pairs that are derived, and no probe found: the set may be too large,
        or the function was flat there and hid NaN.
      missed: pairs that a probe found and that are not derived: the set is wrong.
      examples: some of the unconfirmed and of the missed pairs, input first.
    """

    seen: Seen
    tried: int
    of: int
    confirmed: int
    unconfirmed: int
    missed: int
    examples: tuple[Pair, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether no probe found more than the derived sets."""
        return self.missed == 0

    @property
    def equal(self) -> bool:
        """Whether the probes found the derived sets, no more and no less, at every
        position tried."""
        return self.missed == self.unconfirmed == 0


def verify(
    function: Callable[..., Any],
    x: Any,
    *others: Any,
    axes: int | Sequence[int] | None = None,
    output_axes: int | Sequence[int] | None = None,
    most: int = 1024,
    seed: int = 0,
) -> Verification:
    """Compare the sets of `fields_of` with what happens when the function is run.

    Args:
      function, x, *others, axes, output_axes: as in `fields_of`. Numbers of x are drawn
        anew; so are those of a `jax.ShapeDtypeStruct` among the others.
      most: probe at most so many input positions, drawn at random.
      seed: of what is drawn.

    Raises:
      ValueError: as `fields_of`.

    >>> import jax.numpy as jnp
    >>> result = verify(lambda x: x[:, 1:] * x[:, :-1], jnp.zeros((1, 5, 1)))
    >>> result.equal, result.tried, result.confirmed
    (True, 5, 8)
    """
    most = as_int("most", most, least=1)
    space = checked_axes(function, x, axes)
    program, y = traced(function, x, others)
    out = output_space(x, space, y, output_axes)
    seen = follow(program, x, others, space, out, holes=True)
    structural = follow(program, x, others, space, out, holes=False)

    random = np.random.default_rng(seed)
    numbers = _drawn(random, x)
    others = jax.tree.map(
        lambda leaf: _drawn(random, leaf) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf,
        others,
    )
    run = jax.jit(lambda *arguments: function(*arguments))  # which may not be hashable

    def outputs(given: np.ndarray) -> np.ndarray:
        return np.asarray(run(given.astype(x.dtype), *others))

    def over_space(where: np.ndarray) -> np.ndarray:
        rest = tuple(axis for axis in range(where.ndim) if axis not in out)
        order = [sorted(out).index(axis) for axis in out]
        return np.asarray(where.any(axis=rest)).transpose(order)

    before = outputs(numbers)
    drawn = [_drawn(random, x), _drawn(random, x)]
    if jnp.issubdtype(x.dtype, np.inexact):  # large ones win where the largest is taken
        drawn += [LARGE * drawn[0], -LARGE * drawn[0]]
    positions = list(np.ndindex(seen.input_size))
    if len(positions) > most:
        chosen = random.choice(len(positions), most, replace=False)
        positions = [positions[k] for k in sorted(chosen)]

    confirmed = unconfirmed = missed = 0
    examples: list[Pair] = []
    for i in positions:
        here = _at(x, space, i)
        changed = np.zeros(before.shape, bool)
        for other in drawn:
            changed |= _differs(outputs(np.where(here, other, numbers)), before)
        found = over_space(changed)
        of_nan = np.zeros_like(found)
        if jnp.issubdtype(x.dtype, np.inexact):
            after = outputs(np.where(here, np.nan, numbers))
            of_nan = over_space(_nan(after) & ~_nan(before))
        derived, possible = seen.reached_by(i), structural.reached_by(i)
        wrong = (found & ~derived) | (of_nan & ~possible)
        hidden = derived & ~found & ~of_nan
        confirmed += int((derived & ~hidden).sum())
        unconfirmed += int(hidden.sum())
        missed += int(wrong.sum())
        examples += [(i, tuple(map(int, j))) for j in np.argwhere(wrong | hidden)]
        del examples[MOST_SHOWN:]
    count = int(np.prod(seen.input_size))
    return Verification(
        seen, len(positions), count, confirmed, unconfirmed, missed, tuple(examples)
    )


def _drawn(random: np.random.Generator, like: Any) -> np.ndarray:
    if jnp.issubdtype(like.dtype, np.inexact):
        return 3 * random.standard_normal(like.shape)
    return random.integers(2 if like.dtype == bool else 100, size=like.shape)


def _at(x: Any, space: Sequence[int], i: Sequence[int]) -> np.ndarray:
    """Where x stands at position i, of shape x.shape or with entries of 1."""
    where = np.zeros([x.shape[a] if a in space else 1 for a in range(len(x.shape))], bool)
    index = [0] * len(x.shape)
    for axis, place in zip(space, i, strict=True):
        index[axis] = place
    where[tuple(index)] = True
    return where


def _nan(y: np.ndarray) -> np.ndarray:
    return y != y


def _differs(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where outputs differ by more than rounding; NaN that was there before does not
    count."""
    if not jnp.issubdtype(after.dtype, np.inexact):
        return after != before
    wide = np.complex128 if np.iscomplexobj(after) else np.float64
    a, b = after.astype(wide), before.astype(wide)
    finite = np.isfinite(b)
    scale = float(np.abs(b[finite]).max()) if finite.any() else 1.0
    with np.errstate(invalid="ignore"):
        return finite & ~(np.abs(a - b) <= LEAST_CHANGE * scale)
