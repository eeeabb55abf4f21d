"""Receptive fields, in integers only: which part of the image an output of a stack of
windows sees.

Per axis, output j of a layer with k taps, stride s, dilation d and low pad p sees of
that layer's input (`jaxcnn/window.py`)

    s j + d t - p        for t = 0 ... k - 1, hence
    from s j - p to s j - p + D - 1, with D = d (k - 1) + 1                          (1)

A receptive field has size r, stride S and padding P (the effective ones): output j sees
of the image

    [S j - P,  S j - P + r - 1]        with its centre at  S j - P + (r - 1)/2       (2)

No layer at all is r = S = 1, P = 0. One layer more: its output j sees what its first
and its last tap see, so that (1) in (2), from S (s j - p) - P to S (s j - p + D - 1) -
P + r - 1, is (2) again, with

    r' = r + (D - 1) S        P' = P + p S        S' = s S                           (3)

From the image onwards, (3) gives the field of every layer in one pass. The source
document goes the other way, from one output back to the image: of r_l cells in a row on
layer l, the outermost windows stand s_l (r_l - 1) apart on layer l - 1, so

    r_{l-1} = s_l (r_l - 1) + D_l = s_l r_l + (D_l - s_l),        r_L = 1            (4)

which counts the cells of every layer that one output of layer L sees. Unrolled, both
are the same sum over the layers:

    r = 1 + sum_l (D_l - 1) prod_{i < l} s_i                                         (5)

(3) adds its terms from the first layer on, (4) from the last.

Branches that get the same input and are joined position by position: an output sees
what any of them sees, from the least first to the greatest last position in (2). Where
their centres agree this is the largest of the fields, and they are called aligned.
Branches of different strides drift apart along the image, and no r, S and P describe
them.

(2) counts padding as if the image went on there. What an output sees of the image
itself follows from (1) alone, layer by layer, without the taps that stand on padding:
`ReceptiveField.clipped`. Mostly this is (2) cut off at the border of the image, but it
is less where a layer leaves positions out at a border (a crop, or a tail that no window
touches) and a later one pads there, and where a dilated window has no tap on the
border. Between its first and last position an output need not see all: dilation, and
strides larger than the window, leave holes.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, doi:10.23915/distill.00021; (4) is also in the document "Deep
Learning - CNN Basics".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from jaxcnn.arguments import as_ints, described, is_several, per_axis
from jaxcnn.parts import LayerLike, is_layer_like, walk
from jaxcnn.window import Window, dilated

Interval = tuple[int, int]  # the first and the last position


@dataclass(frozen=True)
class ReceptiveField:
    """What the outputs of a model see of its image, one entry per spatial axis.

    Attributes:
      size: how many positions of the image, padding included, an output sees from its
        first to its last: r.
      stride: how far the fields of neighbouring outputs are apart: S.
      padding: how far the field of output 0 begins before the image: P; negative where
        it begins inside.
      input_size: the size of the image.
      output_size: the number of outputs.
      aligned: whether at every joint the branches saw the same centre.
      seen: axis by axis for every output, the first and the last position of the image
        that it sees; None where it sees padding only.

    >>> two = receptive_field([Window((3,), (2,), ((1, 1),), (1,), (1,))] * 2, (8,))
    >>> two
    ReceptiveField(size=(7,), stride=(4,), padding=(3,), input_size=(8,),
                   output_size=(2,), aligned=True)
    >>> two.interval((0,)), two.clipped((0,)), two.centre((0,))
    (((-3, 3),), ((0, 3),), (0.0,))
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    input_size: tuple[int, ...]
    output_size: tuple[int, ...]
    aligned: bool
    seen: tuple[tuple[Interval | None, ...], ...] = field(repr=False)

    def interval(self, position: Sequence[int]) -> tuple[Interval, ...]:
        """First and last position that the output at `position` sees, per axis,
        equation (2); both may lie in the padding."""
        return tuple(
            (s * j - p, s * j - p + r - 1)
            for j, r, s, p in zip(
                self._checked(position), self.size, self.stride, self.padding, strict=True
            )
        )

    def clipped(self, position: Sequence[int]) -> tuple[Interval, ...] | None:
        """First and last position of the image itself that the output at `position`
        sees; None where it sees none of it."""
        intervals = [axis[j] for axis, j in zip(self.seen, self._checked(position), strict=True)]
        existing = tuple(interval for interval in intervals if interval is not None)
        return existing if len(existing) == len(intervals) else None

    def centre(self, position: Sequence[int]) -> tuple[float, ...]:
        """The centre of `interval`; halves lie between two positions."""
        return tuple((first + last) / 2 for first, last in self.interval(position))

    def _checked(self, position: Sequence[int]) -> tuple[int, ...]:
        needed = f"that of an output, one of {self.output_size} per axis"
        ints = as_ints("position", position, needed)
        if len(ints) != len(self.output_size) or not all(
            0 <= j < m for j, m in zip(ints, self.output_size, strict=True)
        ):
            raise ValueError(f"position must be {needed}, got {described(position)}")
        return ints


