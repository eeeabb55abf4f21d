"""The pools of a TPU, whose passes are XLA's own, compute what the taps one by one
compute. A CPU runs them here, for what it can run."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.check.cases import POOL_CASES
from jaxcnn.ops import average_pooling, max_pooling
from jaxcnn.ops._one_pass import has_selection, scatter_to_winners
from jaxcnn.ops._pool_windows import reduced_along
from jaxcnn.ops._winners import max_and_winners, to_winners
from jaxcnn.padding import make_window
from tests import naive
from tests.ops.test_pool import window_of

CASES = [case for case in POOL_CASES if 0 not in case.x]
SELECTED = [case for case in CASES if has_selection(window_of(case)[0], case.x[1:-1])]
SPECIAL = {"finite": None, "inf": np.inf, "-inf": -np.inf}


def data(case, special=None):
    """x with many ties, dy, and the window."""
    rng, window = np.random.default_rng(0), window_of(case)[0]
    x = draw.integers(rng, case.x, largest=2).astype(np.float32)
    if special is not None:
        x = np.where(rng.random(x.shape) < 0.4, np.float32(special), x)
    y = (case.x[0], *window.output_size(case.x[1:-1]), case.x[-1])
    return jnp.asarray(x), jnp.asarray(draw.integers(rng, y), jnp.float32), window


def selected(x, dy, window):
    """The gradient by selection. XLA's CPU backend has no padded selection, so the
    padding is part of x here. It never wins against a number."""
    pads = [(0, 0), *window.pads, (0, 0)]
    padded = jnp.pad(x, pads, constant_values=-jnp.inf)
    dx = max_pooling._by_selection(window._replace(pads=((0, 0),) * len(window.size)), padded, dy)
    index = tuple(slice(lo, lo + n) for (lo, _), n in zip(pads, x.shape, strict=True))
    return dx[index]


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in SELECTED])
def test_a_selection_has_the_conventions_of_the_taps(case, special):
    """The first maximum wins."""
    x, dy, window = data(case, SPECIAL[special])
    if special == "-inf" and any(max(pads) > 0 for pads in window.pads):
        pytest.skip("a window of -inf and padding needs XLA's own padding, which a TPU has")
    _, winners = max_and_winners(x, window)
    expected = to_winners(window, case.x[1:-1], winners, dy)
    np.testing.assert_array_equal(selected(x, dy, window), expected)
    _, dx = naive.max_pool_and_gradient(np.asarray(x), np.asarray(dy), window)
    np.testing.assert_array_equal(expected, dx)


@pytest.mark.parametrize(
    ("x", "won"),
    [([9, np.nan, 2, 5, 5], 3), ([9, np.nan, 2, np.nan, 1], 4), ([1, 2, 3, 4, np.nan], 4)],
    ids=str,
)
def test_a_nan_loses_a_selection_to_what_is_behind_it(x, won):
    window = make_window((5,), (5,))
    dx = scatter_to_winners(jnp.asarray(x, "float32").reshape(1, 5, 1), jnp.ones((1, 1, 1)), window)
    assert dx.ravel().tolist() == [float(tap == won) for tap in range(5)]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in SELECTED])
def test_the_forward_of_a_selection(case):
    x, _, window = data(case, np.nan)
    y, winners = max_pooling._max_alone(window, x)
    expected, others = max_and_winners(x, window)
    np.testing.assert_array_equal(y, expected)
    assert [(w.shape, w.dtype) for w in winners] == [(w.shape, w.dtype) for w in others]


def test_which_windows_a_selection_takes():
    left_out = {case.id for case in CASES if case not in SELECTED}
    for case in CASES:
        window = window_of(case)[0]
        hard = max(window.dilation) > 1 or min(pad for both in window.pads for pad in both) < 0
        assert (case.id in left_out) == hard, case.id
    assert {"2d-dilated", "2d-crop"} <= left_out


AUTO, EXPLICIT = AxisType.Auto, AxisType.Explicit


MESHES = [
    ((2,), ("batch",), AUTO),
    ((1, 2), ("batch", None, None, "model"), AUTO),
    ((2,), ("batch",), EXPLICIT),
    ((1, 2), ("batch", None, None, "model"), EXPLICIT),
]


def split_over(sizes, spec, kind):
    """Of the batch, or of batch and channels."""
    names = ("batch", "model")[: len(sizes)]
    return NamedSharding(jax.make_mesh(sizes, names, (kind,) * len(sizes)), PartitionSpec(*spec))


@pytest.mark.parametrize(("sizes", "spec", "kind"), MESHES, ids=str)
def test_a_tpu_selects_on_meshes(sizes, spec, kind):
    split = split_over(sizes, spec, kind)
    with jax.set_mesh(split.mesh):
        assert selects(jax.ShapeDtypeStruct((8, 4, 4, 2), "float32", sharding=split))


def selects(x, pool=None):
    pool = pool or partial(jaxcnn.max_pool, size=2)
    grad = jax.grad(lambda x: pool(x).sum())
    return "select_and_scatter" in str(jax.jit(grad).trace(x).jaxpr)


def image_and_cotangent():
    """x with ties and NaNs, and dy, of windows without pads."""
    case = next(case for case in SELECTED if case.id == "2d-overlap")
    window = window_of(case)[0]._replace(pads=((0, 0), (0, 0)))
    rng = np.random.default_rng(0)
    x = draw.integers(rng, (4, 7, 8, 6), largest=2).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (4, *window.output_size((7, 8)), 6)
    return jnp.asarray(x), jnp.asarray(draw.integers(rng, y), jnp.float32), window


@pytest.mark.parametrize(("sizes", "spec", "kind"), MESHES, ids=str)
def test_devices_share_a_selection(sizes, spec, kind):
    """Each has its part, and nothing is gathered."""
    x, dy, window = image_and_cotangent()
    split = split_over(sizes, spec, kind)
    select = jax.jit(partial(scatter_to_winners, window=window))
    expected = select(x, dy)
    with jax.set_mesh(split.mesh):
        operands = jax.device_put((x, dy), split)
        dx = select(*operands)
        assert dx.sharding.is_equivalent_to(split, 4)
        np.testing.assert_array_equal(dx, expected)
        text = select.lower(*operands).compile().as_text()
    assert not re.search(r"all-(gather|reduce|to-all)|collective-permute", text)


def test_a_selection_inside_shard_map():
    x, dy, window = image_and_cotangent()
    mesh = jax.make_mesh((2,), ("d",), (AUTO,))
    select = partial(scatter_to_winners, window=window)
    specs = PartitionSpec("d")
    each = jax.shard_map(select, mesh=mesh, in_specs=(specs, specs), out_specs=specs)
    np.testing.assert_array_equal(jax.jit(each)(x, dy), select(x, dy))
    pool = jax.shard_map(
        partial(jaxcnn.max_pool, size=2), mesh=mesh, in_specs=specs, out_specs=specs
    )
    assert selects(x, pool)


@pytest.mark.parametrize("batched", [(1, 1), (1, None), (None, 1)], ids=["both", "x", "dy"])
def test_a_batch_of_selections(batched):
    x, dy, window = image_and_cotangent()
    select = partial(scatter_to_winners, window=window)
    operands = [
        a if axis is None else jnp.stack([a, a[::-1], 2 * a], axis)
        for a, axis in zip((x, dy), batched, strict=True)
    ]
    expected = [
        select(*(a if axis is None else a[:, k] for a, axis in zip(operands, batched, strict=True)))
        for k in range(3)
    ]
    np.testing.assert_array_equal(jax.jit(jax.vmap(select, batched))(*operands), expected)


def test_a_selection_is_exported():
    x, dy, window = image_and_cotangent()
    select = partial(scatter_to_winners, window=window)
    there = export.deserialize(export.export(jax.jit(select))(x, dy).serialize())
    np.testing.assert_array_equal(there.call(x, dy), select(x, dy))


def test_a_selection_adds_16_bit_floats_up_in_float32():
    """Nine windows give 1 to the same tap, and 256 + 1 is 256 in bfloat16."""
    window = window_of(next(case for case in SELECTED if case.id == "2d-overlap"))[0]
    size = window.size
    window = window._replace(stride=(1, 1), pads=((0, 0), (0, 0)))
    space = tuple(2 * k - 1 for k in size)
    x = jnp.zeros((1, *space, 1), "bfloat16").at[0, size[0] - 1, size[1] - 1, 0].set(1)
    dy = jnp.ones((1, *size, 1), "bfloat16").at[0, 0, 0, 0].set(256)
    dx = max_pooling._by_selection(window, x, dy)
    total = 255 + size[0] * size[1]
    assert dx.dtype == jnp.bfloat16
    assert float(jnp.max(dx)) == float(jnp.asarray(total, "bfloat16"))


def test_second_derivatives_of_a_selection():
    """Its transpose takes each cotangent from the tap that won."""
    x, dy, window = data(SELECTED[0])
    window = window._replace(pads=((0, 0),) * len(window.size))
    y = jax.eval_shape(lambda x: max_and_winners(x, window)[0], x)
    dy = jnp.asarray(draw.integers(np.random.default_rng(1), y.shape), jnp.float32)
    _, pull = jax.vjp(lambda dy: max_pooling._by_selection(window, x, dy), dy)
    _, winners = max_and_winners(x, window)
    _, expected = jax.vjp(lambda dy: to_winners(window, x.shape[1:-1], winners, dy), dy)
    np.testing.assert_array_equal(pull(x)[0], expected(x)[0])


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_means_at_once_equal_means_axis_by_axis(case):
    x, dy, window = data(case)
    space = case.x[1:-1]
    at_once = reduced_along(x, window, 0.0, lax.add)
    np.testing.assert_array_equal(at_once, average_pooling._sum_by_axes(window, space, x))
    back = reduced_along(dy, window.input_grad(space), 0.0, lax.add)
    np.testing.assert_array_equal(back, average_pooling._shared_by_axes(window, space, dy))
