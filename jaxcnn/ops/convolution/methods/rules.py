"""Which method computes a map on a CPU: a table of rules, of which the first that fits
decides. Each has its reason, and an example that a test asks for.

The rules were measured by `python -m experiments.benchmark --parts operations`, and on
whole steps: the fastest by itself is not always the fastest in a network. XLA fuses
`depthwise` into every loop that uses its result, and recomputes it in each; a matrix
product is computed once. That is why few channels use a product, although one
multiply-add per tap and channel is faster by itself.

Groups are never joined: it would multiply zeros with values that an output does not
see, and 0 times a value that is not finite is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcnn.ops._tap_loops import MANY_TAPS
from jaxcnn.ops.convolution.methods.groupwise import MIN_INPUT_CHANNELS
from jaxcnn.ops.convolution.methods.im2col import lays_out
from jaxcnn.ops.convolution.methods.side_by_side import images_in_a_row
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known

FUSED_TAPS = 25
"""Taps of a depthwise window from which oneDNN pays more than fusion with the norm and
the activation beside it."""
FEW_TERMS = 32
"""Terms of an output, taps times channels, up to which a convolution of XLA's leaves
registers empty."""
NARROW = 16
"""Channels up to which XLA takes Eigen's convolution, which uses all cores."""


class Choice(NamedTuple):
    """The name of the method of a map, and the reason for it."""

    name: str
    reason: str


class Seen(NamedTuple):
    """What a rule sees: a map of a problem of known sizes.

    Attributes:
      map: "forward", "input_grad" or "kernel_grad".
      problem: of the images of one device.
      onednn: whether oneDNN is certain to compute it.
    """

    map: str
    problem: Problem
    onednn: bool = False

    @property
    def back(self) -> bool:
        return self.map == "input_grad"

    @property
    def channels(self) -> tuple[int, int]:
        """Of the map's operand, and of its result. Both are all groups' on the side of
        outputs."""
        c, o = self.problem.c, self.problem.outputs
        return (o, c) if self.back else (c, o)

    @property
    def small_images(self) -> bool:
        """Fewer positions than taps: XLA would exchange image and window."""
        space = self.problem.out_space if self.back else self.problem.space
        return math.prod(space) < self.problem.taps

    @property
    def fills_rows(self) -> bool:
        """Whether a row of one image is too short for two cores, and a row of several
        images is long enough."""
        problem, (inputs, outputs) = self.problem, self.channels
        short, enough = (96, 128) if outputs >= 64 else (256, 512)  # positions
        width = problem.space[-1]
        return (
            not problem.strided
            and len(problem.space) == 2
            and NARROW < max(inputs, outputs) < 128
            and inputs > 3
            and width < short
            and width * images_in_a_row(problem.n, width) >= enough
        )


class Rule(NamedTuple):
    """A line of the table: for these maps, if it fits, this method."""

    maps: tuple[str, ...]
    fits: Callable[[Seen], bool]
    method: str
    reason: str
    example: tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]


