"""Kernel gradients of blocks of the batch: the same numbers as of the whole, on one
device and on several."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxcnn.check import draw
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops._sharding import devices_of
from jaxcnn.ops.convolution.methods import (
    IM2COL,
    LAX,
    NHWC,
    SIDE_BY_SIDE,
    Problem,
    im2col,
    portable,
)
from jaxcnn.ops.convolution.methods.im2col import images_of_a_sum

X, W = (4, 6, 7, 16), (3, 3, 16, 16)
PROBLEM = Problem.of(X, W, padding=((1, 2), (0, 1)))
ROWS = Problem.of((16, 8, 8, 64), (3, 3, 64, 64), padding=1)


@pytest.fixture
def two_at_a_time(monkeypatch):
    monkeypatch.setattr(im2col, "images_in_a_block", lambda n, *_: 2 if n % 2 == 0 else n)


def operands(dtype=jnp.float32, images=X[0]):
    rng = np.random.default_rng(0)
    problem = PROBLEM.of_images(images)
    shapes = problem.x_shape, W, problem.y_shape
    return tuple(jnp.asarray(draw.integers(rng, shape), dtype) for shape in shapes)


def maps(method, problem=PROBLEM):
    """The three, as functions of two arrays."""
    return {
        "forward": lambda x, w, dy: method.forward(x, w, problem),
        "input_grad": lambda x, w, dy: method.input_grad(dy, w, problem),
        "kernel_grad": lambda x, w, dy: method.kernel_grad(x, dy, problem),
    }


def compiled(function, *args):
    return jax.jit(function).lower(*args).compile().as_text()


def test_blocks_give_what_the_batch_gives(two_at_a_time):
    """Bit for bit, of whole numbers, in a loop; a batch of a prime number of images has
    none."""
    for images, loops in ((4, 1), (3, 0)):
        problem, args = PROBLEM.of_images(images), operands(images=images)
        function, whole = (maps(m, problem)["kernel_grad"] for m in (IM2COL, LAX))
        np.testing.assert_array_equal(jax.jit(function)(*args), whole(*args))
        assert compiled(function, *args).count(" while(") == loops


def test_batches_that_are_cut():
    """For a kernel gradient: into blocks with 1.5 MiB laid out and 2,048 positions, if
    that is not above 8 MiB."""

    def images(n, *shape, outputs, taps=3):
        w_shape = (taps, taps, shape[-1], outputs)
        return images_of_a_sum(n, Problem.of((n, *shape), w_shape, padding="same"))

    assert images(64, 32, 32, 16, outputs=16) == 4  # of 384 KiB and 1,024 positions
    assert images(64, 32, 32, 64, outputs=64) == 2  # of 1.5 MiB and 1,024 positions
    assert images(32, 14, 14, 256, outputs=256) == 4  # of 1.1 MiB and 196 positions
    assert images(7, 112, 112, 64, outputs=64) == 1  # of 18 MiB
    assert images(3, 8, 8, 64, outputs=64) == 3
    assert images(61, 7, 7, 512, outputs=512) == 61  # one by one would be 49 positions
    assert images(32, 32, 32, 3, outputs=64) == 32  # rows of 27 numbers
    assert images(32, 32, 32, 64, outputs=64, taps=1) == 32  # nothing is laid out


def test_blocks_of_groups(two_at_a_time):
    x, _, dy = operands()
    problem = PROBLEM._replace(groups=2, w_shape=(3, 3, 8, 16))
    kernel_grad = maps(IM2COL, problem)["kernel_grad"]
    np.testing.assert_array_equal(
        jax.jit(kernel_grad)(x, None, dy), LAX.kernel_grad(x, dy, problem)
    )
    assert compiled(kernel_grad, x, None, dy).count(" while(") == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_numbers_are_laid_out_as_integers(two_at_a_time, dtype):
    """XLA would widen each copy. They are the same numbers, and so are derivatives."""
    args, kernel_grad = operands(dtype), maps(IM2COL)["kernel_grad"]
    found = kernel_grad(*args)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, maps(LAX)["kernel_grad"](*operands()).astype(dtype))
    copies = re.findall(r"= (\w+)\[\S* concatenate\(", compiled(kernel_grad, *args))
    # Without a product of 16-bit numbers they are widened anyway, once.
    assert set(copies) == {"u16" if dtype in certain_dtypes() else "f32"}

    def derivative(f, args, along):
        return jax.grad(lambda x, dy: jnp.vdot(f(x, None, dy), along), (0, 1))(args[0], args[2])

    along = jnp.ones(W, dtype)
    got = derivative(kernel_grad, args, along)
    expected = derivative(maps(LAX)["kernel_grad"], operands(), along.astype(jnp.float32))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other.astype(dtype))


@pytest.mark.slow
def test_blocks_under_transformations(two_at_a_time):
    """Derivatives of the maps themselves (each is linear in either argument), vmap and
    scan."""
    args = operands()
    for name, function in maps(IM2COL).items():
        whole = maps(LAX)[name]

        def energy(f, args):
            return jnp.sum(f(*args) ** 2)

        got = jax.jit(jax.grad(partial(energy, function)))(args)
        jax.tree.map(np.testing.assert_array_equal, got, jax.grad(partial(energy, whole))(args))
        stacked = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), args)
        expected = jnp.stack([whole(*args), 4 * whole(*args)])
        np.testing.assert_array_equal(jax.jit(jax.vmap(function))(*stacked), expected)
        scanned = jax.jit(
            lambda stacked, function=function: lax.scan(
                lambda carry, args: (carry, function(*args)), 0, stacked
            )[1]
        )
        np.testing.assert_array_equal(scanned(stacked), expected)


@pytest.mark.slow
def test_each_device_has_blocks_of_its_own_images(two_at_a_time):
    """Divided by the compiler or by shard_map: a loop without communication, and the
    sum behind it."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    args = operands(images=8)

    def place(args):
        return [
            jax.device_put(a, NamedSharding(mesh, spec))
            for a, spec in zip(args, (P("data"), P(), P("data")), strict=True)
        ]

    whole, function = (maps(m, PROBLEM.of_images(8))["kernel_grad"] for m in (LAX, IM2COL))

    def by_hand(x, w, dy):
        return lax.psum(maps(IM2COL, PROBLEM.of_images(4))["kernel_grad"](x, w, dy), "data")

    for divided in (
        function,
        jax.shard_map(by_hand, mesh=mesh, in_specs=(P("data"), P(), P("data")), out_specs=P()),
    ):
        np.testing.assert_array_equal(jax.jit(divided)(*place(args)), whole(*args))
        *inner, entry = compiled(divided, *place(args)).split("\nENTRY ")
        assert entry.count(" while(") == 1
        assert entry.count(" all-reduce(") == 1
        assert not re.search(r" (all-|collective-|reduce-scatter)", "".join(inner))
        made = re.findall(r"= f32\[([0-9,]+)\]\S* (copy|fusion|transpose)\(", entry)
        assert not [
            a for a in made if np.prod([int(d) for d in a[0].split(",")]) >= args[0].size // 2
        ]  # no copy of x
    odd = maps(IM2COL, PROBLEM.of_images(6))["kernel_grad"]  # 3 for each: not cut
    assert compiled(odd, *place(operands(images=6))).count(" while(") == 0


