"""Layers that are windows and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxcnn.padding import make_window
from jaxcnn.window import Window


class Node(NamedTuple):
    """What a model must have, and no more: a window, or parts one after another or side
    by side."""

    window: Callable[[tuple[int, ...]], Window] | None = None
    parts: tuple[tuple[str, Node], ...] = ()
    parallel: bool = False


def sliding(size, **options):
    return Node(lambda space: make_window((size,) * len(space), space, **options))


def fixed(window):
    return Node(lambda _: window)


def one_after_another(*parts):
    return Node(parts=tuple((f"{index}", part) for index, part in enumerate(parts)))


def side_by_side(*parts):
    return Node(parts=tuple((f"{index}", part) for index, part in enumerate(parts)), parallel=True)


def applied(node, x, leaf):
    """The network of a node: parts one after another, or added up side by side, and
    leaf(node, x) for a node without parts."""
    if not node.parts:
        return leaf(node, x)
    if node.parallel:
        return sum(applied(part, x, leaf) for _, part in node.parts)
    for _, part in node.parts:
        x = applied(part, x, leaf)
    return x


def window_1d(size, stride=1, pads=(0, 0), dilation=1, base_dilation=1):
    return Window((size,), (stride,), (pads,), (dilation,), (base_dilation,))


def closed_form(field):
    return field.size, field.stride, field.padding
