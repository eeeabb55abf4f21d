"""Rules of windows that slide: convolutions, poolings, and running sums. The positions
are those of `jaxcnn/window.py`: output j meets with its tap t the input, dilated by b,
at s j + d t - p."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.seen.factors import rectangles
from jaxcnn.seen.moves import broadcast, masked, reshaped, transposed
from jaxcnn.seen.program import Program, rule, shape_of
from jaxcnn.seen.relations import along, reduced
from jaxcnn.seen.sets import Field, union
from jaxcnn.seen.values import Value
from jaxcnn.window import Window

MOST_PATTERNS = 64
NO_WINDOW = (1, 1, (0, 0), 1, 1)
PER_CHANNEL = "a kernel whose zeros differ from channel to channel"


def positions(window: Window, axis: int, n: int, m: int) -> np.ndarray:
    """The input position that output j meets with tap t, (m, k); -1 for padding."""
    k, s, d, b = (
        entry[axis] for entry in (window.size, window.stride, window.dilation, window.base_dilation)
    )
    low = window.pads[axis][0]
    places = s * np.arange(m)[:, None] + d * np.arange(k) - low
    inside = (places >= 0) & (places % b == 0) & (places // b < n)
    return np.where(inside, places // b, -1)


def seen_through(places: np.ndarray, n: int, taps: np.ndarray | None = None) -> np.ndarray:
    """Which inputs each output meets, (m, n), with these taps."""
    matrix = np.zeros((len(places), n + 1), bool)
    used = places if taps is None else places[:, taps]
    np.put_along_axis(matrix, used, True, axis=1)
    return matrix[:, :n]


def slid(x: Field, dims: Sequence[int], window: Window, outs: Sequence[int]) -> Field:
    """A window with all its taps over some dims."""
    for axis, (dim, m) in enumerate(zip(dims, outs, strict=True)):
        if tuple(entry[axis] for entry in window) == NO_WINDOW and m == x.shape[dim]:
            continue
        places = positions(window, axis, x.shape[dim], m)
        x = along(x, dim, seen_through(places, x.shape[dim]))
    return x


@rule("conv_general_dilated")
def convolution(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """y[n, (g o), j] = sum_{c, t} x[n, (g c), s j + d t - p] w[(g o), c, t], with the
    dims in any order; groups of the batch as those of the features."""
    params = equation.params
    x_dims, w_dims, y_dims = params["dimension_numbers"]
    shape = shape_of(equation)
    x = transposed(operands[0].field, x_dims)
    w = transposed(operands[1].field, w_dims)
    window = Window(
        w.shape[2:],
        tuple(params["window_strides"]),
        tuple(params["padding"]),
        tuple(params["rhs_dilation"]),
        tuple(params["lhs_dilation"]),
    )
    taps = program.nonzero(operands[1])
    found = convolved(
        x,
        w,
        window,
        tuple(shape[dim] for dim in y_dims),
        (params["feature_group_count"], params["batch_group_count"]),
        None if taps is None else taps.transpose(w_dims),
        program.holes,
    )
    return transposed(found, np.argsort(y_dims).tolist())


def convolved(
    x: Field,
    w: Field,
    window: Window,
    shape: Sequence[int],
    groups: tuple[int, int],
    nonzero: np.ndarray | None,
    holes: bool,
) -> Field:
    """The field of y (n, o, *j), from x (n, c, *i) and w (o, c, *t). With holes, a tap
    on padding is not seen."""
    n, o, *outs = shape
    group, space = max(groups), x.shape[2:]
    if groups[1] > 1:
        x = reshaped(x, (group, x.shape[0] // group, *x.shape[1:]))  # g n c
        x = transposed(x, [1, 0, *range(2, 3 + len(space))])
    else:
        x = reshaped(x, (x.shape[0], group, x.shape[1] // group, *space))  # n g c
    by_channel = any(2 in factor.dims for term in x.terms for factor in term)
    x = reduced(x, [2])
    rest = list(range(3, 3 + len(space)))

    def through(taps: np.ndarray | None) -> Field:
        seen = _through(x, window, outs, taps)
        wide = broadcast(seen, (n, group, o // group, *outs), [0, 1, *rest])
        return reshaped(wide, shape)

    seen = through(None) if nonzero is None else _by_patterns(through, nonzero, by_channel)
    if not w.terms:
        return seen
    w = reduced(w, [1])
    for axis, (size, m) in enumerate(zip(space, outs, strict=True)):
        inside = positions(window, axis, size, m) >= 0
        w = along(w, 1 + axis, inside if holes else np.ones_like(inside))
    return union([seen, broadcast(w, shape, range(1, 2 + len(space)))], shape)


def _by_patterns(
    through: Callable[[np.ndarray], Field], nonzero: np.ndarray, by_channel: bool
) -> Field:
    """Only the taps that are not zero, for each output channel its own."""
    taps = np.asarray(nonzero.any(axis=1))
    different, which = np.unique(taps.reshape(len(taps), -1), axis=0, return_inverse=True)
    if len(different) > MOST_PATTERNS:
        seen = through(np.asarray(taps.any(axis=0)))
        return seen.noting(PER_CHANNEL) if seen.terms else seen
    parts = []
    for number, pattern in enumerate(different):
        part = through(pattern.reshape(taps.shape[1:]))
        mine = (which.reshape(-1) == number).reshape(
            [-1 if d == 1 else 1 for d in range(len(part.shape))]
        )
        parts.append(masked(part, np.broadcast_to(mine, part.shape)))
    seen = union(parts)
    differing = by_channel and (nonzero != taps[:, None]).any()
    return seen.noting(PER_CHANNEL) if differing and seen.terms else seen


def _through(x: Field, window: Window, outs: Sequence[int], taps: np.ndarray | None) -> Field:
    """x (n, g, *i) through a window; only some taps are a union of windows, each with
    some taps per axis."""
    dims = list(range(2, len(x.shape)))
    if taps is None:
        return slid(x, dims, window, outs)
    fields = []
    for part in rectangles(taps):
        one = x
        for axis, (dim, m) in enumerate(zip(dims, outs, strict=True)):
            places = positions(window, axis, x.shape[dim], m)
            one = along(one, dim, seen_through(places, x.shape[dim], part[axis]))
        fields.append(one)
    return union(fields, (*x.shape[:2], *outs))


def _window(params: dict) -> Window:
    axes = len(params["window_dimensions"])
    ones = (1,) * axes
    return Window(
        tuple(params["window_dimensions"]),
        tuple(params["window_strides"]),
        tuple(params["padding"]),
        tuple(params.get("window_dilation") or ones),
        tuple(params.get("base_dilation") or ones),
    )


@rule("reduce_window_sum", "reduce_window_max", "reduce_window_min", "reduce_window")
def pooling(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Sequence[Field]:
    """An output sees its window in all operands, and the initial values."""
    outs = shape_of(equation)
    window, dims = _window(equation.params), list(range(len(outs)))
    fields = [
        slid(value.field, dims, window, outs) if value.shape else value.field for value in operands
    ]
    return [union(fields, outs)] * len(equation.outvars)


@rule("select_and_gather_add")
def chosen(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    (found,) = pooling(program, equation, operands)
    return found


@rule("select_and_scatter_add")
def scattered(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """dy, x -> dx: the windows that contain a position, and all that is in them."""
    dy, x = (value.field for value in operands)
    window = _window(equation.params)
    for dim, (n, m) in enumerate(zip(x.shape, dy.shape, strict=True)):
        matrix = seen_through(positions(window, dim, n, m), n)
        dy = along(dy, dim, matrix.T)
        x = along(along(x, dim, matrix), dim, matrix.T)
    return union([dy, x], shape_of(equation))


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def running(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    axis = equation.params["axis"]
    before = np.tri(operands[0].shape[axis], dtype=bool)
    return along(operands[0].field, axis, before.T if equation.params["reverse"] else before)


@rule("onednn_convolution")
def onednn(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """As (1) of `jaxcnn/ops/convolution/rule.py`, channels last."""
    problem = equation.params["problem"]
    axes = len(problem.window.size)
    inner = list(range(1, 1 + axes))
    x = transposed(operands[0].field, [0, 1 + axes, *inner])
    order = [1 + axes, axes, *range(axes)]
    w = transposed(operands[1].field, order)
    n, *outs, o = shape_of(equation)
    taps = program.nonzero(operands[1])
    taps = None if taps is None else taps.transpose(order)
    y = convolved(x, w, problem.window, (n, o, *outs), (problem.groups, 1), taps, program.holes)
    return transposed(y, [0, *range(2, 2 + axes), 1])


@rule("onednn_depthwise_kernel_grad")
def onednn_kernel_grad(program: Program, equation: JaxprEqn, operands: Sequence[Value]) -> Field:
    """dw[t, 1, c] = sum_{n, j} x[n, s j + d t - p, c] dy[n, j, c]"""
    x, dy = (value.field for value in operands)
    window, shape = equation.params["problem"].window, shape_of(equation)
    axes = len(window.size)
    outs = dy.shape[1 : 1 + axes]
    x = reduced(x, [0])
    for axis, (n, m) in enumerate(zip(x.shape[:axes], outs, strict=True)):
        x = along(x, axis, seen_through(positions(window, axis, n, m).T, n))
    dims = [*range(axes), 1 + axes]
    fields = [broadcast(x, shape, dims)]
    fields.append(broadcast(reduced(dy, range(1 + axes)), shape, dims[-1:]))
    return union(fields, shape)
