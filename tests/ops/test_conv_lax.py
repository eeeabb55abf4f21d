"""`conv_general_dilated` in the place of lax's: the same signature, values, errors, and
gradients."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn.check import draw
from tests.daily import daily

CASES = {
    "defaults": ((2, 3, 6), (4, 3, 2), {"window_strides": (2,), "padding": "SAME"}),
    "same-lower": (
        (2, 6, 5, 3),
        (3, 2, 3, 4),
        {
            "window_strides": (2, 1),
            "padding": "SAME_LOWER",
            "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        },
    ),
    "letters": (
        (3, 5, 2, 6),
        (2, 4, 3, 3),
        {
            "window_strides": (1, 2),
            "padding": ((1, 0), (0, 2)),
            "dimension_numbers": ("CWNH", "HOWI", "HNWC"),
        },
    ),
    "lhs-dilation": (
        (2, 4, 4, 3),
        (3, 2, 3, 2),
        {
            "window_strides": (1, 2),
            "padding": ((2, 1), (0, 3)),
            "lhs_dilation": (2, 3),
            "rhs_dilation": (1, 2),
            "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        },
    ),
    "lhs-dilation-negative-pads": (
        (2, 5, 5, 3),
        (2, 2, 3, 2),
        {
            "window_strides": (1, 1),
            "padding": ((-3, 2), (-1, -2)),
            "lhs_dilation": (2, 3),
            "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        },
    ),
    "feature-groups": (
        (2, 4, 5, 5),
        (6, 2, 3, 3),
        {"window_strides": (2, 2), "padding": "VALID", "feature_group_count": 2},
    ),
    "depthwise-negative-pads": (
        (2, 5, 5, 4),
        (2, 2, 1, 8),
        {
            "window_strides": (1, 1),
            "padding": ((-1, 2), (2, 0)),
            "feature_group_count": 4,
            "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        },
    ),
    "batch-groups": (
        (6, 3, 5, 5),
        (4, 3, 2, 2),
        {"window_strides": (1, 2), "padding": ((0, 1), (1, 0)), "batch_group_count": 2},
    ),
    "batch-groups-lhs-dilation": (
        (4, 4, 2),
        (2, 2, 6),
        {
            "window_strides": (2,),
            "padding": ((3, 1),),
            "lhs_dilation": (2,),
            "batch_group_count": 2,
            "dimension_numbers": ("NHC", "HIO", "NHC"),
        },
    ),
    "kernel-larger-than-input": (
        (2, 3, 3),
        (2, 3, 5),
        {"window_strides": (1,), "padding": "VALID"},
    ),
    "no-space": ((4, 3), (5, 3), {"window_strides": (), "padding": ()}),
    "3d": ((1, 2, 4, 3, 4), (2, 2, 2, 2, 3), {"window_strides": (1, 2, 1), "padding": "SAME"}),
}


def test_signature_is_that_of_lax():
    ours, theirs = (
        inspect.signature(f).parameters
        for f in (jaxcnn.conv_general_dilated, lax.conv_general_dilated)
    )
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in theirs.values()
    ]


@pytest.mark.parametrize(
    "name", daily(CASES, {"letters", "lhs-dilation-negative-pads", "batch-groups-lhs-dilation"})
)
def test_equals_lax(name):
    """Value and gradients in float32 equal those of lax in float64, where lax is right,
    bit for bit on whole numbers."""
    x_shape, w_shape, options = CASES[name]
    rng = np.random.default_rng(0)
    x, w = draw.integers(rng, x_shape), draw.integers(rng, w_shape)

    def value_and_gradients(conv, x, w):
        y, vjp = jax.vjp(lambda x, w: conv(x, w, **options), x, w)
        dy = draw.integers(np.random.default_rng(1), y.shape)
        return y, *vjp(jnp.asarray(dy, y.dtype))

    got = value_and_gradients(
        jaxcnn.conv_general_dilated, jnp.asarray(x, jnp.float32), jnp.asarray(w, jnp.float32)
    )
    with jax.enable_x64(True):
        expected = value_and_gradients(lax.conv_general_dilated, jnp.asarray(x), jnp.asarray(w))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_integers_as_lax():
    x, w = jnp.arange(16, dtype=jnp.int8).reshape(1, 1, 16), jnp.ones((2, 1, 3), jnp.int8)
    options = {"window_strides": (1,), "padding": "SAME", "preferred_element_type": jnp.int32}
    got, expected = (
        f(x, w, **options) for f in (jaxcnn.conv_general_dilated, lax.conv_general_dilated)
    )
    assert got.dtype == expected.dtype == jnp.int32
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 3, 6), (4, 2, 2), {}),
        ((2, 3, 6), (4, 3, 2, 2), {}),
        ((2, 3, 6), (4, 3, 2), {"window_strides": (1, 1)}),
        ((2, 3, 6), (4, 3, 2), {"padding": "sane"}),
        ((2, 3, 6), (4, 3, 2), {"padding": 1}),
        ((2, 3, 6), (4, 3, 2), {"padding": "SAME", "lhs_dilation": (2,)}),
        ((2, 3, 6), (4, 3, 2), {"feature_group_count": 2}),
        ((3, 3, 6), (4, 3, 2), {"batch_group_count": 2}),
        ((2, 3, 6), (4, 3, 2), {"dimension_numbers": ("NCH", "OIW", "NCH")}),
    ],
)
def test_errors_are_those_of_lax(x, w, options):
    options = {"window_strides": (1,), "padding": "VALID", **options}
    with pytest.raises(Exception) as theirs:
        lax.conv_general_dilated(jnp.ones(x), jnp.ones(w), **options)
    with pytest.raises(type(theirs.value)) as ours:
        jaxcnn.conv_general_dilated(jnp.ones(x), jnp.ones(w), **options)
    assert str(ours.value) == str(theirs.value)


def test_out_sharding():
    """On an Explicit mesh, with a kernel sharded over its outputs, lax asks for
    out_sharding; so do we; gradients follow."""
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Explicit,))
    spec = jax.sharding.PartitionSpec
    rng = np.random.default_rng(0)
    x, w = draw.integers(rng, (2, 3, 6)), draw.integers(rng, (4, 3, 2))
    with jax.set_mesh(mesh):
        x = jax.device_put(jnp.asarray(x, jnp.float32), jax.NamedSharding(mesh, spec()))
        w = jax.device_put(jnp.asarray(w, jnp.float32), jax.NamedSharding(mesh, spec("d")))

        def run(conv, x, w):
            y, vjp = jax.vjp(
                lambda x, w: conv(x, w, (1,), "VALID", out_sharding=spec(None, "d")), x, w
            )
            return y, *vjp(y)

        got, expected = (
            jax.jit(run, static_argnums=0)(f, x, w)
            for f in (jaxcnn.conv_general_dilated, lax.conv_general_dilated)
        )
        for a, b in zip(got, expected, strict=True):
            assert a.sharding == b.sharding
            np.testing.assert_array_equal(jax.device_get(a), jax.device_get(b))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": (2, 1), "padding": "CIRCULAR"},
        {"feature_group_count": 2, "kernel_dilation": 2},
    ],
    ids=str,
)
def test_flax_nnx(options):
    """In the place of lax's in nnx.Conv: the same values and gradients."""
    nnx = pytest.importorskip("flax.nnx", reason="Flax is an optional peer")
    x = jnp.asarray(draw.integers(np.random.default_rng(0), (2, 6, 6, 4)), jnp.float32)

    def run(**conv):
        layer = nnx.Conv(4, 6, (3, 3), rngs=nnx.Rngs(0), **options, **conv)
        layer.kernel[...] = jnp.round(8 * layer.kernel[...])
        return jax.tree.leaves(nnx.value_and_grad(lambda m: jnp.sum(m(x) ** 2))(layer))

    for a, b in zip(run(conv_general_dilated=jaxcnn.conv_general_dilated), run(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_flax_linen():
    linen = pytest.importorskip("flax.linen", reason="Flax is an optional peer")
    x = jnp.asarray(draw.integers(np.random.default_rng(0), (2, 6, 6, 4)), jnp.float32)

    def run(**conv):
        layer = linen.Conv(6, (3, 3), strides=2, padding="SAME", **conv)
        params = jax.tree.map(lambda p: jnp.round(8 * p), layer.init(jax.random.key(0), x))
        return jax.tree.leaves(
            jax.value_and_grad(lambda p: jnp.sum(layer.apply(p, x) ** 2))(params)
        )

    for a, b in zip(run(conv_general_dilated=jaxcnn.conv_general_dilated), run(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "outputs"), [(1, 20), (16, 16), (16, 32)])
def test_base_dilation_with_channels_that_other_methods_would_take(groups, outputs):
    """A transposed convolution by lhs_dilation: its kernel gradient has a base
    dilation, which cannot be interleaved."""
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(rng.integers(-2, 3, shape), jnp.float32)
        for shape in ((2, 4, 4, 16), (3, 3, 16 // groups, outputs))
    )
    options = {
        "lhs_dilation": (2, 2),
        "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
        "feature_group_count": groups,
    }

    def gradients(conv):
        return jax.grad(
            lambda x, w: jnp.sum(conv(x, w, (1, 1), ((1, 2), (2, 1)), **options) ** 2),
            argnums=(0, 1),
        )(x, w)

    for got, want in zip(
        gradients(jaxcnn.conv_general_dilated), gradients(lax.conv_general_dilated), strict=True
    ):
        np.testing.assert_array_equal(got, want)
