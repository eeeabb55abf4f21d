"""The signature of each operation of an `Ops`, as a type.

A function of your own fits if it takes the same arguments. It may take `**options` for
those that it passes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict, Unpack

from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jaxcnn.ops._layout import Layout
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.ops.convolution.methods.method import Method
from jaxcnn.ops.convolution.problem import ConvOptions
from jaxcnn.padding import Padding


class Convolution(Protocol):
    """`conv`, `convolve`"""

    def __call__(
        self,
        x: ArrayLike,
        w: ArrayLike,
        b: ArrayLike | None = None,
        *,
        method: Method | None = None,
        **options: Unpack[ConvOptions],
    ) -> Array: ...


class PoolOptions(TypedDict, total=False):
    """The options of a pool, as `jaxcnn.max_pool` documents them."""

    stride: int | Sequence[int] | None
    padding: Padding
    dilation: int | Sequence[int]
    ceil_mode: bool
    layout: Layout


class MaxPool(Protocol):
    def __call__(
        self, x: ArrayLike, size: int | Sequence[int], **options: Unpack[PoolOptions]
    ) -> Array: ...


class AvgPool(Protocol):
    def __call__(
        self,
        x: ArrayLike,
        size: int | Sequence[int],
        *,
        count_include_pad: bool = True,
        **options: Unpack[PoolOptions],
    ) -> Array: ...


class GlobalPool(Protocol):
    def __call__(self, x: ArrayLike, *, layout: Layout = "channels_last") -> Array: ...


class Dense(Protocol):
    def __call__(
        self,
        x: ArrayLike,
        w: ArrayLike,
        b: ArrayLike | None = None,
        *,
        precision: lax.PrecisionLike = None,
        preferred_element_type: DTypeLike | None = None,
    ) -> Array: ...


class Activation(Protocol):
    """`relu`, `sigmoid`, `tanh`, `silu`"""

    def __call__(self, x: ArrayLike, /) -> Array: ...


class LeakyRelu(Protocol):
    def __call__(self, x: ArrayLike, /, negative_slope: float = 0.01) -> Array: ...


class Gelu(Protocol):
    def __call__(self, x: ArrayLike, /, approximate: bool = True) -> Array: ...


class BatchNorm(Protocol):
    def __call__(
        self,
        x: ArrayLike,
        scale: ArrayLike | None,
        bias: ArrayLike | None,
        state: BatchNormState,
        *,
        train: bool,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        layout: Layout = "channels_last",
    ) -> tuple[Array, BatchNormState]: ...


class LayerNorm(Protocol):
    def __call__(
        self,
        x: ArrayLike,
        scale: ArrayLike | None,
        bias: ArrayLike | None,
        *,
        axes: int | Sequence[int] = -1,
        epsilon: float = 1e-5,
    ) -> Array: ...


class Dropout(Protocol):
    def __call__(
        self, x: ArrayLike, key: ArrayLike | None, *, rate: float, train: bool = True
    ) -> Array: ...


class SoftmaxCrossEntropy(Protocol):
    def __call__(
        self, logits: ArrayLike, labels: ArrayLike, /, *, label_smoothing: float = 0.0
    ) -> Array: ...


class Loss(Protocol):
    """`sigmoid_binary_cross_entropy`, `mean_squared_error`"""

    def __call__(self, predictions: ArrayLike, targets: ArrayLike, /) -> Array: ...
