"""The type of a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jax import Array

from jaxcnn.arguments import described
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.window import Window


class Init(Protocol):
    """The type of `Layer.init`."""

    def __call__(
        self, key: Array, input_shape: Sequence[int]
    ) -> tuple[dict[str, Any], dict[str, Any]]: ...


class Apply(Protocol):
    """The type of `Layer.apply`."""

    def __call__(
        self,
        params: dict[str, Any],
        state: dict[str, Any],
        x: Array,
        *,
        train: bool = False,
        key: Array | None = None,
        ops: Ops = EXPLICIT,
    ) -> tuple[Array, dict[str, Any]]: ...


class ApplyOfOneRule(Protocol):
    """The type of an `apply` of your own that takes no `ops`."""

    def __call__(
        self,
        params: dict[str, Any],
        state: dict[str, Any],
        x: Array,
        *,
        train: bool = False,
        key: Array | None = None,
    ) -> tuple[Array, dict[str, Any]]: ...


class _Fields(NamedTuple):
    name: str
    init: Init
    apply: Apply
    window: Callable[[tuple[int, ...]], Window] | None = None
    parts: tuple[tuple[str, Layer], ...] = ()
    parallel: bool = False
    ops: Ops | None = None


class Layer(_Fields):
    """A pair of pure functions, with a name for entries and messages, and with the
    parts of which the layer is made.

    Attributes:
      name: the kind of layer, "conv".
      init: (key, input_shape) -> (params, state).
      apply: (params, state, x, *, train=False, key=None, ops=EXPLICIT) -> (y,
        new_state). `train` chooses between the two ways in which dropout and batch
        normalisation compute. `key` is needed by dropout only. `ops` says who
        differentiates. A function of your own may leave `ops` out.
      window: spatial size of x -> the window in which an output sees x, for
        `receptive_field`. With None, an output sees its own position and no other.
      parts: the layers inside a combinator, with the names of their entries in params
        and state.
      parallel: whether each of `parts` gets x, and their outputs are joined position by
        position, as in `residual`. Otherwise each gets the output of the one before it,
        as in `serial`.
      ops: the rules that this layer keeps whatever `ops` its `apply` gets, see `using`.
        With None it obeys the `ops` of `apply`.

    A layer of your own is a `Layer(...)` of two functions. One without parameters is
    `activation(function, name)`.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __new__(
            cls,
            name: str,
            init: Init,
            apply: Apply | ApplyOfOneRule,
            window: Callable[[tuple[int, ...]], Window] | None = None,
            parts: tuple[tuple[str, Layer], ...] = (),
            parallel: bool = False,
            ops: Ops | None = None,
        ) -> Layer: ...


def makes_layers(value: Any) -> bool:
    """Whether this is a function of this package that returns a layer."""
    return callable(value) and str(getattr(value, "__module__", "")).startswith(
        ("jaxcnn.layers", "jaxcnn.models")
    )


def as_layer(name: str, value: Any) -> Layer:
    """`value` if it is a layer. Otherwise the error says what to write instead."""
    if isinstance(value, Layer):
        if not callable(value.init) or not callable(value.apply):
            raise ValueError(f"{name} must be a Layer of two functions, got {value!r}")
        return value
    hint = ""
    if callable(value):
        written = getattr(value, "__name__", "function")
        hint = (
            f": call it, {written}(...)"
            if makes_layers(value)
            else f": wrap it, layers.activation({written})"
        )
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        hint = ": write serial(*layers)"
    raise ValueError(f"{name} must be a Layer, got {described(value)}{hint}")
