"""oneDNN's convolution and product as primitives: what JAX makes of them, on one device
and on two, is what it makes of lax's."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops._onednn import certain, products
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops.convolution.methods import LAX, ONEDNN

pytestmark = pytest.mark.skipif(
    "float32" not in certain_dtypes(), reason="oneDNN is not certain to compute float32 here"
)
CALL = "__onednn$convolution"
SHAPES = {
    "2d": ((4, 5, 6, 6), (3, 3, 6, 4), {"padding": 1}),
    "strided": ((4, 7, 6, 6), (3, 3, 6, 4), {"stride": 2, "padding": ((1, 2), (-1, 0))}),
    "grouped": ((4, 6, 5, 6), (3, 2, 3, 4), {"padding": "same", "groups": 2, "dilation": 2}),
    "depthwise": ((4, 5, 6, 6), (3, 2, 1, 6), {"padding": ((1, 1), (1, 0)), "groups": 6}),
    "1d": ((4, 8, 4), (3, 4, 4), {"padding": "causal", "dilation": 2}),
    "3d": ((2, 4, 3, 4, 2), (2, 3, 1, 2, 4), {}),
}


def arrays(name):
    rng = np.random.default_rng(0)
    x, w, _ = SHAPES[name]
    return tuple(jnp.asarray(draw.integers(rng, shape, 1), jnp.float32) for shape in (x, w))


def conv(name, method):
    options = SHAPES[name][-1]
    return lambda x, w: jaxcnn.conv(x, w, method=method, **options)


def loss(name, method):
    """Its second derivatives are not 0, and its numbers stay exact in float32."""
    return lambda x, w: jnp.sum(conv(name, method)(x, w) ** 2)


def grad_of_grad(f):
    return jax.grad(lambda x, w: jnp.sum(jax.grad(f)(x, w) ** 2), (0, 1))


TRANSFORMS = {
    "forward": lambda name, m: conv(name, m),
    "gradient": lambda name, m: jax.grad(loss(name, m), (0, 1)),
    "gradient of gradient": lambda name, m: grad_of_grad(loss(name, m)),
    "hessian product": lambda name, m: (
        lambda x, w: jax.jvp(jax.grad(loss(name, m), 1), (x, w), (x[::-1], w + 1))
    ),
    "vmap x": lambda name, m: lambda x, w: jax.vmap(lambda x: conv(name, m)(x, w))(two(x)),
    "vmap w": lambda name, m: lambda x, w: jax.vmap(lambda w: conv(name, m)(x, w))(two(w)),
    "vmap both": lambda name, m: lambda x, w: jax.vmap(conv(name, m))(two(x), two(w)),
    "vmap of gradient": lambda name, m: (
        lambda x, w: jax.vmap(jax.grad(loss(name, m), (0, 1)), (1, None))(jnp.stack([x, -x], 1), w)
    ),
    "scan": lambda name, m: (
        lambda x, w: lax.scan(lambda c, w: (c, conv(name, m)(x, w)), 0.0, two(w))[1]
    ),
    "checkpoint": lambda name, m: jax.grad(jax.checkpoint(loss(name, m)), (0, 1)),
}


def two(a):
    return jnp.stack([a, 1 - a])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_as_lax(transform, name):
    """Of whole numbers, bit for bit."""
    x, w = arrays(name)
    run = TRANSFORMS[transform]
    found, expected = (jax.jit(run(name, method))(x, w) for method in (ONEDNN, LAX))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "kind", "calls"),
    [
        ("2d", AxisType.Auto, 2),
        ("2d", AxisType.Explicit, 2),
        ("depthwise", AxisType.Auto, 3),
        ("depthwise", AxisType.Explicit, 2),
    ],
)
def test_two_devices_share_the_images(name, kind, calls):
    """Each computes its own: nothing is gathered, and the kernel gradients are added up
    once."""
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(kind,))
    x, w = arrays(name)
    expected = jax.jit(jax.grad(loss(name, LAX), (0, 1)))(x, w)
    x = jax.device_put(x, NamedSharding(mesh, P("batch")))
    w = jax.device_put(w, NamedSharding(mesh, P()))
    run = jax.jit(jax.grad(loss(name, ONEDNN), (0, 1))).lower(x, w).compile()
    text = run.as_text()
    assert text.count(CALL) == calls
    assert "all-gather(" not in text
    assert text.count(" all-reduce(") == 1
    for found, right in zip(run(x, w), expected, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("name", ["2d", "depthwise"])
def test_inside_shard_map(name):
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    x, w = arrays(name)

    def of_a_device(x, w):
        return jax.grad(loss(name, ONEDNN), 1)(x, w)

    sharded = jax.shard_map(of_a_device, mesh=mesh, in_specs=(P("batch"), P()), out_specs=P())
    run = jax.jit(sharded).lower(x, w).compile()
    assert CALL in run.as_text()
    np.testing.assert_array_equal(run(x, w), jax.grad(loss(name, LAX), 1)(x, w))


@pytest.mark.parametrize("platforms", [["cpu"], ["cpu", "tpu"]])
def test_an_exported_program_has_no_call_of_it(platforms):
    x, w = arrays("2d")
    run = jax.jit(jax.grad(loss("2d", ONEDNN), (0, 1)))
    exported = export.export(run, platforms=platforms)(x, w)
    assert "__onednn" not in exported.mlir_module()
    assert "__onednn" in run.lower(x, w).as_text()
    for found, right in zip(exported.call(x, w), run(x, w), strict=True):
        np.testing.assert_array_equal(found, right)


def test_symbolic_sizes_take_the_portable_method():
    (n,) = export.symbolic_shape("n")
    x, w = arrays("2d")
    shape = jax.ShapeDtypeStruct((n, *x.shape[1:]), x.dtype)
    exported = export.export(jax.jit(conv("2d", ONEDNN)))(shape, w)
    np.testing.assert_array_equal(exported.call(x, w), conv("2d", LAX)(x, w))


@pytest.mark.parametrize(
    "changed",
    [
        {"dtype": jnp.float64},
        {"precision": lax.DotAlgorithmPreset.BF16_BF16_F32},
        {"x": (0, 5, 6, 6)},
        {"padding": ((-9, 9), (0, 0))},
    ],
    ids=str,
)
def test_what_is_not_certain_is_not_called(changed):
    """Each of these ends the process, or means something else."""
    changed = dict(changed)
    dtype = changed.pop("dtype", jnp.float32)
    with jax.enable_x64(dtype == jnp.float64):
        x, w = jnp.ones(changed.pop("x", (2, 5, 6, 6)), dtype), jnp.ones((3, 3, 6, 4), dtype)
        text = jax.jit(lambda x, w: jaxcnn.conv(x, w, method=ONEDNN, **changed)).lower(x, w)
        assert "__onednn" not in text.as_text()


PRODUCTS = [(a, b) for a in (1, 2) for b in (1, 2)]


@pytest.mark.parametrize(("a_axis", "b_axis"), PRODUCTS)
@pytest.mark.parametrize("batch", [(None, None), (0, None), (None, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("d", [1, 3])
def test_products(d, a_axis, b_axis, batch):
    """With their derivatives, of a batch too. One product is oneDNN's, several are
    XLA's."""
    rng = np.random.default_rng(0)
    a, b = (
        jnp.asarray(draw.integers(rng, shape if axis == 1 else shape[:-2] + shape[:-3:-1]))
        for shape, axis in (((d, 7, 5), a_axis), ((d, 7, 4), b_axis))
    )
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)

    def by_onednn(a, b):
        assert products.takes(a, b, None, jnp.float32)
        return products.product(a, b, a_axis, b_axis, None, jnp.float32)

    def by_lax(a, b):
        return lax.dot_general(a, b, (((a_axis,), (b_axis,)), ((0,), (0,))))

    def results(product):
        def run(a, b):
            y, pull = jax.vjp(product, a, b)
            return y, pull(y), jax.jvp(product, (a, b), (b_like(a), b_like(b)))

        return jax.jit(run if batch == (None, None) else jax.vmap(run, batch))

    def b_like(c):
        return c[:, ::-1] - 1

    operands = [c if axis is None else two(c) for c, axis in zip((a, b), batch, strict=True)]
    found, right = results(by_onednn)(*operands), results(by_lax)(*operands)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("a_axis", "b_axis"), PRODUCTS)
