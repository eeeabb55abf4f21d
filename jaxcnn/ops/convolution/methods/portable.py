"""On a CPU, the best of the methods that need nothing but XLA, for each map by static
shapes.

It takes the first line that fits. They were measured by `python -m
experiments.benchmark --parts operations --methods nhwc side_by_side im2col
groupwise depthwise`. There are k taps in all, c input channels in a group, and o
outputs:

    forward          depthwise                                          depthwise
                     groups of fewer than 16 channels                   im2col
                     groups                                             groupwise
                     one tap (1x1)                                      im2col
                     fewer than k positions in x: two axes of space,
                     no stride in the last, and c >= 16                 side_by_side
                     other such x                                       im2col
                     c k <= 32 unless o > 16 and c = 1 or space has
                     one axis, or a stride and k <= 9 and c >= 32 and
                     2,048 positions, unless c >= 128 >= o              im2col
                     rows that only several images fill, and c > 3      side_by_side
                     else                                               nhwc
    input gradient   depthwise                                          depthwise
                     groups, as above                                   as above
                     fewer than k positions in y, k > 1                 as above
                     one tap, or a stride, or c k <= 32                 im2col
                     c <= 8 and c k <= 100                              im2col
                     rows that only several images fill, and o > 3      side_by_side
                     else                                               nhwc
    kernel gradient  depthwise                                          depthwise
                     groups of fewer than 8 channels                    groupwise
                     c = 1 and o <= 16, windows that overlap            nhwc
                     else                                               im2col

If a window has too many taps for `im2col`, `nhwc` takes its place, and in three axes
`lax` that of `nhwc`. Groups are never joined for forward or input gradient: it would
multiply zeros with values that an output does not see, and 0 times a value that is not
finite is NaN. Without it narrow groups take up to twice as long.

XLA fuses `depthwise` into every loop that uses its result, and recomputes it in each; a
matrix product is computed once. That is why few channels use a product, although one
multiply-add per tap and channel is faster by itself (in LeNet it is slower).

If several devices share the batch, the images of one device count. A batch of symbolic
size counts as one image. If the size of space is symbolic, `lax` computes. If the type
of an array says that it is sharded (an Explicit mesh), axes cannot be merged freely.
Then `depthwise` computes depthwise convolutions, and `nhwc` everything else.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import NamedTuple

from jaxtyping import Array, Num

from jaxcnn.ops._sharding import devices_of, sharding_of
from jaxcnn.ops._tap_loops import MANY_TAPS
from jaxcnn.ops.convolution.methods import depthwise, groupwise, im2col, nhwc, side_by_side
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known


class Choice(NamedTuple):
    """A module that computes a map, and the reason for it."""

    method: ModuleType
    reason: str

    @property
    def name(self) -> str:
        return self.method.__name__.rpartition(".")[-1]


BY_NHWC = Choice(
    nhwc,
    "as fast as lax at the top level of a program, many times faster in the body of a scan",
)
BY_DEPTHWISE = Choice(
    depthwise,
    "depthwise: one multiply-add per tap, where XLA's CPU backend would compute a dense"
    " convolution",
)
FEW_CHANNELS = Choice(
    im2col,
    "few input channels: one matrix product, where XLA's convolutions leave registers empty",
)
GROUPS = Choice(
    groupwise,
    "groups: each a dense convolution, where XLA's CPU backend computes all in one slow loop",
)
NARROW_GROUPS = Choice(
    im2col,
    "groups of few channels: one product for each, where convolutions leave registers empty",
)
TOO_MANY_FOR_PLANES = Choice(lax_method, "three axes and many taps: XLA's own, as one convolution")
TOO_MANY_TO_LAY_OUT = Choice(nhwc, "too many taps to lay out for a product")
ONE_TAP = Choice(im2col, "one tap: a matrix product")
PRODUCT_FOLDED = Choice(
    im2col,
    "one matrix product, added up where windows overlap: a convolution would multiply zeros, or"
    " have few outputs",
)
PRODUCT = Choice(
    im2col,
    "windows that overlap little: one matrix product of patches that are hardly larger than x",
)
SUM = Choice(
    im2col,
    "one matrix product, with the taps beside the channels or the outputs, whichever copies less",
)
SMALL_IMAGES = Choice(
    im2col, "fewer positions than taps: XLA's convolutions exchange image and window, and are slow"
)
SMALL_IMAGES_WIDE = SMALL_IMAGES._replace(method=side_by_side)
SYMBOLIC = Choice(lax_method, "the size of space is symbolic: nothing can be decided by it")
BY_SIDE_BY_SIDE = Choice(
    side_by_side, "several images side by side make rows long enough for all cores"
)


def choose(problem: Problem, map_name: str) -> Choice:
    """The choice for one map of a convolution on a CPU."""
    if not is_known(*problem.x_shape[1:], *problem.w_shape):
        return SYMBOLIC
    problem = problem if is_known(problem.n) else problem.of_images(1)
    return _with_bound(RULES[map_name](problem), problem)


def _with_bound(choice: Choice, problem: Problem) -> Choice:
    """The choice, or another one if its program would grow with the taps, as products
    of patches and volumes computed as planes do."""
    if choice.method is im2col and not im2col.lays_out(problem.window):
        choice = TOO_MANY_TO_LAY_OUT
    volumes = choice.method is nhwc and len(problem.space) == 3
    return TOO_MANY_FOR_PLANES if volumes and problem.taps > MANY_TAPS else choice


def _forward_on_cpu(problem: Problem) -> Choice:
    taps, c, o = problem.taps, problem.c, problem.outputs
    if problem.groups > 1:
        return _of_groups(c)
    if taps == 1:
        return ONE_TAP
    if math.prod(problem.space) < taps:
        return _of_small_images(problem, c)
    if c * taps <= 32 and (o <= 16 or (c > 1 and len(problem.space) > 1)):
        return FEW_CHANNELS
    positions = problem.n * math.prod(problem.out_space)
    if problem.strided and taps <= 9 and c >= 32 and positions >= 2048 and not c >= 128 >= o:
        return PRODUCT
    return BY_SIDE_BY_SIDE if c > 3 and _fills_rows(problem, c, o) else BY_NHWC


def _input_grad_on_cpu(problem: Problem) -> Choice:
    taps, c, o = problem.taps, problem.c, problem.outputs
    if problem.groups > 1:
        return _of_groups(c)
    if taps == 1:
        return ONE_TAP
    if math.prod(problem.out_space) < taps:
        return _of_small_images(problem, o)
    if problem.strided or c * taps <= 32:
        return PRODUCT_FOLDED
    if c <= 8 and c * taps <= 100:
        return PRODUCT_FOLDED
    return BY_SIDE_BY_SIDE if o > 3 and _fills_rows(problem, o, c) else BY_NHWC


def _kernel_grad_on_cpu(problem: Problem) -> Choice:
    c = problem.c
    if problem.groups > 1 and c < 8:
        return BY_DEPTHWISE if c == 1 else GROUPS
    sizes = zip(problem.window.size, problem.window.stride, strict=True)
    if any(k > s for k, s in sizes) and c == 1 and problem.outputs <= 16:
        return BY_NHWC
    return ONE_TAP if problem.taps == 1 else SUM


def _of_groups(channels: int) -> Choice:
    """For forward and input gradient. Groups that `groupwise` would join are
    products."""
    if channels == 1:
        return BY_DEPTHWISE
    return NARROW_GROUPS if channels < groupwise.MIN_INPUT_CHANNELS else GROUPS


def _fills_rows(problem: Problem, inputs: int, outputs: int) -> bool:
    """Whether a row of one image is too short for two cores, and a row of several
    images is long enough, for this number of the map's channels."""
    short, enough = (96, 128) if outputs >= 64 else (256, 512)
    width = problem.space[-1]
    return (
        not problem.strided
        and set(problem.window.base_dilation) == {1}
        and len(problem.space) == 2
        and 16 < max(inputs, outputs) < 128
        and width < short
        and width * side_by_side.images_in_a_row(problem.n, width) >= enough
    )


