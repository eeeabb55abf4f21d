"""Do hand-written gradients train a network as JAX's own would?  The measurements of
`jaxcnn certify`.

Two comparisons of one network on scikit-learn's digits, between `EXPLICIT` and `PLAIN`
(`jaxcnn/programs/plain.py`: the operations as JAX's users write them, differentiated by
JAX):

- `layer_gradients`: how far from the truth is each one's gradient of every parameter?
- `loss_curves`: are two training runs further apart than rounding alone drives them?
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.models import MODELS
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.programs.data.dataset import digits, shuffled_batches
from jaxcnn.programs.messages import plural
from jaxcnn.programs.plain import PLAIN
from jaxcnn.training import init_train_state, make_train_step

ENLARGED = {"vgg16": 4, "mobilenet_v1": 4}
"""For networks that shrink an image by 32 in all each pixel of the 8x8 digits is
repeated, so many times down and across."""

BATCH_SIZE = 32
LEARNING_RATE = 0.02
MOMENTUM = 0.9

EARLY = slice(1, 11)
"""The losses that tell the gradients apart: after the first ten updates. The very first
loss is before any."""
MOST_EARLY = 8
"""How many times as far as the nudged run, and at least so many units in the last
place, an explicit one may be off early on."""
MOST_APART = 2
"""How many standard deviations between the seeds the runs may be apart over all steps.
"""


# The gradient of every parameter.


class LayerGradient(NamedTuple):
    """The gradient of one parameter: how far the explicit one and JAX's are from the
    truth.

    Attributes:
      path: of the parameter, "0_conv/w".
      shape: of the parameter.
      norm: of the truth.
      explicit_error, autodiff_error: ||gradient - truth|| / ||truth||, both in float32.
      explicit_ulps, autodiff_ulps: the largest difference, in units of float32's
        spacing at the truth's largest entry.
      explicit64_error: the explicit gradient's error where it is computed in float64,
        as the truth is.
    """

    path: str
    shape: tuple[int, ...]
    norm: float
    explicit_error: float
    autodiff_error: float
    explicit_ulps: float
    autodiff_ulps: float
    explicit64_error: float

    @property
    def same_formula(self) -> bool:
        """Whether the explicit gradient in float64 is as much better than JAX's in
        float32 as float64 is finer, within 100 times.

        So a sum that cancels, and makes both inexact, is no offence. What is wrong in
        float32 alone does not show here.
        """
        return self.explicit64_error <= 100 * 2**-29 * max(self.autodiff_error, 2**-23)


def layer_gradients(
    name: str, seed: int = 0, batch_size: int = 8, *, explicit: Ops = EXPLICIT
) -> list[LayerGradient]:
    """The gradients of the training loss to the parameters of a network, where training
    starts.

    The truth is JAX's gradient of the plain operations in float64, of the same float32
    parameters, images and dropout masks.

    The float32 errors tell how much rounding there is; that of `explicit64_error` tells
    whether the formulas are the same. Two things make a float32 error large though
    nothing is wrong. Both then show in the column of autodiff too, or in another seed.

    - A sum that cancels. What a batch normalisation scales by, the next one divides out
      again where only a relu and a depthwise convolution are between them: the gradient
      of that scale is nearly 0, and has a relative error of 1e-2 in MobileNet.
    - A kink. A relu whose input is within rounding of 0, or a maximum with two
      candidates within rounding of each other, may go one way in one column and the
      other way in another. All layers before it then differ by what goes through that
      one value.

    Args:
      name: of the network, in `jaxcnn.models.MODELS`.
      seed: of the parameters and of dropout.
      batch_size: how many digits, the first of the training images. Few, because
        float64 convolutions can be slow on a CPU.
      explicit: the operations to judge.

    Returns:
      One entry for each parameter, in the order of the layers.

    Raises:
      ValueError: if there is no such network.
    """
    x, y = images(name)
    x, y = x[:batch_size], y[:batch_size]
    init_key, dropout_key = jax.random.split(jax.random.key(seed))
    params, state = jax.jit(lambda key: _model(name, PLAIN).init(key, x.shape))(init_key)

    def gradients(ops: Ops, dtype: type) -> dict[str, np.ndarray]:
        model = _model(name, ops)

        @jax.jit
        def gradient(params, state, x):
            def loss(params):
                logits, _ = model.apply(params, state, x, train=True, key=dropout_key)
                return jnp.mean(ops.softmax_cross_entropy(logits, y))

            return jax.grad(loss)(params)

        with jax.enable_x64(dtype is np.float64):
            tree = gradient(*jax.tree.map(lambda leaf: np.asarray(leaf, dtype), (params, state, x)))
        return _by_path(tree)

    truth, explicit64 = gradients(PLAIN, np.float64), gradients(explicit, np.float64)
    explicit32, autodiff32 = gradients(explicit, np.float32), gradients(PLAIN, np.float32)
    return [
        LayerGradient(
            path,
            g.shape,
            float(np.linalg.norm(g)),
            _error(explicit32[path], g),
            _error(autodiff32[path], g),
            _ulps(explicit32[path], g),
            _ulps(autodiff32[path], g),
            _error(explicit64[path], g),
        )
        for path, g in truth.items()
    ]


def _by_path(tree: Any) -> dict[str, np.ndarray]:
    """The arrays by path, in the order of the layers: "10_dense" is after "9_relu"."""
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }
    return dict(
        sorted(
            leaves.items(),
            key=lambda entry: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", entry[0])],
        )
    )


def _error(g: np.ndarray, truth: np.ndarray) -> float:
    """Relative; 0 where both are 0, infinite where only the truth is."""
    difference, scale = (
        float(np.linalg.norm(g.astype(np.float64) - truth)),
        float(np.linalg.norm(truth)),
    )
    return 0.0 if difference == 0 else difference / scale if scale else float("inf")


def _ulps(g: np.ndarray, truth: np.ndarray) -> float:
    return float(
        np.abs(g.astype(np.float64) - truth).max()
        / np.spacing(np.abs(truth).max().astype(np.float32))
    )


# Training runs.


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
    """The losses of training runs, (seeds, steps) each. The columns of one seed have
    the same start, batches and dropout masks.

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
        gradients 0.1 % too large the root mean square over 200 steps of LeNet and of
        ResNet-20 is 2.7 and 1.5 times that of the nudged runs. What does tell is the
        time before. Rounding needs luck to part two runs in the first ten updates; an
        error in the gradient shows in the first, and in every seed.

        So the explicit runs are within rounding if three things hold.

        1. The early distance, which is the median over the first ten updates of
           |explicit - autodiff| in units in the last place of the loss, in the seed
           where it is smallest, is at most 8 times that of the nudged runs, or 8. (The
           smallest, since a run that parted early says nothing, and a wrong gradient
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


def loss_curves(
    name: str,
    steps: int = 200,
    seeds: int = 3,
    progress: Callable[[int, int], object] | None = None,
    *,
    explicit: Ops = EXPLICIT,
) -> LossCurves:
    """Train a network from each seed with explicit gradients, with JAX's, and with
    JAX's from parameters moved by rounding.

    With Nesterov momentum, and not Adam: Adam divides a gradient by its size, so that a
    gradient with a wrong factor trains as well as a right one. In batches of 32,
    without label smoothing or weight decay.

    Args:
      name: of the network, in `jaxcnn.models.MODELS`.
      steps: of a run, two at least, because the first loss is before any update.
      seeds: how many, from 0: of the parameters, of dropout and of the order of the
        images.
      progress: is called with the number of steps done and of all of them, after each.
      explicit: the operations to judge.

    Raises:
      ValueError: if there is no such network, or on a number of steps or seeds that is
        too small.
    """
    _check_counts(steps, seeds)
    runs = list(_training_runs(name, steps, seeds, progress, explicit))
    return LossCurves(name, *np.array(runs).swapaxes(0, 1))


def _check_counts(steps: int, seeds: int) -> None:
    if steps < 2:
        raise ValueError(
            f"steps must be at least 2, because the first loss is before any update, got {steps}"
        )
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")


def _training_runs(
    name: str, steps: int, seeds: int, progress: Callable[[int, int], object] | None, explicit: Ops
) -> Iterator[tuple[list[float], list[float], list[float]]]:
    """The losses of each seed: explicit, autodiff, nudged."""
    x, y = images(name)
    optimizer = optax.sgd(LEARNING_RATE, momentum=MOMENTUM, nesterov=True)
    start = jax.jit(
        lambda key: init_train_state(
            _model(name, PLAIN), optimizer, key, (BATCH_SIZE, *x.shape[1:])
        )
    )
    step = {
        ops: make_train_step(_model(name, ops), optimizer, loss=ops.softmax_cross_entropy)
        for ops in (explicit, PLAIN)
    }
    done = itertools.count(1)

    def run(ops: Ops, seed: int, nudged: bool = False) -> list[float]:
        state = start(jax.random.key(seed))
        if nudged:
            state = state._replace(params=_nudged(state.params, np.random.default_rng((seed, 1))))
        losses = []
        for batch in itertools.islice(_batches(np.random.default_rng(seed), len(x)), steps):
            state, metrics = step[ops](state, x[batch], y[batch])
            losses.append(float(metrics["loss"]))
            if progress is not None:
                progress(next(done), 3 * seeds * steps)
        return losses

    for seed in range(seeds):
        yield run(explicit, seed), run(PLAIN, seed), run(PLAIN, seed, nudged=True)


def _batches(random: np.random.Generator, count: int):
    """Epoch after epoch."""
    while True:
        yield from shuffled_batches(random, count, BATCH_SIZE)


def _nudged(params: Any, random: np.random.Generator) -> Any:
    """Each number moved to the next float32, up or down by chance."""

    def nudge(leaf: Array) -> Array:
        towards = np.where(random.random(leaf.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
        return jnp.asarray(np.nextafter(np.asarray(leaf), towards))

    return jax.tree.map(nudge, params)


# The network and its images.


def images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The training digits of scikit-learn and their classes, at a size that the network
    takes: see `ENLARGED`.

    Raises:
      ValueError: if there is no such network.
    """
    if name not in MODELS:
        raise ValueError(f"name must be one of the networks {', '.join(MODELS)}, got {name!r}")
    dataset = digits()
    times = ENLARGED.get(name, 1)
    return dataset.x_train.repeat(times, axis=1).repeat(times, axis=2), dataset.y_train


def _model(name: str, ops: Ops):
    return MODELS[name](10, ops=ops)


# Both, for a report.


class UnfinishedError(Exception):
    """Training was cut off, by the cause of this exception.

    Attributes:
      model: what `summary` would have returned if no more seeds had been asked for than
        are done.
    """

    def __init__(self, model: dict[str, Any]):
        super().__init__()
        self.model = model


def summary(
    name: str,
    steps: int,
    seeds: int,
    progress: Callable[[int, int], object] | None = None,
    *,
    explicit: Ops = EXPLICIT,
) -> dict[str, Any]:
    """Gradients and training runs as numbers, sentences and a picture, as
    `jaxcnn.programs.certify.page` shows them.

    Arguments and errors as in `loss_curves`; and UnfinishedError from
    KeyboardInterrupt, once the gradients are there.
    """
    _check_counts(steps, seeds)
    gradients = layer_gradients(name, explicit=explicit)
    runs = []
    try:
        for run in _training_runs(name, steps, seeds, progress, explicit):
            runs.append(run)
    except KeyboardInterrupt as error:
        raise UnfinishedError(_summary(name, gradients, runs)) from error
    return _summary(name, gradients, runs)


def _summary(
    name: str, gradients: list[LayerGradient], runs: Sequence[tuple[list[float], ...]]
) -> dict[str, Any]:
    strange = [g.path for g in gradients if not g.same_formula]
    worst = max(gradients, key=lambda g: g.explicit_error)
    if strange:
        formula = (
            f"In float64 the explicit gradient of {', '.join(strange)} is not autodiff's: the"
            " formulas differ."
        )
    else:
        most = max(g.explicit64_error for g in gradients)
        formula = (
            "In float64 the explicit gradient of every parameter is autodiff's: they differ by"
            f" {most:.1e} at most."
        )
    sentences = [
        formula,
        (
            f"In float32 the largest relative error is {worst.explicit_error:.1e}, of {worst.path};"
            f" there autodiff's is {worst.autodiff_error:.1e}."
        ),
    ]
    losses: dict[str, list[list[float]]] = {"explicit": [], "autodiff": [], "nudged": []}
    passed, picture = not strange, io.StringIO()
    if runs:
        curves = LossCurves(name, *np.array(runs).swapaxes(0, 1))
        verdict = curves.verdict()
        passed = passed and verdict.within_rounding
        sentences += _training_sentences(curves, verdict)
        losses = {column: getattr(curves, column).tolist() for column in losses}
        figure(curves).savefig(picture, format="svg", metadata={"Date": None})
    return {
        "name": name,
        "data": "a batch of 8 digits",
        "gradients": [gradient._asdict() for gradient in gradients],
        "losses": losses,
        "sentences": sentences,
        "passed": passed,
        "figure": picture.getvalue(),
    }


def _training_sentences(curves: LossCurves, verdict: Verdict) -> list[str]:
    seeds, steps = curves.autodiff.shape
    answer = (
        "the same within rounding"
        if verdict.within_rounding
        else "further apart than rounding explains"
    )
    return [
        (
            f"The training runs are {answer}: over the first ten updates the losses differ by"
            f" {verdict.early_explicit:.1f} units in the last place; those of autodiff started from"
            f" parameters moved by one such unit, by {verdict.early_nudged:.1f}."
        ),
        f"Over {plural(steps, 'step')} from {plural(seeds, 'seed')} they differ by"
        f" {max(verdict.largest_explicit):.1e} at most, the moved runs by"
        f" {max(verdict.largest_nudged):.1e}"
        + (
            f"; the seeds differ by {verdict.spread:.1e} (standard deviation)."
            if seeds > 1
            else "."
        ),
    ]


# The picture.

# Colours that people with colour-blindness can tell apart too (Okabe and Ito 2008); the
# line style says it once more.
_AUTODIFF, _EXPLICIT, _NUDGED = "#E69F00", "#0072B2", "#CC79A7"


def figure(curves: LossCurves) -> Figure:
    """The losses, and how far they are apart. Drawn without pyplot: no display is
    needed and nothing is global.

    The figure is small, so that its words are large: at 140 dots per inch it is 900
    pixels wide.
    """
    seeds, steps = curves.autodiff.shape
    drawn = Figure(figsize=(6.43, 4.2), layout="constrained")
    loss_axes, distance_axes = drawn.subplots(1, 2)
    explicit_style: dict[str, Any] = {
        "label": "explicit",
        "color": _EXPLICIT,
        "linestyle": (0, (3, 2)),
    }
    _band(loss_axes, curves.autodiff, np.mean, label="autodiff", color=_AUTODIFF, linewidth=3.5)
    _band(loss_axes, curves.explicit, np.mean, **explicit_style)
    loss_axes.set_title("loss of the batch,\nmean and range over seeds", fontsize="medium")
    ulp = np.spacing(curves.autodiff.astype(np.float32))
    explicit, nudged = (
        np.maximum(distance, ulp) for distance in curves.distances()
    )  # 0 has no place on a logarithmic axis
    _band(
        distance_axes,
        nudged,
        np.median,
        label="autodiff from nudged parameters",
        color=_NUDGED,
        linewidth=2.5,
    )
    _band(distance_axes, explicit, np.median, **explicit_style)
    distance_axes.set_title(
        "its distance from autodiff's,\nmedian and range over seeds", fontsize="medium"
    )
    distance_axes.set_yscale("log")
    for axes in (loss_axes, distance_axes):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.grid(alpha=0.3)
    handles = {
        line.get_label(): line for axes in (loss_axes, distance_axes) for line in axes.get_lines()
    }
    drawn.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        columnspacing=1,
        handlelength=1.7,
    )
    drawn.suptitle(f"{curves.name} on digits: {plural(steps, 'step')} from {plural(seeds, 'seed')}")
    return drawn


def _band(
    axes: Axes, values: np.ndarray, middle: Callable[..., np.ndarray], *, color: str, **style: Any
) -> None:
    """The middle of the seeds, and from the least to the largest of them."""
    step = np.arange(1, values.shape[1] + 1)
    axes.fill_between(
        step, values.min(axis=0), values.max(axis=0), color=color, alpha=0.25, linewidth=0
    )
    axes.plot(step, middle(values, axis=0), color=color, **style)
