"""The checks by central differences, of the function itself and of the reference.
`slopes.py` chooses the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check.gradients import Evaluate
from jaxcnn.check.measure import Check, compare_arrays, compare_inner, dot, norm
from jaxcnn.check.slopes import Walk, moved, scaled
from jaxcnn.check.subject import Subject, as_float64

LARGEST_JACOBIAN = 256
"""Up to this many entries of all arguments, and of the value, "differences" checks
every entry of the Jacobian."""
PROJECTIONS = 3
"""The number of random directions along which a larger Jacobian is checked."""


def differences(s: Subject) -> list[Check]:
    """The gradients of f against central differences of f itself, in float64: the whole
    Jacobian if it is small, and projections.

    The Jacobian names the wrong entry. But its cotangents have one entry each, so terms
    that overwrite one another (= for +=) never meet. Therefore projections are checked
    as well.
    """
    return (
        []
        if s.walk is None
        else [*_jacobian(s, s.walk), _projections(s, s.walk, "differences", s.run)]
    )


def reference(s: Subject) -> list[Check]:
    """The same for F, because an oracle that is wrong itself cannot judge."""
    return [] if s.walk is None else [_projections(s, s.walk, "reference", s.truth)]


def _projections(s: Subject, walk: Walk, name: str, run: Evaluate) -> Check:
    """<dy, f(x + h v) - f(x - h v)> / 2h = <g, v>, for the worst of a few directions.
    Of several steps h the best counts."""
    rng, x = s.rng(name), s.point[0]
    worst = []
    for _ in range(PROJECTIONS):
        v, dy = walk.direction(rng), as_float64(s.cotangent(rng))
        g = run(x, dy)[1]
        tries = []
        for reach, h in walk.tries:
            ahead, behind = (run(moved(x, reach, v, t * h), dy)[0] for t in (1, -1))
            slope = (dot(dy, ahead) - dot(dy, behind)) / (2 * h)
            along = scaled(g, reach)
            tries.append(
                compare_inner(
                    name, "all", s.data, dot(along, v), slope, 1e-5, norm(along) * norm(v)
                )
            )
        worst.append(min(tries, key=lambda check: check.error))
    return max(worst, key=lambda check: check.error)


def slope_of_gradient(
    s: Subject, walk: Walk, u: Sequence[np.ndarray], rng: np.random.Generator, second: Sequence[Any]
) -> Check:
    """The derivative of <g, u> along a direction, which is <second, v>."""
    x, dy, _, g = s.point
    v = walk.direction(rng)
    tries = []
    for reach, h in walk.tries:
        ahead, behind = (s.run(moved(x, reach, v, t * h), dy)[1] for t in (1, -1))
        slope = (dot(ahead, u) - dot(behind, u)) / (2 * h)
        along = scaled(second, reach)
        scale = (norm(along) + norm(g)) * norm(v)
        tries.append(
            compare_inner(
                "second order",
                "slope of g",
                s.data,
                dot(along, v),
                slope,
                1e-5,
                scale,
                "the gradient is not finite",
            )
        )
    return min(tries, key=lambda check: check.error)


def _jacobian(s: Subject, walk: Walk) -> list[Check]:
    x = s.point[0]
    outputs = sum(math.prod(o.shape) for o in jax.tree.leaves(s.out))
    if not (0 < sum(a.size for a in x) <= LARGEST_JACOBIAN and 0 < outputs <= LARGEST_JACOBIAN):
        return []
    steps = np.stack([h * np.concatenate([r.ravel() for r in reach]) for reach, h in walk.tries])
    ruled, ahead, middle, behind = map(
        np.asarray, jax.jit(lambda x, steps: _moves(s.f, x, steps, s.out))(x, steps)
    )
    sloped = _nearest(ruled, ahead, middle, behind, steps, at_kinks=walk.kind != "free")
    checks = []
    ends = np.cumsum([a.size for a in x])[:-1]
    for label, mine, nearest in zip(
        s.labels, np.split(ruled, ends), np.split(sloped, ends), strict=True
    ):
        check = compare_arrays("differences", label, s.data, mine, nearest, 1e-5)
        checks.append(
            check._replace(
                detail=f"{check.detail} (numbers of input and output)" if check.detail else ""
            )
        )
    return checks


def _moves(f: Callable, x: Sequence[Any], steps: Any, out: Any):
    """The Jacobian by the rule, (inputs, outputs); and f, (tries, inputs, outputs),
    with one input moved, ahead and behind."""
    outputs = sum(math.prod(o.shape) for o in jax.tree.leaves(out))

    def flat(tree) -> Any:
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    def unflat(vector, like) -> Any:
        leaves, treedef = jax.tree.flatten(like)
        ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
        parts = jnp.split(vector, ends[:-1])
        return jax.tree.unflatten(
            treedef, [p.reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)]
        )

    value, pull = jax.vjp(f, *x)
    ruled = jax.lax.map(
        lambda dy: flat(pull(unflat(dy, out))), jnp.eye(outputs, dtype=jnp.float64)
    ).T
    point = flat(x)

    def at(entry, step):
        return flat(f(*unflat(point.at[entry].add(step), list(x))))

    # One loop for all steps to both sides: the function is compiled once.
    both = jnp.concatenate([steps, -steps])
    entries = jnp.broadcast_to(jnp.arange(point.size), both.shape)
    values = jax.lax.map(lambda move: at(*move), (entries.ravel(), both.ravel())).reshape(
        *both.shape, outputs
    )
    ahead, behind = jnp.split(values, 2)
    return ruled, ahead, flat(value), behind


def _nearest(ruled, ahead, middle, behind, steps, *, at_kinks: bool) -> np.ndarray:
    """Of the slopes at several steps, the one nearest to the rule's, entry by entry.

    At a kink it may be any slope between those of the two sides. An entry that cannot
    be moved to both sides is not judged.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        h = steps[:, :, None]
        found = (ahead - behind) / (2 * h)
        if at_kinks:
            sides = (ahead - middle) / h, (middle - behind) / h
            found = np.clip(ruled, np.minimum(*sides), np.maximum(*sides))
        off = np.abs(found - ruled)
        best = np.argmin(np.where(np.isnan(off), np.inf, off), axis=0)
    nearest = np.take_along_axis(found, best[None], axis=0)[0]
    return np.where(np.isnan(nearest), ruled, nearest) if at_kinks else nearest
