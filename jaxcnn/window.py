"""Sliding windows, in integers only: the positions of a kernel or a pool on its input.

Per axis, a window has ``size`` k taps, ``stride`` s, ``dilation`` d between its taps,
and the input carries ``pads`` (p_lo, p_hi) and ``base_dilation`` b (b - 1 zeros between
its elements; 1 outside transposed convolutions). With the dilated sizes

    D_in  = b (n - 1) + 1        the input of n elements
    D_k   = d (k - 1) + 1        the window
    D_out = s (m - 1) + 1        the span of the m window positions

output j meets, with its tap t, the dilated input at s j + d t - p_lo, and

    m = floor((D_in + p_lo + p_hi - D_k) / s) + 1             the number of outputs
    r = (D_in + p_lo + p_hi - D_k) mod s                      the remainder: the tail
                                                              that no window touches

With b = d = 1 and p = p_lo = p_hi this is the textbook's (n + 2p - k)/s + 1. Pads may
be negative, which crops. The size n may be symbolic (`jaxcnn/sizes.py`); then m, r and
the pads of "same" with a stride are symbolic too.

The gradients of a convolution are convolutions too. This file computes their windows:

    input gradient    the cotangent, dilated by s, meets the flipped kernel:
                      size k, stride b, dilation d, base dilation s, pads (D_k - 1 -
                      p_lo, D_k - 1 - p_hi + r)
    kernel gradient   the input meets the cotangent as its kernel:
                      size m, stride d, dilation s, base dilation b, pads (p_lo, p_hi -
                      r)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxcnn.sizes import at_least, at_most, is_known


def dilated(size: int, dilation: int) -> int:
    """The span of `size` elements with `dilation - 1` holes between neighbours.

    >>> dilated(3, 2)
    5
    """
    if is_known(size):
        return dilation * (size - 1) + 1 if size > 0 else 0
    return size if dilation == 1 else dilation * (size - 1) + 1


class Window(NamedTuple):
    """A window's geometry, one entry per spatial axis. Hashable, so that it can be a
    static argument.

    >>> window = Window(
    ...     size=(3,), stride=(2,), pads=((1, 1),), dilation=(1,), base_dilation=(1,)
    ... )
    >>> window.output_size((8,)), window.remainder((8,))
    ((4,), (1,))
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    base_dilation: tuple[int, ...]

    def split(self, axes: int) -> tuple[Window, Window]:
        """The window on its first `axes` axes, and on the others."""
        return Window._make(entries[:axes] for entries in self), Window._make(
            entries[axes:] for entries in self
        )

    def along(self, *axes: int) -> Window:
        """The window along these axes alone: one tap on each of the others.

        >>> Window((2, 3), (2, 1), ((0, 0), (1, 1)), (1, 1), (1, 1)).along(1).size
        (1, 3)
        """
        rest = range(len(self.size))
        return Window._make(
            tuple(mine[a] if a in axes else unit for a in rest)
            for mine, (unit,) in zip(self, UNIT, strict=True)
        )

    def beside(self, other: Window) -> Window:
        """The window on this one's axes and then the other's.

        >>> UNIT.beside(UNIT).size
        (1, 1)
        """
        return Window._make(mine + theirs for mine, theirs in zip(self, other, strict=True))

    def _slack(self, input_size: Sequence[int]) -> list[int]:
        """D_in + p_lo + p_hi - D_k per axis: how far the window can move; negative
        where it does not fit."""
        return [
            dilated(n, b) + lo + hi - dilated(k, d)
            for n, k, (lo, hi), d, b in zip(
                input_size, self.size, self.pads, self.dilation, self.base_dilation, strict=True
            )
        ]

    def output_size(self, input_size: Sequence[int]) -> tuple[int, ...]:
        """The number of window positions m per axis; 0 where the window is larger than
        the padded input."""
        return tuple(
            at_least(slack // s + 1, 0)
            for slack, s in zip(self._slack(input_size), self.stride, strict=True)
        )

    def tiles(self, input_size: Sequence[int]) -> bool:
        """Whether every input stands in exactly one window, and no window on padding.

        >>> Window((2,), (2,), ((0, 0),), (1,), (1,)).tiles((6,))
        True
        """
        sizes = zip(self.size, self.stride, self.output_size(input_size), input_size, strict=True)
        plain = set(self.pads) == {(0, 0)} and set(self.dilation) | set(self.base_dilation) == {1}
        return plain and all(k == s and k * m == n for k, s, m, n in sizes)

    def remainder(self, input_size: Sequence[int]) -> tuple[int, ...]:
        """The length r, per axis, of the padded input's tail that no window touches."""
        return tuple(
            slack % s if s > 1 else 0
            for slack, s in zip(self._slack(input_size), self.stride, strict=True)
        )

    def input_grad(self, input_size: Sequence[int]) -> Window:
        """The window of the input gradient: a full convolution of the cotangent with
        the kernel."""
        pads = tuple(
            (dilated(k, d) - 1 - lo, dilated(k, d) - 1 - hi + r)
            for k, d, (lo, hi), r in zip(
                self.size, self.dilation, self.pads, self.remainder(input_size), strict=True
            )
        )
        return Window(self.size, self.base_dilation, pads, self.dilation, self.stride)

    def kernel_grad(self, input_size: Sequence[int]) -> Window:
        """The window of the kernel gradient: a cross-correlation of the input with the
        cotangent."""
        pads = tuple(
            (lo, hi - r) for (lo, hi), r in zip(self.pads, self.remainder(input_size), strict=True)
        )
        return Window(
            self.output_size(input_size), self.dilation, pads, self.stride, self.base_dilation
        )

    def crop(self, input_size: Sequence[int]) -> tuple[tuple[slice, ...], Window]:
        """An equal window without negative pads or a remainder, and the slice of the
        input that it stands on.

        The remainder is subtracted from the high pad. A pad of -c then removes c
        positions of the dilated input, hence its first, or last, e = ceil(c / b)
        elements, and leaves e b - c zeros beside the next one. If nothing is left of an
        axis, its slice is empty and every output is 0. A symbolic remainder or pad
        stays as it is.

        >>> window = Window((2,), (1,), ((-1, 2),), (1,), (1,))
        >>> window.crop((4,))
        ((slice(1, 4, None),),
         Window(size=(2,), stride=(1,), pads=((0, 2),), dilation=(1,),
                base_dilation=(1,)))
        """
        slices, pads = [], []
        for n, (lo, hi), b, r in zip(
            input_size, self.pads, self.base_dilation, self.remainder(input_size), strict=True
        ):
            hi -= r if is_known(hi, r) else 0
            first, last = (
                -(min(pad, 0) // b) if is_known(pad) else 0 for pad in (lo, hi)
            )  # e = ceil(c / b), for c = -pad
            slices.append(slice(first, at_least(n - last, first) if first or last else n))
            pads.append((lo + first * b, hi + last * b))
        return tuple(slices), self._replace(pads=tuple(pads))

    def ceil(self, input_size: Sequence[int]) -> Window:
        """The window with its high pads grown or shrunk so that the output size rounds
        up instead of down.

        A last window that would start beyond the input, in the high pad, is left out,
        as in PyTorch's `ceil_mode`. A negative high pad is refused, because growing it
        would bring back positions that it crops.

        >>> window = Window((2,), (2,), ((0, 0),), (1,), (1,))
        >>> window.ceil((5,)).output_size((5,))
        (3,)
        """
        if any(is_known(hi) and hi < 0 for _, hi in self.pads):
            raise ValueError(
                f"padding must not be negative at the high end with ceil_mode, got {self.pads}:"
                " crop x before"
            )
        pads = []
        for n, slack, s, (lo, hi) in zip(
            input_size, self._slack(input_size), self.stride, self.pads, strict=True
        ):
            outputs = -(-slack // s) + 1
            outputs -= at_most(
                at_least((outputs - 1) * s - (n + lo) + 1, 0), 1
            )  # by 1 where the last one starts beyond
            pads.append((lo, hi + (outputs - 1) * s - slack))
        return self._replace(pads=tuple(pads))


UNIT = Window((1,), (1,), ((0, 0),), (1,), (1,))
"""One tap on one axis: it leaves an array as it is."""
