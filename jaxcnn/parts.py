"""The one walk over the layers inside a layer.

A layer may be made of `parts`. They stand one after another, and each gets the output
of the one before it; or they stand side by side (`parallel`), and each gets the input
of the layer. `jaxcnn.layers.outputs`, the receptive fields and the summary of a network
are this walk, with arrays, intervals or shapes in the place of x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

from jaxcnn.arguments import described, is_several
from jaxcnn.window import Window

Value = TypeVar("Value")


@runtime_checkable
class LayerLike(Protocol):
    """The attributes of a layer that the walk reads; `jaxcnn.Layer` says what they
    mean."""

    @property
    def window(self) -> Callable[[tuple[int, ...]], Window] | None: ...

    @property
    def parts(self) -> tuple[tuple[str, Any], ...]: ...

    @property
    def parallel(self) -> bool: ...


L = TypeVar("L", bound=LayerLike)


class Step(NamedTuple, Generic[L]):
    """A step down: a layer's place among its neighbours, its entry, and the layer."""

    place: int
    entry: str
    layer: L


Compute = Callable[[L, Value, tuple[Step[L], ...], Sequence[Value]], Value]


def walk(
    layer: L, x: Value, compute: Compute[L, Value], steps: tuple[Step[L], ...] = ()
) -> dict[str, Value]:
    """The output of each layer inside `layer`, by path, in the order of computation.
    The last is the output of `layer` itself.

    A path is the entries from the outside in, "2_residual/inner/0_conv". Parallel parts
    are followed by their joint output, under the path of their layer.

    Args:
      layer: a layer, with its parts.
      x: its input.
      compute: (layer, x, steps, ends) -> y, for a layer without parts or with parallel
        ones. `steps` lead from the outermost layer to it, `ends` are the outputs of its
        parallel parts.

    Raises:
      ValueError: if `parts` are not pairs of a name and a layer. An exception from
        inside has a note for each layer that it came through, the innermost first.
    """
    found: dict[str, Value] = {}
    given, ends = x, []
    for index, (entry, part) in enumerate(_pairs(layer)):
        with noted(entry, given):
            inside = walk(part, given, compute, (*steps, Step(index, entry, part)))
        found |= {"/".join(filter(None, (entry, path))): y for path, y in inside.items()}
        ends.append(next(reversed(inside.values())))
        if not layer.parallel:
            given = ends[-1]
    if layer.parallel or not layer.parts:
        found[""] = compute(layer, x, steps, ends)
    return found


def outermost(layer: L, holds: Callable[[L], bool], path: str = "") -> Iterator[str]:
    """The paths of the layers for which `holds` is true, not of those inside one. The
    path of `layer` itself is ""."""
    if holds(layer):
        yield path
        return
    for entry, part in _pairs(layer):
        yield from outermost(part, holds, f"{path}/{entry}" if path else entry)


def is_layer_like(value: Any) -> TypeGuard[LayerLike]:
    """Whether this is a layer. A class has the attributes too, but is none."""
    return isinstance(value, LayerLike) and not isinstance(value, type)


@contextmanager
def noted(entry: str, x: Any) -> Iterator[None]:
    """Add to any exception from inside a note that names this layer."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in layer {entry!r}, given x of {_size(x)}")
        raise


def _size(x: Any) -> str:
    field = getattr(x, "output_size", None)  # of a receptive field
    return f"shape {getattr(x, 'shape', None)}" if field is None else f"spatial size {field}"


def _pairs(layer: LayerLike) -> list[tuple[str, Any]]:
    """The parts, checked, since they may be a person's own."""
    pairs = []
    for part in layer.parts if is_several(layer.parts) else [layer.parts]:
        if not (
            isinstance(part, tuple | list)
            and len(part) == 2
            and isinstance(part[0], str)
            and is_layer_like(part[1])
        ):
            raise ValueError(f"parts must be pairs of a name and a layer, got {described(part)}")
        pairs.append((part[0], part[1]))
    return pairs
