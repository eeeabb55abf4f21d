"""A convolution's static description: everything that is known before there are
arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from jax import Array, lax
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from jaxcnn.arguments import as_int
from jaxcnn.ops._arrays import as_dtype, as_precision
from jaxcnn.ops._layout import Layout
from jaxcnn.ops.convolution._checks import check_channels, check_fits
from jaxcnn.padding import Padding, make_window
from jaxcnn.window import Window


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
    """Everything static about a convolution y = conv(x, w), as one hashable argument.

    Attributes:
      x_shape: (n, *space, (g c)).
      w_shape: (*taps, c, (g o)).
      window: taps, strides, pads and dilations, per axis of space.
      groups: g.
      precision: lax's.
      accumulation_dtype: lax's `preferred_element_type`, the dtype of partial sums and
        of results.
      out_sharding: the sharding of the result of the map that is called; None leaves it
        to lax.
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
        """Number of images."""
        return self.x_shape[0]

    @property
    def space(self) -> tuple[int, ...]:
        """Spatial size of the input, per axis."""
        return self.x_shape[1:-1]

    @property
    def out_space(self) -> tuple[int, ...]:
        """Spatial size of the output, per axis."""
        return self.window.output_size(self.space)

    @property
    def y_shape(self) -> tuple[int, ...]:
        return (self.n, *self.out_space, self.w_shape[-1])

    @property
    def taps(self) -> int:
        """Number of taps, of all axes together."""
        return math.prod(self.w_shape[:-2])

    @property
    def c(self) -> int:
        """Number of input channels of a group."""
        return self.w_shape[-2]

    @property
    def outputs(self) -> int:
        """Number of output channels, of all groups."""
        return self.w_shape[-1]

    @property
    def depthwise(self) -> bool:
        return self.groups > 1 and self.c == 1

    @property
    def strided(self) -> bool:
        return max(self.window.stride) > 1

    @property
    def adjoint(self) -> Problem:
        """The problem whose forward is the input gradient of this one. Its operands are
        dy and the flipped kernel, with inputs and outputs of a group exchanged."""
        w_shape = (*self.w_shape[:-2], self.outputs // self.groups, self.x_shape[-1])
        window = self.window.input_grad(self.space)
        return self._replace(x_shape=self.y_shape, w_shape=w_shape, window=window)

    def reshaped(self, x: Array, w: Array, window: Window) -> Problem:
        """The problem of other operands, with their window."""
        return self._replace(x_shape=x.shape, w_shape=w.shape, window=window)

    def of_images(self, n: int) -> Problem:
        """The same problem with n images."""
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
        """The problem of these arguments, which are checked. Shapes are channels last;
        `layout` is used only for messages.

        Raises:
          ValueError: on channels that do not fit the groups, or a window that does not
            fit the input.

        >>> Problem.of((2, 8, 8, 3), (3, 3, 3, 16), stride=2, padding=1).y_shape
        (2, 4, 4, 16)
        """
        groups = as_int("groups", groups, least=1)
        check_channels(x_shape, w_shape, groups, layout)
        space = x_shape[1:-1]
        window = make_window(w_shape[:-2], space, stride=stride, padding=padding, dilation=dilation)
        check_fits(window, space)
        dtype = as_dtype("preferred_element_type", preferred_element_type)
        return cls(x_shape, w_shape, window, groups, as_precision(precision), dtype)