IMAGES = ("forward", "input_grad")
SUM = ("kernel_grad",)
SYMBOLIC = Choice("lax", "the size of space is symbolic: nothing can be decided by it")
RULES = (
    Rule(
        IMAGES,
        lambda s: (
            s.problem.depthwise
            and not (
                s.onednn and s.problem.taps >= FUSED_TAPS and not (s.back and s.problem.strided)
            )
        ),
        "depthwise",
        "depthwise: one multiply-add per tap, fused with the loops beside it",
        ((8, 28, 28, 96), (3, 3, 1, 96), {"groups": 96, "padding": 1}),
    ),
    Rule(
        (*IMAGES, *SUM),
        lambda s: s.problem.taps == 1 and s.problem.groups == 1,
        "im2col",
        "one tap: a matrix product",
        ((8, 28, 28, 64), (1, 1, 64, 128), {}),
    ),
    Rule(
        IMAGES,
        lambda s: s.onednn,
        "onednn",
        "oneDNN's convolution: all cores, in the instructions of the dtype",
        ((8, 28, 28, 64), (3, 3, 64, 64), {"padding": 1}),
    ),
    Rule(
        IMAGES,
        lambda s: (
            s.problem.groups > 1 and s.problem.c < MIN_INPUT_CHANNELS and lays_out(s.problem.window)
        ),
        "im2col",
        "groups of few channels: one product for each, where convolutions leave registers empty",
        ((8, 28, 28, 128), (3, 3, 4, 128), {"groups": 32}),
    ),
    Rule(
        IMAGES,
        lambda s: s.problem.groups > 1 and s.problem.c >= MIN_INPUT_CHANNELS,
        "groupwise",
        "groups: each a dense convolution, where XLA's CPU backend computes all in one slow loop",
        ((8, 28, 28, 64), (3, 3, 16, 64), {"groups": 4}),
    ),
    Rule(
        IMAGES,
        lambda s: s.small_images and lays_out(s.problem.window),
        "im2col",
        "fewer positions than taps: XLA would exchange image and window, and be slow",
        ((32, 4, 16), (5, 16, 32), {"padding": "same"}),
    ),
    Rule(
        ("forward",),
        lambda s: (
            s.problem.c * s.problem.taps <= FEW_TERMS
            and (s.problem.outputs <= NARROW or (s.problem.c > 1 and len(s.problem.space) > 1))
        ),
        "im2col",
        "few input channels: one matrix product, where XLA's convolutions leave registers empty",
        ((8, 28, 28, 3), (3, 3, 3, 64), {"padding": 1}),
    ),
    Rule(
        ("input_grad",),
        lambda s: s.problem.strided and lays_out(s.problem.window),
        "im2col",
        "a stride: one product of dy, where a convolution would multiply zeros",
        ((8, 28, 28, 64), (3, 3, 64, 128), {"padding": 1, "stride": 2}),
    ),
    Rule(
        IMAGES,
        lambda s: s.fills_rows,
        "side_by_side",
        "several images side by side make rows long enough for all cores",
        ((64, 28, 28, 32), (3, 3, 32, 32), {"padding": 1}),
    ),
    Rule(
        SUM,
        lambda s: s.onednn,
        "onednn",
        "depthwise: oneDNN's convolution of x with dy as its kernel",
        ((8, 28, 28, 96), (3, 3, 1, 96), {"groups": 96, "padding": 1}),
    ),
    Rule(
        SUM,
        lambda s: s.problem.depthwise,
        "depthwise",
        "depthwise: one multiply-add per tap",
        ((8, 28, 28, 96), (3, 3, 1, 96), {"groups": 96, "padding": 1}),
    ),
    Rule(
        SUM,
        lambda s: lays_out(s.problem.window),
        "im2col",
        "one matrix product, with the taps beside the channels or the outputs, whichever copies"
        " less",
        ((8, 28, 28, 64), (3, 3, 64, 64), {"padding": 1}),
    ),
    Rule(
        (*IMAGES, *SUM),
        lambda s: len(s.problem.space) == 3 and s.problem.taps > MANY_TAPS,
        "lax",
        "three axes and many taps: XLA's own, as one convolution",
        ((2, 12, 12, 12, 8), (6, 6, 6, 8, 8), {}),
    ),
    Rule(
        (*IMAGES, *SUM),
        lambda s: True,
        "nhwc",
        "XLA's convolution in the order of its fast path, many times faster than lax in a scan",
        ((1, 28, 28, 32), (3, 3, 32, 32), {"padding": 1}),
    ),
)


def rule_of(seen: Seen) -> Rule:
    """The first rule that fits."""
    return next(rule for rule in RULES if seen.map in rule.maps and rule.fits(seen))


def choose(problem: Problem, map_name: str, onednn: bool = False) -> Choice:
    """The choice for a map of a convolution. A batch of symbolic size counts as one
    image.

    Args:
      problem: of the images of one device.
      map_name: "forward", "input_grad" or "kernel_grad".
      onednn: whether oneDNN is certain to compute it.

    >>> choose(Problem.of((2, 8, 8, 64), (1, 1, 64, 32)), "forward").name
    'im2col'
    """
    if not is_known(*problem.x_shape[1:], *problem.w_shape):
        return SYMBOLIC
    problem = problem if is_known(problem.n) else problem.of_images(1)
    rule = rule_of(Seen(map_name, problem, onednn))
    return Choice(rule.method, rule.reason)
