"""A convolution's static description: all that is known before there are arrays."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from jax import Array, lax
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from jaxcnn.arguments import as_int, described, is_several
from jaxcnn.ops._arrays import as_dtype, as_precision
from jaxcnn.ops._layout import Layout
from jaxcnn.padding import Padding, make_window
from jaxcnn.window import Window, dilated


class ConvOptions(TypedDict, total=False):
    """The options of a convolution, as `jaxcnn.conv` documents them."""

    stride: int | Sequence[int]
    padding: Padding
    dilation: int | Sequence[int]
    groups: int
    layout: Layout
    precision: lax.PrecisionLike
    preferred_element_type: DTypeLike | None


class Problem(NamedTuple):
    """All that is static about a convolution y = conv(x, w): hashable, one argument.

    Attributes:
      x_shape: (n, *space, (g c)).
      w_shape: (*taps, c, (g o)).
      window: taps, strides, pads and dilations, per axis of space.
      groups: g.
      precision: lax's.
      accumulation_dtype: lax's `preferred_element_type`: partial sums are kept in it,
        and results have it.
      out_sharding: the sharding of the result of whichever map is called; None leaves
        it to lax.
    """

    x_shape: tuple[int, ...]
    w_shape: tuple[int, ...]
    window: Window
    groups: int = 1
    precision: lax.PrecisionLike = None
    accumulation_dtype: DTypeLike | None = None
    out_sharding: NamedSharding | PartitionSpec | None = None

    @property
    def n(self) -> int:
        """Images."""
        return self.x_shape[0]

    @property
    def space(self) -> tuple[int, ...]:
        """Positions of the input, per axis."""
        return self.x_shape[1:-1]

    @property
    def out_space(self) -> tuple[int, ...]:
        """Positions of the output, per axis."""
        return self.window.output_size(self.space)

    @property
    def y_shape(self) -> tuple[int, ...]:
        return (self.n, *self.out_space, self.w_shape[-1])

    @property
    def taps(self) -> int:
        """Of all axes together."""
        return math.prod(self.w_shape[:-2])

    @property
    def c(self) -> int:
        """Input channels of a group."""
        return self.w_shape[-2]

    @property
    def outputs(self) -> int:
        """Output channels, of all groups."""
        return self.w_shape[-1]

    @property
    def depthwise(self) -> bool:
        return self.groups > 1 and self.c == 1

    @property
    def strided(self) -> bool:
        return max(self.window.stride) > 1

    @property
    def adjoint(self) -> Problem:
        """The problem whose forward is the input gradient of this one: of dy, and of
        the kernel flipped, inputs and outputs of a group exchanged."""
        w_shape = (*self.w_shape[:-2], self.outputs // self.groups, self.x_shape[-1])
        window = self.window.input_grad(self.space)
        return self._replace(x_shape=self.y_shape, w_shape=w_shape, window=window)

    def reshaped(self, x: Array, w: Array, window: Window) -> Problem:
        """That of other operands, with their window."""
        return self._replace(x_shape=x.shape, w_shape=w.shape, window=window)

    def of_images(self, n: int) -> Problem:
        """The same with n images."""
        return self._replace(x_shape=(n, *self.x_shape[1:]))

    @classmethod
    def of(
        cls,
        x_shape: tuple[int, ...],
        w_shape: tuple[int, ...],
        *,
        stride: int | Sequence[int] = 1,
        padding: Padding = "valid",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        layout: Layout = "channels_last",
        precision: lax.PrecisionLike = None,
        preferred_element_type: DTypeLike | None = None,
    ) -> Problem:
        """From what a person says of it, checked. Shapes are channels last; `layout` is
        for the messages.

        Raises:
          ValueError: on channels that do not fit the groups, or a window that does not
            fit the input.

        >>> Problem.of((2, 8, 8, 3), (3, 3, 3, 16), stride=2, padding=1).y_shape
        (2, 4, 4, 16)
        """
        groups = as_int("groups", groups, least=1)
        _check_channels(x_shape, w_shape, groups, layout)
        space = x_shape[1:-1]
        window = make_window(w_shape[:-2], space, stride=stride, padding=padding, dilation=dilation)
        _check_fits(window, space)
        dtype = as_dtype("preferred_element_type", preferred_element_type)
        return cls(x_shape, w_shape, window, groups, as_precision(precision), dtype)


def check_options(function: str, options: Mapping[str, Any]) -> None:
    """Raises TypeError for what is no option, as Python does for other functions."""
    for name in options:
        if name not in ConvOptions.__annotations__:
            close = difflib.get_close_matches(name, ConvOptions.__annotations__, n=1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")


def as_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape that a person passes: sizes, of which some may be symbolic."""
    if getattr(shape, "ndim", 1) != 1 or not is_several(shape):
        is_array = hasattr(shape, "shape")
        array = name.removesuffix("_shape")
        slip = f": is it the array itself? pass {array}.shape" if is_array else ""
        raise ValueError(f"{name} must be a shape, one int per axis, got {described(shape)}{slip}")
    return tuple(
        size
        if hasattr(size, "dimension_as_value")
        else as_int(f"each entry of {name}", size, least=0)
        for size in shape
    )


def check_ranks(x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> None:
    if len(x_shape) not in (3, 4, 5):
        one_less = len(x_shape) == len(w_shape) - 1
        hint = "; is the batch axis missing? x[None] adds it" if one_less else ""
        raise ValueError(
            f"x must have a batch, a channel and 1 to 3 spatial axes, got shape {x_shape}{hint}"
        )
    if len(w_shape) != len(x_shape):
        raise ValueError(
            "w must have as many axes as x: one per spatial axis and two for channels, got w of"
            f" {w_shape} for x of {x_shape}"
        )


def _check_channels(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], groups: int, layout: Layout
) -> None:
    channels, inputs, outputs = x_shape[-1], w_shape[-2], w_shape[-1]
    if channels % groups or outputs % groups:
        raise ValueError(
            f"groups must divide the channels of x and w, got groups={groups}, {channels} inputs"
            f" and {outputs} outputs"
        )
    if channels == inputs * groups:
        return
    other = "channels_first" if layout == "channels_last" else "channels_last"
    other_channels = x_shape[1] if layout == "channels_last" else x_shape[-2]
    names = {
        "channels_first": {3: "NCL", 4: "NCHW", 5: "NCDHW"},
        "channels_last": {3: "NLC", 4: "NHWC", 5: "NDHWC"},
    }
    hint = ""
    if other_channels == inputs * groups:
        hint = (
            f"; x has {other_channels} on the axis of {other!r}: is it"
            f" {names[other][len(x_shape)]}? pass layout={other!r}"
        )
    elif groups == 1 and inputs and channels % inputs == 0:
        hint = f"; is it grouped? groups={channels // inputs} would fit"
    raise ValueError(
        f"x has {channels} channels, but w takes {inputs} for each of {groups} groups"
        f" ({layout}){hint}"
    )


def _check_fits(window: Window, space: tuple[int, ...]) -> None:
    sizes = zip(
        space, window.size, window.dilation, window.pads, window.output_size(space), strict=True
    )
    for axis, (n, k, d, (lo, hi), m) in enumerate(sizes):
        if m == 0:
            raise ValueError(
                f"w is larger than its padded input on spatial axis {axis}: it spans"
                f" {dilated(k, d)} ({k} taps, dilation {d}), the input {n + lo + hi} ({n} with"
                f" pads {(lo, hi)})"
            )
