"""The losses of training runs with two kinds of gradients, and the verdict on them: are
they further apart than rounding alone drives them?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EARLY = slice(1, 11)
"""The losses that tell gradients apart: after each of the first ten updates. The very
first loss is before any."""
MOST_EARLY = 8
"""How far the explicit run may be off early on: so many times as far as the nudged run,
or so many units in the last place, whichever is more."""
MOST_APART = 2
"""How many standard deviations between the seeds the runs may be apart over all steps.
"""


class Verdict(NamedTuple):
    """How far apart the runs are, in numbers.

    Attributes:
      largest_explicit, largest_nudged: the largest distance to the autodiff run, for
        each seed.
      early_explicit, early_nudged: the distance over the first ten updates, see
        `LossCurves.verdict`.
      apart: the root mean square of explicit - autodiff over all steps and seeds.
      spread: the standard deviation of the autodiff losses between the seeds, root mean
        square over the steps; NaN for one seed.
      within_rounding: the answer.
    """

    largest_explicit: tuple[float, ...]
    largest_nudged: tuple[float, ...]
    early_explicit: float
    early_nudged: float
    apart: float
    spread: float
    within_rounding: bool


class LossCurves(NamedTuple):
    """The losses of training runs, (seeds, steps) each. Rows of one seed have the same
    start, batches and dropout masks.

    Attributes:
      name: of the network.
      explicit: with the explicit gradients.
      autodiff: with JAX's gradients of the plain operations.
      nudged: as `autodiff`, but each parameter starts from the next float32 above or
        below.
    """

    name: str
    explicit: np.ndarray
    autodiff: np.ndarray
    nudged: np.ndarray

    def distances(self) -> tuple[np.ndarray, np.ndarray]:
        """|explicit - autodiff| and |nudged - autodiff|, (seeds, steps)."""
        return np.abs(self.explicit - self.autodiff), np.abs(self.nudged - self.autodiff)

    @np.errstate(invalid="ignore")  # an infinite loss gives NaN, which is no small distance
    def verdict(self) -> Verdict:
        """Whether the explicit runs are where rounding alone would have put them.

        Two runs that differ by rounding stay a few units in the last place of the loss
        apart until a relu, or a maximum, goes the other way in one of them. From there
        they part, within some steps, by as much as runs can, 1e-2 and more. When that
        happens is chance: after five steps, or in none of 200. So neither the largest
        nor the mean distance tells a wrong gradient from a right one: with kernel
        gradients 0.1 % too large, the root mean square over 200 steps of LeNet and of
        ResNet-20 is 2.7 and 1.5 times that of the nudged runs. The first updates do
        tell them apart. Rounding needs luck to part two runs in the first ten; an error
        in the gradient shows in the first one, in every seed.

        So the explicit runs are within rounding if three things hold.

        1. The early distance, which is the median over the first ten updates of
           |explicit - autodiff| in units in the last place of the loss, in the seed
           where it is smallest, is at most 8 times that of the nudged runs, or 8. (The
           smallest, because a run that parted early says nothing, and a wrong gradient
           spares no seed.)
        2. Over all steps and seeds they are not further apart (root mean square) than
           twice the standard deviation between the seeds. A gradient that goes wrong
           later, so that the network stops learning, fails here. Not asked of one seed.
        3. Every loss is finite.

        How often it errs, counted over the 220 triples of 12 seeds: right gradients
        failed in none, in any of five networks; kernel gradients 0.1 % too large passed
        in 2 % for ResNet-20, whose nudged runs often part early, and in none for the
        other four. From a single seed it errs in up to a third of the cases. An error
        of 0.01 % passes in the smaller networks: `layer_gradients` sees that. Neither
        sees one that comes up only later and does no harm.
        """
        explicit, nudged = self.distances()
        ulp = np.spacing(self.autodiff.astype(np.float32)).astype(np.float64)
        early_explicit, early_nudged = (
            float(np.median((d / ulp)[:, EARLY], axis=1).min()) for d in (explicit, nudged)
        )
        apart = float(np.sqrt(np.mean(np.square(explicit))))
        several = len(self.autodiff) > 1
        spread = (
            float(np.sqrt(np.mean(np.var(self.autodiff, axis=0, ddof=1))))
            if several
            else float("nan")
        )
        within = (
            early_explicit <= MOST_EARLY * max(1, early_nudged)
            and (apart <= MOST_APART * spread or not several)
            and bool(np.isfinite([self.explicit, self.autodiff, self.nudged]).all())
        )
        return Verdict(
            tuple(explicit.max(axis=1).tolist()),
            tuple(nudged.max(axis=1).tolist()),
            early_explicit,
            early_nudged,
            apart,
            spread,
            within,
        )