def _of_small_images(problem: Problem, inputs: int) -> Choice:
    """The choice for this number of the map's input channels: `side_by_side` if it
    takes the problem and there is no stride along the last axis."""
    window = problem.window
    has_form = len(window.size) == 2 and window.stride[-1] == window.base_dilation[-1] == 1
    return SMALL_IMAGES_WIDE if has_form and inputs >= 16 else SMALL_IMAGES


RULES = {
    "forward": _forward_on_cpu,
    "input_grad": _input_grad_on_cpu,
    "kernel_grad": _kernel_grad_on_cpu,
}


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *j o"]:
    """(1) of `rule.py`, by the method that is chosen."""
    return module_of("forward", x, w, problem).forward(x, w, problem)


def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *i c"]:
    """(3) of `rule.py`, likewise."""
    return module_of("input_grad", dy, w, problem).input_grad(dy, w, problem)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], problem: Problem
) -> Num[Array, "*t cg o"]:
    """(2) of `rule.py`, likewise."""
    return module_of("kernel_grad", x, dy, problem).kernel_grad(x, dy, problem)


def module_of(map_name: str, a: Array, b: Array, problem: Problem) -> ModuleType:
    """The module that computes a map: that of `choose` for the images of one device,
    unless the type of an operand says that it is sharded."""
    if any(sharding_of(operand) is not None for operand in (a, b)):
        return depthwise if problem.depthwise else nhwc
    if is_known(problem.n):
        problem = problem.of_images(-(-problem.n // devices_of(a, b)))
    return choose(problem, map_name).method
