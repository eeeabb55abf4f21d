"""Checks of gradients that are not meant to be the exact ones: right in the mean over
many keys, or biased."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check._arguments import among
from jaxcnn.check.measure import Check, difference, dot, largest, norm
from jaxcnn.check.subject import Subject

DRAWS = 1024
"""The number of keys over which "unbiased" averages."""


def unbiased(s: Subject) -> list[Check]:
    """The mean of g_i over many keys is G_i, within what their scatter allows: along
    G_i, and entry by entry."""
    x, dy, _, _ = s.point
    keys = [
        i for i, a in enumerate(s.args) if jnp.issubdtype(jnp.result_type(a), jax.dtypes.prng_key)
    ]
    want = s.truth(x, dy)[1]

    @jax.jit
    def moments(x, want):
        def step(total, n):
            args = [jax.random.fold_in(a, n) if i in keys else a for i, a in enumerate(s.args)]
            g = jax.vjp(among(s.explicit, args, s.numbers), *x)[1](dy)
            off = [a - b for a, b in zip(g, want, strict=True)]
            along = [jnp.vdot(a, b) for a, b in zip(off, want, strict=True)]
            return [total[0] + jnp.stack(along), total[1] + jnp.stack(along) ** 2,
                    [t + a for t, a in zip(total[2], off, strict=True)],
                    [t + a * a for t, a in zip(total[3], off, strict=True)]], None  # fmt: skip

        zero = [
            jnp.zeros(len(x)),
            jnp.zeros(len(x)),
            [jnp.zeros(a.shape) for a in x],
            [jnp.zeros(a.shape) for a in x],
        ]
        return jax.lax.scan(step, zero, jnp.arange(DRAWS))[0]

    along, along2, off, off2 = moments(x, want)
    checks = []
    for k, label in enumerate(s.labels):
        size = max(1, x[k].size)
        entries = _scores(off[k], off2[k], largest(want[k]))
        most = 4.5 + math.sqrt(2 * math.log(size))
        whole = _scores(along[k], along2[k], norm(want[k]) ** 2)
        for words, scores, limit in (
            ("entry by entry", entries, most),
            ("along the gradient", whole, 5.0),
        ):
            z = float(np.max(np.abs(scores), initial=0.0))
            passed = bool(z <= limit)
            detail = (
                ""
                if passed
                else f"{words}, the mean of {DRAWS} draws is {z:.1f} standard errors off"
            )
            checks.append(Check("unbiased", label, passed, z, limit, s.data, detail))
    return checks


def _scores(total, total2, scale: float) -> np.ndarray:
    """The distance of a mean from 0, in standard errors; without scatter, in roundings
    of `scale`.

    An entry that jumps once in thousands of draws may seem not to scatter at all,
    although its mean is off. So a part of the largest scatter is added to each standard
    error, as much as ten jumps would have changed.
    """
    mean = np.asarray(total) / DRAWS
    scatter = np.sqrt(np.maximum(np.asarray(total2) / DRAWS - mean**2, 0.0))
    return mean / (
        scatter / math.sqrt(DRAWS)
        + 10 / DRAWS * np.max(scatter, initial=0.0)
        + 1e-13 * scale
        + 1e-300
    )


def bias(s: Subject) -> list[Check]:
    """The distance of a biased gradient from the exact one, which must still point the
    same way: <g_i, G_i> > 0."""
    x, dy, _, g = s.point
    want = s.truth(x, dy)[1]
    checks = []
    for label, a, b in zip(s.labels, g, want, strict=True):
        error = difference(a, b)[0]
        length = norm(a) * norm(b)
        cosine = dot(a, b) / length if length else 1.0 if norm(b) == 0 else 0.0
        passed = bool(math.isfinite(error) and cosine > 0)
        ratio = norm(a) / norm(b) if norm(b) else math.inf
        detail = f"cosine {cosine:.4f}, length {ratio:.4f} of the exact one's"
        checks.append(Check("bias", label, passed, error, math.inf, s.data, detail))
    exact = all(check.error <= 1e-12 for check in checks)
    detail = "no gradient differs from the exact one: the label is wrong" if exact else ""
    return [*checks, Check("bias", "label", not exact, 0.0, 0.0, s.data, detail)]
