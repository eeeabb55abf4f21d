"""How a window, or a joint of branches, changes a receptive field, by equations (1) to
(3) of `jaxcnn/receptive.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any

from jaxcnn.arguments import as_ints, described, is_several
from jaxcnn.fields import Interval, ReceptiveField
from jaxcnn.window import Window, dilated


def slide(x: ReceptiveField, window: Any) -> ReceptiveField:
    """The field of a window that slides over outputs with the field x, by (3). The
    positions that it sees follow from (1)."""
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


def slip(model: Any) -> str:
    return (
        f"; is {model.__name__} to be called, {model.__name__}(...)?"
        if isinstance(model, FunctionType)
        else ""
    )


def _checked_window(window: Any) -> Window:
    """A window, which may be a person's own, after a check: it has ints only, and as
    many of each entry as of the others."""
    if not isinstance(window, Window):
        raise ValueError(
            "model must be a jaxcnn.Layer, a Window or several, got"
            f" {described(window)}{slip(window)}"
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
    """The positions that the taps start, start + dilation, ... before start + span see,
    if they stand on the axis."""
    first = start if start >= 0 else start % dilation
    return _hull(axis[first : max(0, start + span) : dilation])


def _hull(intervals: Iterable[Interval | None]) -> Interval | None:
    """The smallest interval that contains all of these."""
    existing = [interval for interval in intervals if interval is not None]
    return (
        (min(first for first, _ in existing), max(last for _, last in existing))
        if existing
        else None
    )


def join(branches: Sequence[ReceptiveField]) -> ReceptiveField:
    """The field of outputs that see everything that any branch sees there."""
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
        ),  # they differ only for a single output, which it cannot move
        padding=padding,
        input_size=branches[0].input_size,
        output_size=output_size,
        aligned=len(centres) == 1 and all(branch.aligned for branch in branches),
        seen=tuple(
            tuple(_hull(position) for position in zip(*axis, strict=True))
            for axis in zip(*(branch.seen for branch in branches), strict=True)
        ),
    )
