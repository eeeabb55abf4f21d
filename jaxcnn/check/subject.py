"""The subject that all checks share: the two functions, each compiled once, and their
data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check._arguments import among
from jaxcnn.check.gradients import Evaluate, value_and_gradients
from jaxcnn.check.measure import difference
from jaxcnn.check.slopes import Walk, walk

TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""The largest relative error that "accuracy" allows, by dtype. In float32 it is some
hundred roundings, for sums of that many terms."""

ULPS_ALLOWED = 16
"""Units in the last place that "accuracy" allows in any case. It also allows
`AUTODIFF_ERRORS_ALLOWED` the error of autodiff's own gradient."""
AUTODIFF_ERRORS_ALLOWED = 3

MIN_WHOLE_NUMBERS = 100
"""Of this many whole numbers, some are 0. If an argument has fewer entries, several
points are drawn, at most `MOST_POINTS`."""
MOST_POINTS = 8

STEPS_TO_A_SECOND_POINT = (2.0**-6, 2.0**-12)
"""The distance of a second point from the given arrays, relative to each entry. The
smaller one is used if the function's domain ends before the larger."""


@dataclass(frozen=True)
class Subject:
    """The two functions of the floating arguments alone, each compiled once, and their
    data."""

    explicit: Callable
    reference: Callable
    args: tuple[Any, ...]
    numbers: tuple[int, ...]
    labels: tuple[str, ...]
    distinct: tuple[np.ndarray, ...]
    """The floating arguments in float64, given or drawn."""
    came: tuple[bool, ...]
    """For each argument, whether it was given. All points lie near given arrays."""
    out: Any
    """The shapes and dtypes of the value."""
    seed: int
    tolerance: float | None
    linear_in: tuple[str, ...]
    integers: bool | None
    """Whether whole numbers are computed exactly; None if the caller did not say."""
    label: str

    @cached_property
    def f(self) -> Callable:
        return among(self.explicit, self.args, self.numbers)

    @cached_property
    def ref(self) -> Callable:
        return among(self.reference, self.args, self.numbers)

    # Data. Each check draws from a generator of its own, so its data does not depend on
    # which other checks are made.

    def rng(self, check: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *check.encode()])

    @cached_property
    def data(self) -> str:
        return "given" if any(self.came) else "distinct"

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [a.shape for a in self.distinct]

    @cached_property
    def dtypes(self) -> list[Any]:
        return [self.args[i].dtype for i in self.numbers]

    @cached_property
    def coarsest(self) -> Any:
        """The dtype of arguments and value with the largest rounding error, which
        limits the accuracy."""
        return max(
            [*self.dtypes, *(o.dtype for o in jax.tree.leaves(self.out))],
            key=lambda d: float(jnp.finfo(d).eps),
        )

    @cached_property
    def loosest(self) -> float:
        return TOLERANCE.get(str(self.coarsest), ULPS_ALLOWED * float(jnp.finfo(self.coarsest).eps))

    @property
    def results(self) -> list[str]:
        """Names of the leaves of (value, gradients)."""
        return [*numbered("value", len(jax.tree.leaves(self.out))), *self.labels]

    def rounded(self, data: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays, in the dtypes of the arguments."""
        return [
            np.asarray(jnp.asarray(a, dtype)) for a, dtype in zip(data, self.dtypes, strict=True)
        ]

    @cached_property
    def low(self) -> list[np.ndarray]:
        return self.rounded(self.distinct)

    def cotangent(self, rng: np.random.Generator, drawn: Callable = draw.distinct) -> Any:
        """A cotangent, in the dtypes of the value."""
        return jax.tree.map(
            lambda o: np.asarray(jnp.asarray(drawn(rng, o.shape), o.dtype)), self.out
        )

    def whole_numbers(self, rng: np.random.Generator, *, near: bool = False) -> list[np.ndarray]:
        """For each argument, whole numbers with zeros and ties among them.

        For a given array they come only from its range if f is not finite for others,
        or if `near`.
        """
        drawn = [draw.integers(rng, shape) for shape in self.shapes]
        if not any(self.came) or not (near or not self.is_finite(drawn)):
            return drawn
        return [
            draw.within(rng, a) if came else b
            for a, b, came in zip(self.distinct, drawn, self.came, strict=True)
        ]

    @cached_property
    def whole_points(self) -> list[tuple[list[np.ndarray], Any]]:
        """Arguments and cotangents of whole numbers, in their dtypes. There are several
        if they are small, so that some entries are 0 or tied."""
        rng = self.rng("integers")
        count = min(MOST_POINTS, 1 + MIN_WHOLE_NUMBERS // max(1, *(a.size for a in self.distinct)))
        return [
            (self.rounded(self.whole_numbers(rng)), self.cotangent(rng, draw.integers))
            for _ in range(count)
        ]

    @cached_property
    def whole(self) -> bool:
        """Whether whole numbers are computed exactly: as the caller said, or else for
        linear functions, if the reference does not round.

        An error larger than a rounding is no sign of rounding; it means that autodiff
        is wrong.
        """
        if self.integers is not None or not self.linear_in:
            return bool(self.integers)
        for x, dy in self.whole_points:
            leaves = [
                jax.tree.leaves(self.truth(*point))
                for point in ((x, dy), (as_float64(x), as_float64(dy)))
            ]
            if any(0 < difference(a, b)[0] <= self.loosest for a, b in zip(*leaves, strict=True)):
                return False
        return True

    def another(self, rng: np.random.Generator) -> list[np.ndarray]:
        """A second point: drawn, or as near to the given arrays as it must be."""
        drawn = [draw.distinct(rng, shape) for shape in self.shapes]
        for size in STEPS_TO_A_SECOND_POINT if any(self.came) else ():
            point = [
                draw.near(rng, a, size) if came else b
                for a, b, came in zip(self.distinct, drawn, self.came, strict=True)
            ]
            if self.is_finite(point):
                return point
        return [
            a if came else b for a, b, came in zip(self.distinct, drawn, self.came, strict=True)
        ]

    def is_finite(self, x: Sequence[np.ndarray]) -> bool:
        """Whether the reference's value is finite in float64, which it is not outside
        of its domain."""
        value = self.truth(as_float64(list(x)), as_float64(full(self.out, 0)))[0]
        return is_finite(value)

    def directions(self, rng: np.random.Generator) -> list[np.ndarray]:
        return [draw.distinct(rng, shape) for shape in self.shapes]

    # Evaluations, compiled on first use for each dtype.

    @cached_property
    def run(self) -> Evaluate:
        return jax.jit(value_and_gradients(self.f))

    @cached_property
    def truth(self) -> Evaluate:
        """The reference, differentiated by JAX. It is trusted only for float64
        arrays."""
        return jax.jit(value_and_gradients(self.ref))

    @cached_property
    def point(self) -> tuple[list[np.ndarray], Any, Any, tuple[Any, ...]]:
        """Arguments, cotangent, value and explicit gradients, all float64, for the
        checks by inner products."""
        x, dy = as_float64(list(self.distinct)), as_float64(self.cotangent(self.rng("point")))
        value, g = self.run(x, dy)
        return x, dy, value, g

    @cached_property
    def walk(self) -> Walk | None:
        """The steps of central differences."""
        return walk(self.point[0], self.came, self.truth, self.out, self.rng("walk"))


def as_float64(tree: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a, np.float64), tree)


def is_finite(tree: Any) -> bool:
    return all(
        bool(np.all(np.isfinite(np.asarray(leaf, np.float64)))) for leaf in jax.tree.leaves(tree)
    )


def full(out: Any, fill: float) -> Any:
    return jax.tree.map(lambda o: np.full(o.shape, fill, o.dtype), out)


def numbered(name: str, count: int) -> list[str]:
    return [f"{name} {n}" if n else name for n in range(count)]
