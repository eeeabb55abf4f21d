"""A test of the tests: each known way to get a hand-written rule wrong, put into the
shipped operation, must be caught.

The wrong rules are those on record in other projects: a forgotten flip; groups mixed
(pytorch#51430); a lost stride remainder (FlagGems#1576); = instead of += over the batch
(NNlib#205); height and width exchanged (np-conv2d#2); asymmetric SAME taken as
symmetric (opacus#451); a mean for a sum.

`WRONG_CONVOLUTIONS` is the table of what catches what: the checks that fail, all of
them and no other, and what the certificate says of the mistake.
"""

import jax
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn.check import certify
from jaxcnn.ops.convolution.methods import AUTO
from tests.daily import daily
from tests.ops._verdicts import SKIP, SLOPES, THE_LAST_ALONE

# Convolutions: `method._replace(...)` of the method that users get.


def forgotten_flip(dy, w, problem):
    return AUTO.input_grad(dy, jnp.flip(w, axis=tuple(range(w.ndim - 2))), problem)


def channels_of_groups_mixed(dy, w, problem):
    dx = AUTO.input_grad(dy, w, problem)
    return jnp.swapaxes(dx.reshape(*dx.shape[:-1], problem.groups, -1), -1, -2).reshape(dx.shape)


def lost_remainder_of_the_input(dy, w, problem):
    tails = problem.window.remainder(problem.space)
    space = (n - r for n, r in zip(problem.space, tails, strict=True))
    touched = problem._replace(x_shape=(problem.n, *space, problem.x_shape[-1]))
    dx = AUTO.input_grad(dy, w, touched)
    return jnp.pad(dx, [(0, 0), *((r, 0) for r in tails), (0, 0)])


def lost_remainder_of_the_kernel(x, dy, problem):
    tails = problem.window.remainder(problem.space)
    shifted = jnp.roll(x, [-r for r in tails], axis=tuple(range(1, x.ndim - 1)))
    return AUTO.kernel_grad(shifted, dy, problem)


def last_image_only(x, dy, problem):
    return AUTO.kernel_grad(x[-1:], dy[-1:], problem.of_images(1))


def height_and_width_exchanged(x, dy, problem):
    return jnp.swapaxes(AUTO.kernel_grad(x, dy, problem), 0, 1)


def mean_over_the_batch(x, dy, problem):
    return AUTO.kernel_grad(x, dy, problem) / x.shape[0]


def pads_exchanged(dy, w, problem):
    """Asymmetric SAME, the odd zero at the wrong end."""
    pads = tuple((hi, lo) for lo, hi in problem.window.pads)
    window = problem.window._replace(pads=pads)
    return AUTO.input_grad(dy, w, problem._replace(window=window))


IMAGES, KERNEL = (2, 6, 6, 4), (3, 3, 4, 4)
BILINEAR = {*SLOPES, "integers", "linearity"}
"""The checks that catch every wrong convolution."""


AS_FOR_THE_FLIPPED = "fits what is expected for w, flipped along axes 0 and 1"


WRONG_CONVOLUTIONS = {
    "forgotten flip": ({"input_grad": forgotten_flip}, KERNEL, {}, "x", AS_FOR_THE_FLIPPED),
    "forgotten flip, depthwise": (
        {"input_grad": forgotten_flip},
        (3, 3, 1, 4),
        {"groups": 4},
        "x",
        AS_FOR_THE_FLIPPED,
    ),
    "groups mixed": (
        {"input_grad": channels_of_groups_mixed},
        (3, 3, 2, 4),
        {"groups": 2},
        "x",
        "fits what is expected, with the 2 groups of axis 3 mixed",
    ),
    "lost remainder, input": (
        {"input_grad": lost_remainder_of_the_input},
        KERNEL,
        {"stride": 2},
        "x",
        "fits what is expected, moved by 1 along axes 1 and 2",
    ),
    "lost remainder, kernel": (
        {"kernel_grad": lost_remainder_of_the_kernel},
        KERNEL,
        {"stride": 2},
        "w",
        "",
    ),
    "= over the batch": (
        {"kernel_grad": last_image_only},
        KERNEL,
        {},
        "w",
        f"fits what is expected for x {THE_LAST_ALONE}",
    ),
    "height and width exchanged": (
        {"kernel_grad": height_and_width_exchanged},
        KERNEL,
        {},
        "w",
        "fits what is expected, with axes 0 and 1 exchanged",
    ),
    "mean instead of sum": (
        {"kernel_grad": mean_over_the_batch},
        KERNEL,
        {},
        "w",
        "fits what is expected times 0.5",
    ),
    "asymmetric SAME exchanged": (
        {"input_grad": pads_exchanged},
        KERNEL,
        {"stride": 2, "padding": "same"},
        "x",
        "fits what is expected, moved by -1 along axes 1 and 2",
    ),
}


def certify_conv(method, kernel, options):
    return certify(
        lambda x, w: jaxcnn.conv(x, w, method=method, **options),
        lambda x, w: jaxcnn.AUTODIFF.conv(x, w, **options),
        [jax.ShapeDtypeStruct(IMAGES, "float32"), jax.ShapeDtypeStruct(kernel, "float32")],
        linear_in=(0, 1),
        names=("x", "w"),
        skip=SKIP,
    )


@pytest.mark.parametrize(
    "mistake", daily(WRONG_CONVOLUTIONS, {"forgotten flip", "= over the batch"})
)
def test_wrong_convolution_is_caught(mistake):
    """By every check that can, blamed on the right argument, and called by its name."""
    wrong, kernel, options, argument, diagnosis = WRONG_CONVOLUTIONS[mistake]
    result = certify_conv(AUTO._replace(**wrong), kernel, options)
    assert {check.name for check in result.failures} == BILINEAR, f"\n{result}"
    told = [
        check for check in result.failures if check.name in ("integers", "accuracy", "linearity")
    ]
    assert {check.of for check in told} == {argument}, f"\n{result}"
    assert {check.diagnosis for check in told if check.name != "linearity"} == {diagnosis}, (
        f"\n{result}"
    )
