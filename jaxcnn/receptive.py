"""Receptive fields, in integers only: the part of the image that an output of a stack
of windows sees.

Per axis, output j of a layer with k taps, stride s, dilation d and low pad p sees these
positions of that layer's input (`jaxcnn/window.py`):

    s j + d t - p        for t = 0 ... k - 1, hence
    from s j - p to s j - p + D - 1, with D = d (k - 1) + 1                          (1)

A receptive field has size r, stride S and padding P (the effective ones). Output j sees
this interval of the image:

    [S j - P,  S j - P + r - 1]        with its centre at  S j - P + (r - 1)/2       (2)

Without any layer, r = S = 1 and P = 0. Output j of one more layer sees from where its
first tap sees to where its last tap sees. Put (1) into (2): from S (s j - p) - P to S
(s j - p + D - 1) - P + r - 1. This is (2) again, with

    r' = r + (D - 1) S        P' = P + p S        S' = s S                           (3)

From the image onwards, (3) gives the field of every layer in one pass. The source
document goes the other way, from one output back to the image. The outermost windows of
r_l cells in a row on layer l stand s_l (r_l - 1) apart on layer l - 1, so

    r_{l-1} = s_l (r_l - 1) + D_l = s_l r_l + (D_l - s_l),        r_L = 1            (4)

counts the cells of every layer that one output of layer L sees. Unrolled, both are the
same sum over the layers:

    r = 1 + sum_l (D_l - 1) prod_{i < l} s_i                                         (5)

(3) adds its terms from the first layer on, (4) from the last.

Branches may get the same input and be joined position by position. An output then sees
everything that any of them sees, from the least first to the greatest last position in
(2). If their centres agree, this is the largest of their fields, and the branches are
called aligned. Branches of different strides drift apart along the image, so no r, S
and P describe them.

(2) counts padding as if the image went on there. The part of the image itself that an
output sees, `ReceptiveField.clipped`, follows from (1) alone, layer by layer, without
the taps that stand on padding. Mostly it is (2) cut off at the border of the image. It
is less where a layer leaves out positions at a border (a crop, or a tail that no window
touches) and a later layer pads there, and where a dilated window has no tap on the
border. An output need not see every position between its first and its last, because
dilation and strides larger than the window leave holes.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019, doi:10.23915/distill.00021; (4) is also in the document "Deep
Learning - CNN Basics".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jaxcnn.arguments import described, is_several, per_axis
from jaxcnn.field_arithmetic import join, slide, slip
from jaxcnn.fields import ReceptiveField
from jaxcnn.parts import LayerLike, is_layer_like, walk
from jaxcnn.window import Window


def receptive_field(
    model: LayerLike | Window | Iterable[Window], input_size: int | Sequence[int]
) -> ReceptiveField:
    """The part of an image that the outputs of a model, or of a stack of windows, see.

    Args:
      model: a `jaxcnn.Layer`; or anything with its `window`, `parts` and `parallel`; or
        a `Window`, or several of them.
      input_size: the spatial size of the image, one int per axis, or one for a single
        axis. "same" padding depends on it.

    Layers that mix images, such as a batch normalisation in training, count as if they
    did not.

    Raises:
      ValueError: if a window is larger than its padded input, has another number of
        axes, or has a base dilation (the outputs of a transposed convolution do not all
        see alike); if branches that meet differ in size or in stride; or if an argument
        is not what it should be.

    >>> from jaxcnn import layers
    >>> model = layers.serial(
    ...     layers.conv(8, 3), layers.relu(), layers.max_pool(2), layers.conv(8, 3)
    ... )
    >>> receptive_field(model, (28, 28)).size
    (8, 8)
    """
    start = _start(input_size)
    if is_layer_like(model):
        return next(reversed(walk(model, start, _field).values()))
    if isinstance(model, Window | str) or not isinstance(model, Iterable):
        return slide(start, model)
    for window in model:
        start = slide(start, window)
    return start


def receptive_fields(
    model: LayerLike, input_size: int | Sequence[int]
) -> dict[str, ReceptiveField]:
    """The part of an image that the outputs of each layer inside a model see, by the
    paths of `jaxcnn.layers.outputs`.

    Arguments and errors as in `receptive_field`. An error has a note for each layer
    that it came through, the innermost first.

    >>> from jaxcnn import layers
    >>> model = layers.serial(
    ...     layers.conv(8, 3), layers.residual(layers.conv(8, 5)), layers.max_pool(2)
    ... )
    >>> fields = receptive_fields(model, (28,))
    >>> {path: (field.size, field.stride) for path, field in fields.items()}
    {'0_conv': ((3,), (1,)), '1_residual/inner': ((7,), (1,)),
     '1_residual/shortcut': ((3,), (1,)), '1_residual': ((7,), (1,)),
     '2_max_pool': ((8,), (2,))}
    """
    if not is_layer_like(model):
        raise ValueError(
            f"model must be a jaxcnn.Layer, got {described(model)}: receptive_field takes"
            f" windows{slip(model)}"
        )
    return walk(model, _start(input_size), _field)


def _start(input_size: int | Sequence[int]) -> ReceptiveField:
    """The image itself."""
    n = per_axis(
        "input_size",
        input_size,
        1 if isinstance(input_size, int) or not is_several(input_size) else len(input_size),
    )
    if not n:
        raise ValueError("input_size must have one int per spatial axis, got none")
    return ReceptiveField(
        size=(1,) * len(n),
        stride=(1,) * len(n),
        padding=(0,) * len(n),
        input_size=n,
        output_size=n,
        aligned=True,
        seen=tuple(tuple((i, i) for i in range(size)) for size in n),
    )


def _field(
    layer: LayerLike, x: ReceptiveField, steps: Any, ends: Sequence[ReceptiveField]
) -> ReceptiveField:
    """The field of a layer whose input has the field x, and whose parallel parts have
    `ends`."""
    if layer.parts:
        return join(ends)
    if layer.window is None:
        return x
    if not callable(layer.window):
        raise ValueError(
            "window must be a function of a layer's input size, or None, got"
            f" {described(layer.window)}"
        )
    return slide(x, layer.window(x.output_size))