def receptive_field(
    model: LayerLike | Window | Iterable[Window], input_size: int | Sequence[int]
) -> ReceptiveField:
    """What the outputs of a model, or of windows one after another, see of an image.

    Args:
      model: a `jaxcnn.Layer`; or anything with its `window`, `parts` and `parallel`; or
        a `Window`, or several.
      input_size: the spatial size of the image, one int per axis, or one for a single
        axis. "same" padding depends on it.

    Layers that mix images, such as a batch normalisation in training, count as if they
    did not.

    Raises:
      ValueError: where a window is larger than its padded input, has another number of
        axes, or has a base dilation (a transposed convolution: its outputs do not all
        see alike); or where branches meet that differ in size or in stride; or on a
        model, a window or a size that is none.

    >>> from jaxcnn import layers
    >>> model = layers.serial(
    ...     layers.conv(8, 3), layers.relu(), layers.max_pool(2), layers.conv(8, 3)
    ... )
    >>> receptive_field(model, (28, 28)).size
    (8, 8)
    """
    start = _start(input_size)
    if is_layer_like(model):
        return next(reversed(walk(model, start, _field).values()))
    if isinstance(model, Window | str) or not isinstance(model, Iterable):
        return _slide(start, model)
    for window in model:
        start = _slide(start, window)
    return start


def receptive_fields(
    model: LayerLike, input_size: int | Sequence[int]
) -> dict[str, ReceptiveField]:
    """What the outputs of every layer inside a model see of its image, by the paths of
    `jaxcnn.layers.outputs`.

    Arguments and errors as in `receptive_field`. An error has a note for each layer
    that it came through, the innermost first.

    >>> from jaxcnn import layers
    >>> model = layers.serial(
    ...     layers.conv(8, 3), layers.residual(layers.conv(8, 5)), layers.max_pool(2)
    ... )
    >>> fields = receptive_fields(model, (28,))
    >>> {path: (field.size, field.stride) for path, field in fields.items()}
    {'0_conv': ((3,), (1,)), '1_residual/inner': ((7,), (1,)),
     '1_residual/shortcut': ((3,), (1,)), '1_residual': ((7,), (1,)),
     '2_max_pool': ((8,), (2,))}
    """
    if not is_layer_like(model):
        raise ValueError(
            f"model must be a jaxcnn.Layer, got {described(model)}: receptive_field takes"
            f" windows{_slip(model)}"
        )
    return walk(model, _start(input_size), _field)


def _slip(model: Any) -> str:
    return (
        f"; is {model.__name__} to be called, {model.__name__}(...)?"
        if isinstance(model, FunctionType)
        else ""
    )


def _start(input_size: int | Sequence[int]) -> ReceptiveField:
    """The image itself."""
    n = per_axis(
        "input_size",
        input_size,
        1 if isinstance(input_size, int) or not is_several(input_size) else len(input_size),
    )
    if not n:
        raise ValueError("input_size must have one int per spatial axis, got none")
    return ReceptiveField(
        size=(1,) * len(n),
        stride=(1,) * len(n),
        padding=(0,) * len(n),
        input_size=n,
        output_size=n,
        aligned=True,
        seen=tuple(tuple((i, i) for i in range(size)) for size in n),
    )


def _field(
    layer: LayerLike, x: ReceptiveField, steps: Any, ends: Sequence[ReceptiveField]
) -> ReceptiveField:
    """The field of a layer whose input has the field x, and whose parallel parts have
    `ends`."""
    if layer.parts:
        return _join(ends)
    if layer.window is None:
        return x
    if not callable(layer.window):
        raise ValueError(
            "window must be a function of a layer's input size, or None, got"
            f" {described(layer.window)}"
        )
    return _slide(x, layer.window(x.output_size))


