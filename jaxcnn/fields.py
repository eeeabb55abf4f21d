"""The receptive field of an output, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxcnn.arguments import as_ints, described

Interval = tuple[int, int]  # the first and the last position


@dataclass(frozen=True)
class ReceptiveField:
    """What the outputs of a model see of its image, one entry per spatial axis.

    Attributes:
      size: r, the number of positions from the first to the last that an output sees,
        padding included.
      stride: S, the distance between the fields of neighbouring outputs.
      padding: P, how far before the image the field of output 0 begins; negative if it
        begins inside the image.
      input_size: the size of the image.
      output_size: the number of outputs.
      aligned: whether the branches see the same centre at every joint.
      seen: for every output, axis by axis, the first and last position of the image
        that it sees; None if it sees only padding.

    >>> from jaxcnn import Window
    >>> from jaxcnn import receptive_field
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
        sees; None if it sees none."""
        intervals = [axis[j] for axis, j in zip(self.seen, self._checked(position), strict=True)]
        existing = tuple(interval for interval in intervals if interval is not None)
        return existing if len(existing) == len(intervals) else None

    def centre(self, position: Sequence[int]) -> tuple[float, ...]:
        """The centre of `interval`. A half lies between two positions."""
        return tuple((first + last) / 2 for first, last in self.interval(position))

    def _checked(self, position: Sequence[int]) -> tuple[int, ...]:
        needed = f"that of an output, one of {self.output_size} per axis"
        ints = as_ints("position", position, needed)
        if len(ints) != len(self.output_size) or not all(
            0 <= j < m for j, m in zip(ints, self.output_size, strict=True)
        ):
            raise ValueError(f"position must be {needed}, got {described(position)}")
        return ints
