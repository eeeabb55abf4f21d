"""The convolution and its gradients, over one table of cases, against five oracles."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

import jaxcnn
from jaxcnn.check import certify, draw
from jaxcnn.check.cases import CONV_CASES, ConvCase, ids
from jaxcnn.ops.convolution.functions import make_spec
from jaxcnn.ops.convolution.methods import (
    AUTO,
    BLOCKED_OUTPUTS,
    DEPTHWISE,
    GROUPWISE,
    IM2COL,
    LAX,
    NHWC,
    SIDE_BY_SIDE,
    ConvSpec,
    depthwise,
)
from jaxcnn.window import Window, make_window
from tests import naive

METHODS = {
    "lax": LAX,
    "nhwc": NHWC,
    "side_by_side": SIDE_BY_SIDE,
    "blocked_outputs": BLOCKED_OUTPUTS,
    "im2col": IM2COL,
    "groupwise": GROUPWISE,
    "depthwise": DEPTHWISE,
    "auto": AUTO,
}


def computes(method: str, case: ConvCase) -> bool:
    """Whether a method has all three maps of a case."""
    window, groups = window_of(case), case.options.get("groups", 1)
    if method == "depthwise":
        return case.w[-2] == 1
    if method == "groupwise":
        return groups > 1
    return method != "side_by_side" or (groups == 1 and window.stride[-1] == 1)


def window_of(case: ConvCase):
    options = {
        name: case.options[name]
        for name in ("stride", "padding", "dilation")
        if name in case.options
    }
    return make_window(case.w[:-2], case.x[1:-1], **options)


CASES_AND_METHODS = [
    pytest.param(case, method, id=f"{case.id}-{method}")
    for case in CONV_CASES
    for method in METHODS
    if computes(method, case)
]


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


@pytest.mark.parametrize(("case", "method"), CASES_AND_METHODS)
def test_equals_the_definition_bit_for_bit(case, method):
    x, w, b, dy = whole_numbers(case.id)
    y, dx, dw, db = naive.conv_and_gradients(
        x, w, dy, window_of(case), case.options.get("groups", 1)
    )
    for got, expected in zip(results(case.id, method), (y + b, dx, dw, db), strict=True):
        np.testing.assert_array_equal(got, expected)


BASE_DILATED = {
    "both axes": Window((3, 2), (1, 1), ((1, 2), (2, 1)), (1, 1), (2, 3)),
    "with stride and dilation": Window((2, 3), (3, 1), ((2, 0), (1, 3)), (2, 1), (2, 2)),
    "cropped": Window((2, 2), (1, 2), ((-1, 2), (3, -2)), (1, 2), (3, 2)),
    "first axis": Window((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 1), (2, 1)),
}


@pytest.mark.parametrize("window", BASE_DILATED)
@pytest.mark.parametrize(
    ("method", "groups"),
    [
        ("side_by_side", 1),
        ("depthwise", 4),
        *(
            (method, groups)
            for method in ("lax", "nhwc", "blocked_outputs", "im2col", "auto")
            for groups in (1, 2, 4)
        ),
        *(("groupwise", groups) for groups in (2, 4)),
    ],
)
def test_base_dilation_equals_the_definition_bit_for_bit(method, groups, window):
    """An image with holes, lax's `lhs_dilation`: `conv` has none, but second
    derivatives and transposed convolutions have."""
    spec = ConvSpec(BASE_DILATED[window], groups)
    x_shape, w_shape = (2, 3, 4, 4), (*spec.window.size, 4 // groups, 4)
    rng = np.random.default_rng(0)
    y_shape = (2, *spec.window.output_size(x_shape[1:-1]), 4)
    x, w, dy = (
        jnp.asarray(draw.integers(rng, shape), jnp.float32) for shape in (x_shape, w_shape, y_shape)
    )
    y, dx, dw, _ = naive.conv_and_gradients(x, w, np.asarray(dy), spec.window, groups)
    maps = METHODS[method]
    if method != "side_by_side" or spec.window.base_dilation[-1] == spec.window.stride[-1] == 1:
        np.testing.assert_array_equal(maps.forward(x, w, spec), y)
        np.testing.assert_array_equal(maps.input_grad(dy, w, spec, x_shape), dx)
    np.testing.assert_array_equal(maps.kernel_grad(x, dy, spec, w_shape), dw)


@pytest.mark.parametrize("case", **ids(CONV_CASES))
def test_certificate(case):
    """Against the autodiff of the undecorated forward; adjoints; differences; second
    order: as users would."""
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (case.x, case.w)]
    result = certify(
        lambda x, w: jaxcnn.conv(x, w, **case.options),
        lambda x, w: jaxcnn.conv(x, w, method=LAX, autodiff=True, **case.options),
        shapes,
        linear_in=(0, 1),
        names=("x", "w"),
        skip=("jit", "vmap", "scan"),  # `test_composition.py` has these
    )
    assert result.passed, f"\n{result}"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("method", METHODS)
def test_dtypes(method, dtype):
    """Whole arrays in every dtype, with stride, uneven padding and groups; each
    cotangent in its primal's dtype."""
    options = {
        "stride": (2, 1),
        "padding": ((1, 2), (0, 1)),
        "groups": {"depthwise": 4, "side_by_side": 1}.get(method, 2),
    }
    result = certify(
        lambda x, w, b: jaxcnn.conv(x, w, b, method=METHODS[method], **options),
        lambda x, w, b: jaxcnn.conv(x, w, b, method=LAX, autodiff=True, **options),
        [
            jax.ShapeDtypeStruct(shape, dtype)
            for shape in ((2, 5, 6, 4), (3, 2, 4 // options["groups"], 4), (4,))
        ],
        names=("x", "w", "b"),
        skip=("jit", "vmap", "scan", "second order"),
    )
    assert result.passed, f"\n{result}"


@pytest.mark.parametrize(
    ("groups", "method"),
    [
        (1, "side_by_side"),
        (4, "depthwise"),
        *((g, "groupwise") for g in (2, 4)),
        *((g, m) for g in (1, 2, 4) for m in ("lax", "nhwc", "blocked_outputs", "im2col", "auto")),
    ],
)
def test_accumulation_dtype(method, groups):
    """bfloat16 operands with float32 sums: y is float32, cotangents are bfloat16,
    rounded once."""
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(draw.distinct(rng, s), jnp.bfloat16)
        for s in ((2, 5, 5, 4), (3, 3, 4 // groups, 4))
    )
    dy = jnp.asarray(draw.distinct(rng, (2, 3, 3, 4)), jnp.float32)

    def run(x, w, dy, **options):
        y, vjp = jax.vjp(
            lambda x, w: jaxcnn.conv(x, w, groups=groups, method=METHODS[method], **options), x, w
        )
        return y, *vjp(dy)

    y, dx, dw = run(x, w, dy, preferred_element_type=jnp.float32)
    assert (y.dtype, dx.dtype, dw.dtype) == (jnp.float32, jnp.bfloat16, jnp.bfloat16)
    exact = run(x.astype(jnp.float32), w.astype(jnp.float32), dy)
    np.testing.assert_allclose(y, exact[0], rtol=1e-5, atol=1e-5)
    for got, expected in zip(
        (dx, dw), exact[1:], strict=True
    ):  # half a unit in the last place of bfloat16, no more
        np.testing.assert_allclose(got.astype(jnp.float32), expected, rtol=2**-8, atol=1e-5)


def torch_arrays(case_id):
    """The case's data as PyTorch wants it: channels first, with gradients."""
    torch = pytest.importorskip("torch", reason="PyTorch is an optional peer")
    x, w, b, dy = (torch.tensor(a, dtype=torch.float64) for a in whole_numbers(case_id))
    axes = x.ndim - 2
    x, dy = (a.movedim(-1, 1).contiguous().requires_grad_() for a in (x, dy))
    w = w.movedim((-1, -2), (0, 1)).contiguous().requires_grad_()
    return torch, getattr(torch.nn.functional, f"conv{axes}d"), x, w, b.requires_grad_(), dy


@pytest.mark.parametrize("case", **ids([c for c in CONV_CASES if c.x[0] > 0]))
def test_equals_pytorch(case):
    torch, torch_conv, x, w, b, dy = torch_arrays(case.id)
    window = window_of(case)
    pads = [p for lo_hi in reversed(window.pads) for p in lo_hi]
    padded = torch.nn.functional.pad(x, pads)
    y = torch_conv(
        padded,
        w,
        b,
        stride=window.stride,
        dilation=window.dilation,
        groups=case.options.get("groups", 1),
    )
    y.backward(dy.detach())
    expected = (
        y.detach().movedim(1, -1),
        x.grad.movedim(1, -1),
        w.grad.movedim((0, 1), (-1, -2)),
        b.grad,
    )
    for got, want in zip(results(case.id, "auto"), expected, strict=True):
        np.testing.assert_array_equal(got, want.numpy())


@pytest.mark.parametrize(
    "case",
    **ids([c for c in CONV_CASES if c.x[0] > 0 and min(min(p) for p in window_of(c).pads) >= 0]),
)
def test_equals_scipy(case):
    """The three maps as the source document writes them: correlate, convolve,
    correlate, channel by channel."""
    x, w, b, dy = whole_numbers(case.id)
    window, groups = window_of(case), case.options.get("groups", 1)
    axes = range(len(window.size))
    padded = np.pad(x, ((0, 0), *window.pads, (0, 0)))
    dilated_w = np.zeros(
        [d * (k - 1) + 1 for k, d in zip(window.size, window.dilation, strict=True)]
        + list(w.shape[-2:])
    )
    taps = tuple(slice(None, None, d) for d in window.dilation)
    dilated_w[taps] = w
    # dy at the positions of stride 1, zeros between.
    dense = [n - k + 1 for n, k in zip(padded.shape[1:-1], dilated_w.shape, strict=False)]
    dilated_dy = np.zeros((x.shape[0], *dense, w.shape[-1]))
    outputs = tuple(slice(None, None, s) for s in window.stride)
    dilated_dy[(slice(None), *outputs)] = dy

    y, dx, dw = np.zeros(dy.shape), np.zeros(padded.shape), np.zeros(dilated_w.shape)
    o, c = w.shape[-1], x.shape[-1]
    for n in range(x.shape[0]):
        for out in range(o):
            y[n, ..., out] = b[out]
            for channel in range(c // groups):
                source = out // (o // groups) * (c // groups) + channel
                kernel = dilated_w[..., channel, out]
                y[n, ..., out] += scipy.signal.correlate(
                    padded[n, ..., source], kernel, "valid", "direct"
                )[outputs]
                dx[n, ..., source] += scipy.signal.convolve(
                    dilated_dy[n, ..., out], kernel, "full", "direct"
                )
                dw[..., channel, out] += scipy.signal.correlate(
                    padded[n, ..., source], dilated_dy[n, ..., out], "valid", "direct"
                )
    inside = tuple(slice(window.pads[a][0], window.pads[a][0] + x.shape[1 + a]) for a in axes)
    expected = (y, dx[(slice(None), *inside)], dw[taps], dy.sum(axis=tuple(range(dy.ndim - 1))))
    for got, want in zip(results(case.id, "auto"), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "case",
    **ids(
        [
            c
            for c in CONV_CASES
            if c.id
            in (
                "1d",
                "2d-oblong-everything",
                "2d-groups-3-stride-2-padding",
                "3d-depthwise-pads",
            )
        ]
    ),
)
def test_channels_first(case):
    """The other layout is the same operation with the axes moved."""
    x, w, b, dy = whole_numbers(case.id)

    def first(a):
        return np.moveaxis(a, -1, 1)

    options = {**case.options, "layout": "channels_first"}
    w_first = np.moveaxis(w, (-1, -2), (0, 1))
    y, vjp = jax.vjp(
        lambda x, w, b: jaxcnn.conv(x, w, b, **options),
        *(jnp.asarray(a, jnp.float32) for a in (first(x), w_first, b)),
    )
    dx, dw, db = vjp(jnp.asarray(first(dy), jnp.float32))
    expected = results(case.id, "auto")
    for got, want in zip(
        (y, dx, dw, db),
        (
            first(expected[0]),
            first(expected[1]),
            np.moveaxis(expected[2], (-1, -2), (0, 1)),
            expected[3],
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)
    dy_first = first(dy).astype(np.float32)
    np.testing.assert_array_equal(
        jaxcnn.conv_input_grad(dy_first, w_first.astype(np.float32), first(x).shape, **options), dx
    )
    np.testing.assert_array_equal(
        jaxcnn.conv_kernel_grad(first(x).astype(np.float32), dy_first, w_first.shape, **options), dw
    )
    np.testing.assert_array_equal(jaxcnn.conv_bias_grad(dy_first, layout="channels_first"), db)


@pytest.mark.parametrize(
    ("case", "method"),
    [
        p
        for p in CASES_AND_METHODS
        if p.id.startswith(
            ("1d-remainder-2-", "2d-groups-3-stride-2-padding-", "2d-depthwise-crop-")
        )
    ],
)
def test_gradient_functions(case, method):
    """conv_input_grad, conv_kernel_grad, conv_bias_grad are the maps that the rule
    uses; they are differentiable themselves."""
    x, w, _, dy = (jnp.asarray(a, jnp.float32) for a in whole_numbers(case.id))
    options = {**case.options, "method": METHODS[method]}
    _, dx, dw, db = results(case.id, method)
    np.testing.assert_array_equal(jaxcnn.conv_input_grad(dy, w, x.shape, **options), dx)
    np.testing.assert_array_equal(jaxcnn.conv_kernel_grad(x, dy, w.shape, **options), dw)
    np.testing.assert_array_equal(jaxcnn.conv_bias_grad(dy), db)

    # T(x, w, dy) = <dy, conv(x, w)> is linear in each argument, and its gradients are
    # the three maps.
    def by_kernel_grad(x, w, dy):
        return jnp.vdot(dw * 0 + w, jaxcnn.conv_kernel_grad(x, dy, w.shape, **options))

    def by_input_grad(x, w, dy):
        return jnp.vdot(x, jaxcnn.conv_input_grad(dy, w, x.shape, **options))

    got = jax.grad(by_kernel_grad, argnums=(0, 1, 2))(x, w, dy)
    for a, b in zip(got, (dx, dw, jaxcnn.conv(x, w, **options)), strict=True):
        np.testing.assert_array_equal(a, b)
    got = jax.grad(by_input_grad, argnums=(0, 1, 2))(x, w, dy)
    for a, b in zip(got, (dx, dw, jaxcnn.conv(x, w, **options)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_convolve_is_numpy_convolve():
    rng = np.random.default_rng(0)
    x, w = draw.integers(rng, (9,)), draw.integers(rng, (4,))
    y = jaxcnn.convolve(
        x.reshape(1, 9, 1).astype(np.float32), w.reshape(4, 1, 1).astype(np.float32), padding="full"
    )
    np.testing.assert_array_equal(y.ravel(), np.convolve(x, w))


def test_convolve_equals_scipy_in_two_dimensions():
    rng = np.random.default_rng(0)
    x, w = draw.integers(rng, (6, 5)), draw.integers(rng, (3, 2))
    first = {"layout": "channels_first"}
    y = jaxcnn.convolve(
        x[None, None].astype(np.float32), w[None, None].astype(np.float32), padding="full", **first
    )
    np.testing.assert_array_equal(y[0, 0], scipy.signal.convolve2d(x, w, mode="full"))


def test_document_example():
    """The edge filter of the source document on a 45 degree edge, and the sum over
    images that its code forgets."""
    edge = np.array([[-1, -1, 2], [-1, 2, 1], [2, 1, 1]], np.float32)
    response = jaxcnn.conv(np.stack([edge, -edge])[..., None], edge[..., None, None])
    assert response.ravel().tolist() == [18, -18]
    x = np.ones((3, 3, 3, 1), np.float32)
    dw = jax.grad(lambda w: jaxcnn.conv(x, w).sum())(jnp.ones((3, 3, 1, 1)))
    assert np.all(np.asarray(dw) == 3), "one image's worth each: the batch must be summed"


def test_where_plain_autodiff_reads_out_of_bounds():
    """Pads (2, 0) with a 2x2 kernel: dx needs pads (-1, 1), which XLA's CPU backend
    gets wrong in float32 (openxla/xla#48713).

    The explicit gradient is exact, and so is the autodiff of our forward, which leaves
    lax no pad that would turn negative. What autodiff of a bare lax call gives is not
    asserted: it changes from run to run.
    """
    rng = np.random.default_rng(0)
    pads = ((2, 0), (2, 0))
    for size in (4, 9, 16):
        x, w = draw.integers(rng, (2, size, size, 3)), draw.integers(rng, (2, 2, 3, 4))
        window = make_window((2, 2), (size, size), padding=pads)
        dy = draw.integers(rng, (2, *window.output_size((size, size)), 4))
        _, dx, dw, _ = naive.conv_and_gradients(x, w, dy, window, 1)
        for conv in (jaxcnn.conv, jaxcnn.AUTODIFF.conv):
            _, vjp = jax.vjp(
                partial(conv, padding=pads), *(jnp.asarray(a, jnp.float32) for a in (x, w))
            )
            for got, want in zip(vjp(jnp.asarray(dy, jnp.float32)), (dx, dw), strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("case", "method"), CASES_AND_METHODS)
def test_no_negative_pad_reaches_lax(case, method):
    """In the forward, both gradients, and the gradients of those."""

    def second(x, w):
        y, vjp = jax.vjp(
            lambda x, w: jaxcnn.conv(x, w, method=METHODS[method], **case.options), x, w
        )
        return sum(jnp.sum(g**2) for g in vjp(y))

    jaxpr = jax.make_jaxpr(jax.grad(second, argnums=(0, 1)))(jnp.ones(case.x), jnp.ones(case.w))
    pads = [
        p
        for eqn in all_equations(jaxpr.jaxpr)
        if eqn.primitive.name == "conv_general_dilated"
        for p in eqn.params["padding"]
    ]
    assert all(lo >= 0 and hi >= 0 for lo, hi in pads)
    assert (
        pads or method in ("depthwise", "im2col", "auto") or 0 in case.x or case.id == "1d-crop-all"
    )


def all_equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for parameter in jax.tree.leaves(
            eqn.params, is_leaf=lambda p: hasattr(p, "jaxpr") or hasattr(p, "eqns")
        ):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from all_equations(inner)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (
            "side_by_side",
            {"stride": 2},
            "method SIDE_BY_SIDE has no groups and no step along the last axis",
        ),
        ("side_by_side", {"groups": 2}, "method SIDE_BY_SIDE has no groups"),
    ],
)
def test_what_a_method_has_not_is_refused(method, options, message):
    with pytest.raises(ValueError, match=message):
        jaxcnn.conv(
            jnp.ones((2, 5, 5, 4)),
            jnp.ones((3, 3, 4 // options.get("groups", 1), 4)),
            method=METHODS[method],
            **options,
        )


def test_gradients_of_shifted_are_depthwise():
    """Its forward takes groups of any number of channels."""
    x, w = jnp.ones((2, 5, 5, 4)), jnp.ones((3, 3, 2, 4))
    conv = partial(jaxcnn.conv, groups=2, method=DEPTHWISE)
    np.testing.assert_array_equal(conv(x, w), jaxcnn.conv(x, w, groups=2, method=LAX))
    with pytest.raises(ValueError, match="gradients of depthwise convolutions only"):
        jax.grad(lambda w: conv(x, w).sum())(w)


def names(*args, **options):
    return [
        choice.name for choice in jaxcnn.explain_conv(*args, platform="cpu", **options).values()
    ]


def test_dispatch_is_the_list_of_its_docstring():
    image = (64, 28, 28)
    assert names((*image, 96), (3, 3, 1, 96), groups=96, padding=1) == ["depthwise"] * 3
    assert names((*image, 96), (3, 3, 1, 192), groups=96, padding=1) == ["depthwise"] * 3
    assert names((*image, 128), (3, 3, 4, 128), groups=32) == ["im2col", "im2col", "groupwise"]
    assert names((*image, 64), (3, 3, 16, 64), groups=4) == ["groupwise", "groupwise", "im2col"]
    assert names((*image, 64), (1, 1, 64, 128)) == ["im2col"] * 3
    assert names((*image, 64), (9, 9, 64, 64)) == [
        "side_by_side",
        "side_by_side",
        "nhwc",
    ]  # too many taps to lay out
    assert names((8, 12, 12, 12, 8), (4, 5, 5, 8, 8)) == ["lax", "lax", "im2col"]
    assert names((8, 12, 12, 12, 8), (6, 6, 6, 8, 8)) == ["lax"] * 3
    assert names((*image, 64), (1, 1, 64, 128), stride=2) == ["im2col"] * 3
    assert names((*image, 1), (5, 5, 1, 16), padding="same") == ["im2col", "im2col", "nhwc"]
    assert names((*image, 1), (5, 5, 1, 16), padding="same", stride=2) == [
        "im2col",
        "im2col",
        "nhwc",
    ]
    assert names((*image, 1), (2, 2, 1, 16), stride=2) == ["im2col"] * 3
    assert names((8, 8000, 1), (80, 1, 64), stride=4) == ["nhwc", "im2col", "im2col"]
    assert names((*image, 1), (5, 5, 1, 16), padding="same", dilation=2) == [
        "im2col",
        "im2col",
        "nhwc",
    ]
    assert names((*image, 1), (5, 5, 1, 32), padding="same") == ["nhwc", "im2col", "im2col"]
    assert names((32, 4, 4, 16), (5, 5, 16, 32), padding="same") == [
        "side_by_side",
        "side_by_side",
        "im2col",
    ]
    assert names((32, 5, 5, 16), (5, 5, 16, 32), padding="same") == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    assert names((32, 4, 4, 3), (5, 5, 3, 16), padding="same") == [
        "im2col",
        "side_by_side",
        "im2col",
    ]
    assert names((32, 4, 4, 16), (5, 5, 16, 32), stride=2, padding="same") == [
        "im2col",
        "im2col",
        "im2col",
    ]
    assert names((32, 6, 6, 16), (5, 5, 16, 32)) == ["nhwc", "side_by_side", "im2col"]  # y is 2x2
    assert names((32, 4, 16), (5, 16, 32), padding="same") == ["im2col", "im2col", "im2col"]
    assert names((*image, 3), (3, 3, 3, 64), padding="same") == ["im2col"] * 3
    assert names((*image, 3), (5, 5, 3, 32), padding="same") == ["nhwc", "im2col", "im2col"]
    assert names((*image, 32), (5, 5, 32, 3), padding="same") == ["side_by_side", "nhwc", "im2col"]
    assert names((*image, 64), (5, 5, 64, 3), padding="same") == ["side_by_side", "nhwc", "im2col"]
    assert names((*image, 32), (5, 5, 32, 17), padding="same") == [
        "side_by_side",
        "side_by_side",
        "im2col",
    ]
    assert names((*image, 6), (5, 5, 6, 16)) == ["nhwc", "nhwc", "im2col"]
    assert names((*image, 8), (5, 5, 8, 16)) == ["nhwc", "nhwc", "im2col"]
    assert names((*image, 8), (5, 5, 8, 32)) == ["side_by_side", "side_by_side", "im2col"]
    assert names((*image, 8), (3, 3, 8, 32)) == ["side_by_side", "im2col", "im2col"]
    assert names((64, 2000, 8), (3, 8, 32)) == ["nhwc", "im2col", "im2col"]
    assert names((8, *image[1:], 3, 1), (3, 3, 3, 1, 16)) == ["im2col", "im2col", "nhwc"]
    assert names((*image, 3), (7, 7, 3, 64), padding=3, stride=2) == [
        "nhwc",
        "im2col",
        "im2col",
    ]
    assert names((*image, 64), (2, 2, 64, 128), stride=2) == ["im2col"] * 3
    assert names((*image, 64), (3, 3, 64, 128), padding=1, stride=2) == ["im2col"] * 3
    assert names((*image, 128), (3, 3, 128, 128), padding=1, stride=2) == [
        "nhwc",
        "im2col",
        "im2col",
    ]
    assert names((4, 32, 32, 32), (3, 3, 32, 64), padding=1, stride=2) == [
        "nhwc",
        "im2col",
        "im2col",
    ]
    assert names((*image, 32), (3, 3, 32, 32), padding=1) == [
        "side_by_side",
        "side_by_side",
        "im2col",
    ]
    assert names((1, 28, 28, 32), (3, 3, 32, 32), padding=1) == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    assert names((2, 28, 28, 32), (3, 3, 32, 32), padding=1) == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    rows = names((16, 28, 28, 32), (3, 3, 32, 64), padding=1)  # of 224: enough for 64 outputs
    assert rows == ["side_by_side", "nhwc", "im2col"]
    assert names((4, 28, 28, 32), (3, 3, 32, 64), padding=1) == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    assert names((8, 100, 100, 64), (3, 3, 64, 32), padding=1) == [
        "side_by_side",
        "nhwc",
        "im2col",
    ]  # one of 100 is, too
    assert names((*image, 16), (3, 3, 16, 16), padding=1) == ["nhwc", "nhwc", "im2col"]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "x_shape", [(6, 4, 4, 16), (1, 4, 4, 16), (7, 3, 5, 2), (6, 4, 16), (2, 2, 3, 2, 4)]
)
def test_images_of_fewer_positions_than_taps(x_shape, stride):
    """Of whole numbers all methods give the same."""
    space = x_shape[1:-1]
    window = make_window(
        (5,) * len(space), space, padding="same", stride=(stride, *(1,) * (len(space) - 1))
    )
    w_shape, y_shape = (*window.size, x_shape[-1], 16), (x_shape[0], *window.output_size(space), 16)
    x, w, dy = (
        jnp.asarray(draw.integers(np.random.default_rng(0), shape), jnp.float32)
        for shape in (x_shape, w_shape, y_shape)
    )
    spec = ConvSpec(window)
    assert set(names(x_shape, w_shape, padding="same", stride=window.stride)[:2]) <= {
        "side_by_side",
        "im2col",
    }
    np.testing.assert_array_equal(AUTO.forward(x, w, spec), LAX.forward(x, w, spec))
    np.testing.assert_array_equal(
        AUTO.input_grad(dy, w, spec, x_shape), LAX.input_grad(dy, w, spec, x_shape)
    )


def test_other_platforms_take_direct():
    choices = jaxcnn.explain_conv(
        (8, 4, 28, 28), (4, 4, 1, 1), layout="channels_first", platform="gpu"
    )
    assert {choice.name for choice in choices.values()} == {"lax"}


def test_depthwise_kernel_gradient_in_blocks_of_rows():
    """Images too large for the running sums of `shifted` are added up block by
    block."""
    rng = np.random.default_rng(0)
    x, w, dy = (
        jnp.asarray(draw.integers(rng, s), jnp.float32)
        for s in ((2, 18, 40, 33), (3, 3, 1, 33), (2, 9, 40, 33))
    )
    options = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "groups": 33}
    window = make_window((3, 3), (18, 40), stride=(2, 1), padding=((1, 0), (1, 1)))
    assert depthwise._block_size(window, (3, 900, 40, 33)) == (
        3,
        6,
    )  # 47,520 bytes a row: 22 rows of them
    assert depthwise._block_size(window, (1, 900, 40, 33)) == (1, 20)
    assert depthwise._block_size(window, (64, 9, 40, 99)) == (1, 3)
    for budget in (2**20, 2**18, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(depthwise, "SUMS_BYTES", budget)
            got = depthwise.kernel_grad(
                x, dy, make_spec(x.shape, w.shape, **SPEC | options), w.shape
            )
        np.testing.assert_array_equal(
            got, jaxcnn.conv_kernel_grad(x, dy, w.shape, method=LAX, **options)
        )


@pytest.mark.parametrize("budget", [2**20, 2**12, 1])
@pytest.mark.parametrize("options", [{}, {"dilation": 4}, {"stride": 2}])
def test_depthwise_kernel_gradient_in_blocks_of_positions(monkeypatch, budget, options):
    """One axis of space, whose positions are what rows are elsewhere; a block holds all
    channels of each."""
    rng = np.random.default_rng(0)
    options = {"padding": 3, "groups": 5} | options
    x, w = (jnp.asarray(draw.integers(rng, s), jnp.float32) for s in ((16, 90, 5), (3, 1, 5)))
    dy = jnp.asarray(
        draw.integers(rng, jax.eval_shape(lambda: jaxcnn.conv(x, w, **options)).shape), jnp.float32
    )
    monkeypatch.setattr(depthwise, "SUMS_BYTES", budget)
    got = depthwise.kernel_grad(
        x, dy, make_spec(x.shape, w.shape, **SPEC | {"stride": 1} | options), w.shape
    )
    np.testing.assert_array_equal(
        got, jaxcnn.conv_kernel_grad(x, dy, w.shape, method=LAX, **options)
    )


@pytest.mark.parametrize(("images", "loop"), [(8, False), (16, True), (32, True)])
def test_two_blocks_of_a_depthwise_kernel_gradient_are_a_loop_still(images, loop):
    """XLA must not fuse the running sums with what it adds up; eight images are one
    block, which needs none."""
    x, w = (
        jax.ShapeDtypeStruct((images, 8, 8, 32), jnp.float32),
        jax.ShapeDtypeStruct((3, 3, 1, 32), jnp.float32),
    )
    spec = make_spec(x.shape, w.shape, **SPEC | {"stride": 1, "padding": 1, "groups": 32})
    gradient = jax.jit(partial(depthwise.kernel_grad, spec=spec, w_shape=w.shape))
    assert (" while(" in gradient.lower(x, x).compile().as_text()) == loop


SPEC = {"dilation": 1, "layout": "channels_last", "precision": None, "preferred_element_type": None}