def _slide(x: ReceptiveField, window: Any) -> ReceptiveField:
    """The field of a window that slides over outputs with the field x: (3), and (1) for
    what is seen."""
    window = _checked_window(window)
    if len(window.size) != len(x.output_size):
        raise ValueError(
            f"window must have one entry per spatial axis ({len(x.output_size)} here), got {window}"
        )
    if any(b != 1 for b in window.base_dilation):
        raise ValueError(
            f"window must have base_dilation 1, got {window.base_dilation}: outputs of a transposed"
            " convolution differ"
        )
    output_size = window.output_size(x.output_size)
    spans = [dilated(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
    for axis, (m, span, n, pads) in enumerate(
        zip(output_size, spans, x.output_size, window.pads, strict=True)
    ):
        if m == 0:
            raise ValueError(
                f"window spans {span} on spatial axis {axis}, its padded input {n + sum(pads)} ({n}"
                f" with pads {pads})"
            )
    lows = [lo for lo, _ in window.pads]
    return ReceptiveField(
        size=tuple(r + (span - 1) * S for r, span, S in zip(x.size, spans, x.stride, strict=True)),
        stride=tuple(s * S for s, S in zip(window.stride, x.stride, strict=True)),
        padding=tuple(P + lo * S for P, lo, S in zip(x.padding, lows, x.stride, strict=True)),
        input_size=x.input_size,
        output_size=output_size,
        aligned=x.aligned,
        seen=tuple(
            tuple(_seen(axis, s * j - lo, span, d) for j in range(m))
            for axis, m, s, lo, span, d in zip(
                x.seen, output_size, window.stride, lows, spans, window.dilation, strict=True
            )
        ),
    )


def _checked_window(window: Any) -> Window:
    """A window that may be a person's own, with ints only and as many of each as of the
    others."""
    if not isinstance(window, Window):
        raise ValueError(
            "model must be a jaxcnn.Layer, a Window or several, got"
            f" {described(window)}{_slip(window)}"
        )
    ints = {
        name: as_ints(f"window.{name}", getattr(window, name), "one int per spatial axis", least=1)
        for name in ("size", "stride", "dilation", "base_dilation")
    }
    pads = tuple(
        as_ints("window.pads", pair, "(low, high) pairs")
        for pair in (window.pads if is_several(window.pads) else [window.pads])
    )
    if len({len(pads), *map(len, ints.values())}) > 1 or any(len(pair) != 2 for pair in pads):
        raise ValueError(
            f"window must have one entry of each per spatial axis, and pads in pairs, got {window}"
        )
    return Window(
        ints["size"],
        ints["stride"],
        tuple((lo, hi) for lo, hi in pads),
        ints["dilation"],
        ints["base_dilation"],
    )


def _seen(
    axis: tuple[Interval | None, ...], start: int, span: int, dilation: int
) -> Interval | None:
    """What is seen by the taps start, start + dilation, ... before start + span that
    stand on the axis."""
    first = start if start >= 0 else start % dilation
    return _hull(axis[first : max(0, start + span) : dilation])


def _hull(intervals: Iterable[Interval | None]) -> Interval | None:
    """The smallest interval that holds them all."""
    existing = [interval for interval in intervals if interval is not None]
    return (
        (min(first for first, _ in existing), max(last for _, last in existing))
        if existing
        else None
    )


def _join(branches: Sequence[ReceptiveField]) -> ReceptiveField:
    """The field of outputs that each see what all branches see there."""
    sizes = {branch.output_size for branch in branches}
    if len(sizes) > 1:
        raise ValueError(
            f"parallel parts must give one size, got {' and '.join(map(str, sorted(sizes)))}"
        )
    (output_size,) = sizes
    strides = [set(axis) for axis in zip(*(branch.stride for branch in branches), strict=True)]
    for axis, (different, m) in enumerate(zip(strides, output_size, strict=True)):
        if len(different) > 1 and m > 1:
            raise ValueError(
                f"parallel parts must have one stride on spatial axis {axis}, got"
                f" {' and '.join(map(str, different))}"
            )
    padding = tuple(
        max(axis) for axis in zip(*(branch.padding for branch in branches), strict=True)
    )
    ends = [
        [r - P for r, P in zip(branch.size, branch.padding, strict=True)] for branch in branches
    ]
    centres = {
        tuple(r - 1 - 2 * P for r, P in zip(branch.size, branch.padding, strict=True))
        for branch in branches
    }
    return ReceptiveField(
        size=tuple(P + max(axis) for P, axis in zip(padding, zip(*ends, strict=True), strict=True)),
        stride=tuple(
            max(different) for different in strides
        ),  # they differ only where there is one output, which it cannot move
        padding=padding,
        input_size=branches[0].input_size,
        output_size=output_size,
        aligned=len(centres) == 1 and all(branch.aligned for branch in branches),
        seen=tuple(
            tuple(_hull(position) for position in zip(*axis, strict=True))
            for axis in zip(*(branch.seen for branch in branches), strict=True)
        ),
    )
