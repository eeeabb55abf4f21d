"""The cases of a convolution, in whole numbers, by each method that computes them."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.check.cases import CONV_CASES, ConvCase
from jaxcnn.ops.convolution.methods import (
    AUTO,
    DEPTHWISE,
    GROUPWISE,
    IM2COL,
    LAX,
    NHWC,
    ONEDNN,
    PORTABLE,
    SIDE_BY_SIDE,
)
from jaxcnn.padding import make_window
from tests.daily import daily

METHODS = {
    "lax": LAX,
    "nhwc": NHWC,
    "side_by_side": SIDE_BY_SIDE,
    "im2col": IM2COL,
    "groupwise": GROUPWISE,
    "depthwise": DEPTHWISE,
    "portable": PORTABLE,
    "onednn": ONEDNN,
    "auto": AUTO,
}


def computes(method: str, case: ConvCase) -> bool:
    """Whether a method has all three maps of a case."""
    window, groups = window_of(case), case.options.get("groups", 1)
    if method == "depthwise":
        return case.w[-2] == 1
    if method == "groupwise":
        return groups > 1
    if method == "portable":  # it is one of the others each time
        return case.id in DAILY
    return method != "side_by_side" or (groups == 1 and window.stride[-1] == 1)


def window_of(case: ConvCase):
    options = {
        name: case.options[name]
        for name in ("stride", "padding", "dilation")
        if name in case.options
    }
    return make_window(case.w[:-2], case.x[1:-1], **options)


# Every number of axes, every option, and every method: stride, dilation, each kind of
# padding, groups, depthwise. The other cases are slow.
DAILY = {
    "1d-causal-dilated",
    "1d-remainder-2",
    "2d-oblong-everything",
    "2d-crop-stride-remainder",
    "2d-groups-3-stride-2-padding",
    "2d-depthwise-crop",
    "3d",
    "3d-depthwise-pads",
}


def daily_cases(cases):
    """Of these cases, as parameters, the daily ones and the slow."""
    given = [pytest.param(case, id=case.id) for case in cases]
    return daily(given, DAILY & {case.id for case in cases})


EVERY_CASE_AND_METHOD = [
    pytest.param(case, method, id=f"{case.id}-{method}")
    for case in CONV_CASES
    for method in METHODS
    if computes(method, case)
]
CASES_AND_METHODS = daily(
    EVERY_CASE_AND_METHOD,
    {given.id for given in EVERY_CASE_AND_METHOD if given.values[0].id in DAILY},
)


@cache
def whole_numbers(case_id: str):
    """x, w, b, dy of a case, as float64."""
    case = next(case for case in CONV_CASES if case.id == case_id)
    rng = np.random.default_rng(0)
    y = (case.x[0], *window_of(case).output_size(case.x[1:-1]), case.w[-1])
    return tuple(draw.integers(rng, shape) for shape in (case.x, case.w, case.w[-1:], y))


@cache
def results(case_id: str, method: str):
    """y, dx, dw, db in float32, as users run it."""
    case = next(case for case in CONV_CASES if case.id == case_id)

    @jax.jit
    def run(x, w, b, dy):
        y, vjp = jax.vjp(
            lambda x, w, b: jaxcnn.conv(x, w, b, method=METHODS[method], **case.options), x, w, b
        )
        return y, *vjp(dy)

    return tuple(
        np.asarray(a) for a in run(*(jnp.asarray(a, jnp.float32) for a in whole_numbers(case_id)))
    )
