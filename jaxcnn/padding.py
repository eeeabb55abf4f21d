"""Windows as a person writes them: padding as a word, one int for all axes or one for
each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from jaxcnn.arguments import as_int, as_ints, described, is_several, per_axis
from jaxcnn.sizes import at_least
from jaxcnn.window import Window, dilated

PaddingWord = Literal["valid", "same", "same_lower", "full", "causal", "VALID", "SAME"]

Padding = PaddingWord | int | Sequence[int] | Sequence[tuple[int, int]]

PADDING_WORDS = ("valid", "same", "same_lower", "full", "causal")


def make_window(
    size: Sequence[int],
    input_size: Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
) -> Window:
    """A `Window` from the forms that a person writes: ints for all axes, and padding
    words.

    Args:
      size: number of taps per axis.
      input_size: spatial size of the input per axis; "same" depends on it.
      stride, dilation: one int, or one per axis.
      padding: see `resolve_padding`.

    Raises:
      ValueError: naming the argument, what came and what was needed.

    >>> make_window((3, 3), (8, 8), stride=2, padding="same").pads
    ((0, 1), (0, 1))
    """
    axes = len(size)
    size = per_axis("size", size, axes)
    strides = per_axis("stride", stride, axes)
    dilations = per_axis("dilation", dilation, axes)
    pads = resolve_padding(padding, input_size, size, strides, dilations)
    return Window(size, strides, pads, dilations, (1,) * axes)


def resolve_padding(
    padding: Padding,
    input_size: Sequence[int],
    size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """(low, high) pads per axis from any of the forms that a person may write.

    Args:
      padding: one of
        "valid"       no padding;
        "same"        ceil(n / stride) outputs, the odd zero at the high end (XLA's and
                      TensorFlow's SAME: it depends on the stride; PyTorch's "same" is
                      this at stride 1, with the odd zero at the high end too);
        "same_lower"  the same with the odd zero at the low end;
        "full"        D_k - 1 zeros on both sides: each input meets every tap;
        "causal"      D_k - 1 zeros at the low end (1-D): no output sees a later input;
        an int        on both sides of every axis; one int per axis: on both its sides;
        (low, high) pairs, one per axis; negative values crop.

    >>> resolve_padding("same", (5,), (4,), (1,), (1,))
    ((1, 2),)
    >>> resolve_padding(((2, -1),), (5,), (2,), (1,), (1,))
    ((2, -1),)
    """
    axes = len(size)
    spans = [dilated(k, d) for k, d in zip(size, dilation, strict=True)]
    if isinstance(padding, str):
        return _of_word(padding, input_size, stride, spans)
    needed = f"one of {', '.join(PADDING_WORDS)}, an int, one int per axis, or (low, high) pairs"
    if not is_several(padding):
        try:
            p = as_int("padding", padding)
        except ValueError as error:
            raise ValueError(f"padding must be {needed}, got {described(padding)}") from error
        return ((p, p),) * axes
    entries = []
    for entry in cast(Sequence[Any], padding):
        pair = as_ints("padding", entry if is_several(entry) else (entry, entry), needed)
        if len(pair) != 2:
            raise ValueError(f"padding must be {needed}, got {described(padding)}")
        entries.append((pair[0], pair[1]))
    if len(entries) != axes:
        hint = ""
        if axes == 1 and len(entries) == 2:
            hint = f"; one (low, high) pair is written ({padding!r},)"
        raise ValueError(
            f"padding needs one entry per spatial axis ({axes} here), got"
            f" {described(padding)}{hint}"
        )
    return tuple(entries)


def _of_word(
    word: str, input_size: Sequence[int], stride: Sequence[int], spans: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """The pads that a padding word stands for, given the number of positions that a
    window spans."""
    axes = len(spans)
    lowered = word.lower()
    if lowered == "valid":
        return ((0, 0),) * axes
    if lowered == "full":
        return tuple((span - 1, span - 1) for span in spans)
    if lowered == "causal":
        if axes != 1:
            raise ValueError(
                f"padding='causal' is for one spatial axis (time), got {axes} spatial axes"
            )
        return ((spans[0] - 1, 0),)
    if lowered in ("same", "same_lower"):
        totals = [
            at_least((-(-n // s) - 1) * s + span - n, 0)
            for n, s, span in zip(input_size, stride, spans, strict=True)
        ]
        halves = [(total // 2, total - total // 2) for total in totals]
        return tuple(halves) if lowered == "same" else tuple((hi, lo) for lo, hi in halves)
    raise ValueError(
        f"padding must be one of {', '.join(PADDING_WORDS)}, ints or (low, high) pairs, got"
        f" {word!r}"
    )