def test_sums_of_blocks_are_rounded_once(two_at_a_time):
    """Positive whole numbers in bfloat16: the sum over a block is above 256, where not
    every one of them is representable."""
    x, _, dy = (jnp.abs(a) for a in operands(jnp.bfloat16, images=32))
    dw = IM2COL.kernel_grad(x, dy, PROBLEM.of_images(32))
    assert dw.dtype == jnp.bfloat16
    expected = LAX.kernel_grad(x.astype(jnp.float32), dy.astype(jnp.float32), PROBLEM.of_images(32))
    np.testing.assert_array_equal(dw, expected.astype(jnp.bfloat16))


def test_devices_that_the_compiler_divides_among():
    """As types tell; the list of methods is read for the images of one."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    x = jax.device_put(jnp.ones((4, 3)), NamedSharding(mesh, P("data")))
    seen, chosen = {}, {}

    def see(name, a):
        seen[name] = devices_of(a, jnp.ones(3))
        chosen[name] = portable.method_of("forward", a, jnp.ones(3), ROWS)
        return a

    jax.jit(partial(see, "jit"))(x)
    jax.jit(lambda x: lax.scan(lambda carry, row: (carry, see("scan", row)), 0, x))(x)
    jax.jit(jax.vmap(partial(see, "vmap")))(x)
    jax.jit(
        jax.shard_map(partial(see, "shard_map"), mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    )(x)
    see("alone", jnp.ones((4, 3)))
    assert seen == {"jit": 2, "scan": 2, "vmap": 2, "shard_map": 1, "alone": 1}
    assert {
        name: SIDE_BY_SIDE if count == 1 else NHWC for name, count in seen.items()
    } == chosen  # 8 images fill no row, 16 do
