"""Receptive fields, in integers only: which part of the image an output of a stack of
windows sees.

Per axis, output j of a layer with k taps, stride s, dilation d and low pad p sees of
that layer's input (`jaxcnn/window.py`)

    s j + d t - p        for t = 0 ... k - 1, hence
    from s j - p to s j - p + D - 1, with D = d (k - 1) + 1                          (1)

A receptive field has size r, stride S and padding P (the effective ones): output j sees
of the image

    [S j - P,  S j - P + r - 1]        with its centre at  S j - P + (r - 1)/2       (2)

No layer at all is r = S = 1, P = 0. One layer more: its output j sees what its first
and its last tap see, so that (1) in (2), from S (s j - p) - P to S (s j - p + D - 1) -
P + r - 1, is (2) again, with

    r' = r + (D - 1) S        P' = P + p S        S' = s S                           (3)

From the image onwards, (3) gives the field of every layer in one pass. The source
document goes the other way, from one output back to the image: of r_l cells in a row on
layer l, the outermost windows stand s_l (r_l - 1) apart on layer l - 1, so

    r_{l-1} = s_l (r_l - 1) + D_l = s_l r_l + (D_l - s_l),        r_L = 1            (4)

which counts the cells of every layer that one output of layer L sees. Unrolled, both
are the same sum over the layers:

    r = 1 + sum_l (D_l - 1) prod_{i < l} s_i                                         (5)

(3) adds its terms from the first layer on, (4) from the last.

Branches that get the same input and are joined position by position: an output sees
what any of them sees, from the least first to the greatest last position in (2). Where
their centres agree this is the largest of the fields, and they are called aligned.
Branches of different strides drift apart along the image, and no r, S and P describe
them.

(2) counts padding as if the image went on there. What an output sees of the image
itself follows from (1) alone, layer by layer, without the taps that stand on padding:
`ReceptiveField.clipped`. Mostly this is (2) cut off at the border of the image, but it
is less where a layer leaves positions out at a border (a crop, or a tail that no window
touches) and a later one pads there, and where a dilated window has no tap on the
border. Between its first and last position an output need not see all: dilation, and
strides larger than the window, leave holes.

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
    """What the outputs of a model, or of windows one after another, see of an image.

    Args:
      model: a `jaxcnn.Layer`; or anything with its `window`, `parts` and `parallel`; or
        a `Window`, or several.
      input_size: the spatial size of the image, one int per axis, or one for a single
        axis. "same" padding depends on it.

    Layers that mix images, such as a batch normalisation in training, count as if they
    did not.

    Raises:
      ValueError: where a window is larger than its padded input, has another number of
        axes, or has a base dilation (a transposed convolution: its outputs do not all
        see alike); or where branches meet that differ in size or in stride; or on a
        model, a window or a size that is none.

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
    """What the outputs of every layer inside a model see of its image, by the paths of
    `jaxcnn.layers.outputs`.

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