@pytest.mark.parametrize("batch", [(0, None), (None, 0)], ids=str)
def test_a_batch_with_one_operand_is_one_product(a_axis, b_axis, batch):
    """Such as the outputs of a 1x1 convolution for each example. XLA would compute
    several products."""
    a, b = (
        jnp.ones(((2,) * (of is not None)) + ((1, 7, 4) if axis == 1 else (1, 4, 7)))
        for axis, of in zip((a_axis, b_axis), batch, strict=True)
    )
    options = {"a_axis": a_axis, "b_axis": b_axis, "precision": None, "dtype": jnp.float32}
    product = jax.vmap(partial(products.product, **options), batch)
    text = jax.jit(product).lower(a, b).as_text()
    assert (text.count("__onednn$matmul"), text.count("dot_general")) == (1, 0)


@pytest.mark.parametrize("groups", [1, 8])
def test_several_products_are_not_one_call(groups):
    """oneDNN ended the process, or never returned: it lets each of its threads compute
    a product on all threads."""
    x, dy = jnp.ones((4, 28, 28, 64)), jnp.ones((4, 28, 28, 64))
    w = jnp.ones((3, 3, 64 // groups, 64))

    def dw(x, w, dy):
        return jax.vjp(lambda w: jaxcnn.conv(x, w, padding=1, groups=groups), w)[1](dy)

    assert jax.jit(dw).lower(x, w, dy).as_text().count("__onednn$matmul") == (groups == 1)


@pytest.fixture
def assume(monkeypatch):
    """Take dtypes for certain on any processor, such as for programs that are lowered,
    and not run."""

    def assume(*dtypes):
        certain_dtypes.cache_clear()
        monkeypatch.setattr(certain, "_assumed", [dtypes])

    yield assume
    monkeypatch.undo()
    certain_dtypes.cache_clear()


@pytest.mark.parametrize(
    ("shapes", "calls"),
    [(((64, 16, 16, 48), (3, 3, 48, 48)), 3), (((8, 8, 8, 48), (1, 1, 48, 8)), 3)],
)
def test_bfloat16_is_not_widened(assume, shapes, calls):
    """Forward and gradients get operands of 16 bits, in blocks of the batch too; sums
    are float32."""
    assume("float32", "bfloat16")
    x, w = (jax.ShapeDtypeStruct(shape, jnp.bfloat16) for shape in shapes)

    def both(x, w):
        y, pull = jax.vjp(lambda x, w: jaxcnn.conv(x, w, padding="same"), x, w)
        return y, pull(y)

    text = jax.jit(both).lower(x, w).as_text()
    lines = [line for line in text.splitlines() if "__onednn$" in line]
    assert len(lines) == calls
    for line in lines:
        operands, result = re.search(r": \((.*)\) -> (.*)$", line).groups()
        assert operands.count("xbf16>") == 2, line
        assert result.endswith("xf32>") == ("matmul" in line), line


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_are_widened_where_their_instructions_are_missing(assume, dtype):
    """And results are rounded once: of whole numbers they are exact."""
    assume("float32")
    rng = np.random.default_rng(0)
    shapes = (2, 6, 6, 32), (3, 3, 32, 8)
    x, w = (jnp.asarray(draw.integers(rng, shape, 1), dtype) for shape in shapes)

    def both(method):
        def run(x, w):
            y, pull = jax.vjp(lambda x, w: jaxcnn.conv(x, w, padding="same", method=method), x, w)
            return y, pull(jnp.sign(y))

        return jax.jit(run)

    lines = [line for line in both(None).lower(x, w).as_text().splitlines() if "__onednn$" in line]
    assert len(lines) == 3 and not any("16>" in line for line in lines)
    for one, other in zip(*(jax.tree.leaves(both(m)(x, w)) for m in (None, LAX)), strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)


def test_another_platform_keeps_the_precision_of_a_product():
    """The primitive is bound whatever the platform, and lowered by lax on most."""
    x, w = jnp.ones((2, 4, 4, 8)), jnp.ones((1, 1, 8, 8))
    run = jax.jit(lambda x, w: jaxcnn.conv(x, w, precision="highest", method=jaxcnn.methods.IM2COL))
    assert "onednn_product" in str(jax.make_jaxpr(run)(x, w))
    assert "HIGHEST" in export.export(run, platforms=["cuda"])(x, w).mlir_module()
