"""Maps of a convolution on blocks of the batch: the same numbers as of the whole, on one device only."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxcnn.check import draw
from jaxcnn.ops._common import devices_of
from jaxcnn.ops.conv_methods import (
    BLOCKED,
    CANONICAL,
    DIRECT,
    GROUPWISE,
    PATCHES,
    WIDE,
    ConvSpec,
    batches,
    canonical,
    dispatch,
    wide,
)
from jaxcnn.window import make_window

X, W = (4, 6, 7, 4), (3, 3, 4, 4)
SPEC = ConvSpec(make_window((3, 3), (6, 7), padding=((1, 2), (0, 1))))
ROWS = ConvSpec(make_window((3, 3), (8, 8), padding=1))
METHODS = {"canonical": CANONICAL, "wide": WIDE, "blocked": BLOCKED, "patches": PATCHES}


@pytest.fixture
def two_at_a_time(monkeypatch):
    monkeypatch.setattr(batches, "BLOCK_BYTES", 0)
    monkeypatch.setattr(batches, "images_in_a_block", lambda n, *_: 2 if n % 2 == 0 else n)


def operands(dtype=jnp.float32, images=X[0]):
    rng = np.random.default_rng(0)
    x_shape, y_shape = (images, *X[1:]), (images, *SPEC.window.output_size(X[1:-1]), W[-1])
    return tuple(jnp.asarray(draw.integers(rng, shape), dtype) for shape in (x_shape, W, y_shape))


def maps(method, spec=SPEC, x_shape=X, w_shape=W):
    """The three, as functions of two arrays."""
    return {
        "forward": lambda x, w, dy: method.forward(x, w, spec),
        "input_grad": lambda x, w, dy: method.input_grad(dy, w, spec, x_shape),
        "kernel_grad": lambda x, w, dy: method.kernel_grad(x, dy, spec, w_shape),
    }


def loops(function, *args):
    return jax.jit(function).lower(*args).compile().as_text().count(" while(")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["forward", "input_grad", "kernel_grad"])
def test_blocks_give_what_the_batch_gives(two_at_a_time, method, name):
    """Bit for bit, of whole numbers; a loop where the method has blocks for this map."""
    function, args = maps(METHODS[method])[name], operands()
    expected = maps(DIRECT)[name](*args)
    np.testing.assert_array_equal(jax.jit(function)(*args), expected)
    assert loops(function, *args) == (1 if name == "kernel_grad" or method == "patches" else 0)
    odd = operands(images=3)
    np.testing.assert_array_equal(
        maps(METHODS[method], x_shape=(3, *X[1:]))[name](*odd), maps(DIRECT, x_shape=(3, *X[1:]))[name](*odd)
    )


def test_batches_that_are_cut():
    """Those of more than two blocks, into blocks of 2 MiB, and at least 2 images or 16."""

    def images(n, *shape, outputs):
        x, dy = jnp.zeros((n, *shape)), jnp.zeros((n, *shape[:-1], outputs))
        return batches.images_of_a_convolution(x, dy, SPEC, (3, 3, shape[-1], outputs))

    assert images(16, 32, 32, 32, outputs=32) == 16
    assert images(32, 32, 32, 32, outputs=32) == 8
    assert images(6, 64, 64, 64, outputs=64) == 2
    assert images(32, 64, 64, 64, outputs=16) == 16
    assert images(7, 64, 64, 64, outputs=64) == 7


def test_blocks_of_groups(two_at_a_time):
    """Each group's kernel gradient has its own loop by `groupwise`, all have one by `canonical` and `patches`."""
    x, _, dy = operands()
    spec, w_shape = SPEC._replace(groups=2), (3, 3, 2, 4)
    expected = DIRECT.kernel_grad(x, dy, spec, w_shape)
    for method in (GROUPWISE, CANONICAL, PATCHES):
        np.testing.assert_array_equal(method.kernel_grad(x, dy, spec, w_shape), expected)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_under_transformations(two_at_a_time, method):
    """Derivatives of the maps themselves (each is linear in either argument), vmap and scan."""
    args = operands()
    for name, function in maps(METHODS[method]).items():
        whole = maps(DIRECT)[name]

        def energy(f, args):
            return jnp.sum(f(*args) ** 2)

        got = jax.jit(jax.grad(partial(energy, function)))(args)
        jax.tree.map(np.testing.assert_array_equal, got, jax.grad(partial(energy, whole))(args))
        stacked = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), args)
        expected = jnp.stack([whole(*args), 4 * whole(*args)])
        np.testing.assert_array_equal(jax.jit(jax.vmap(function))(*stacked), expected)
        scanned = jax.jit(lambda stacked: lax.scan(lambda carry, args: (carry, function(*args)), 0, stacked)[1])  # noqa: B023
        np.testing.assert_array_equal(scanned(stacked), expected)


@pytest.mark.parametrize("method", METHODS)
def test_devices_do_not_wait_for_one_another_at_each_block(two_at_a_time, method):
    """A batch that the compiler divides among devices has no loop; one that shard_map has divided has, on each."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    args = operands(images=8)
    x, w, dy = (jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip(args, (P("data"), P(), P("data")), strict=True))
    whole, function = (maps(m, x_shape=(8, *X[1:]))["kernel_grad"] for m in (DIRECT, METHODS[method]))
    assert loops(function, *args) == 1
    assert loops(function, x, w, dy) == 0
    np.testing.assert_array_equal(jax.jit(function)(x, w, dy), whole(*args))

    def by_hand(x, w, dy):
        return lax.psum(function(x, w, dy), "data")

    mapped = jax.shard_map(by_hand, mesh=mesh, in_specs=(P("data"), P(), P("data")), out_specs=P())
    assert loops(mapped, x, w, dy) == 1
    np.testing.assert_array_equal(jax.jit(mapped)(x, w, dy), whole(*args))


@pytest.mark.parametrize("method", METHODS)
def test_sums_of_blocks_are_rounded_once(two_at_a_time, method):
    """Positive whole numbers in bfloat16: the sum over a block is above 256, where not every one of them is representable."""
    x, _, dy = (jnp.abs(a) for a in operands(jnp.bfloat16, images=32))
    dw = METHODS[method].kernel_grad(x, dy, SPEC, W)
    assert dw.dtype == jnp.bfloat16
    expected = DIRECT.kernel_grad(x.astype(jnp.float32), dy.astype(jnp.float32), SPEC, W)
    np.testing.assert_array_equal(dw, expected.astype(jnp.bfloat16))


def test_devices_that_the_compiler_divides_among():
    """As types tell; the list of methods is read for the images of one."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    x = jax.device_put(jnp.ones((4, 3)), NamedSharding(mesh, P("data")))
    seen, chosen = {}, {}

    def see(name, a):
        seen[name] = devices_of(a, jnp.ones(3))
        chosen[name] = dispatch.choose(ROWS, (16, 8, 8, 64), (3, 3, 64, 64), "forward", a, jnp.ones(3))["cpu"]
        return a

    jax.jit(partial(see, "jit"))(x)
    jax.jit(lambda x: lax.scan(lambda carry, row: (carry, see("scan", row)), 0, x))(x)
    jax.jit(jax.vmap(partial(see, "vmap")))(x)
    jax.jit(jax.shard_map(partial(see, "shard_map"), mesh=mesh, in_specs=P("data"), out_specs=P("data")))(x)
    see("alone", jnp.ones((4, 3)))
    assert seen == {"jit": 2, "scan": 2, "vmap": 2, "shard_map": 1, "alone": 1}
    assert {name: wide if count == 1 else canonical for name, count in seen.items()} == chosen  # 8 images fill no row, 16 do
