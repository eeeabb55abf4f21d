"""Receptive fields, by hand: of stacks, branches, and where they do not fit."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.receptive import receptive_field, receptive_fields
from jaxcnn.window import Window
from tests._receptive import Node, closed_form, one_after_another, side_by_side, sliding, window_1d


@pytest.mark.parametrize(
    ("windows", "r", "S", "P"),
    [
        pytest.param([], 1, 1, 0, id="the image itself"),
        pytest.param([window_1d(3)], 3, 1, 0, id="one layer"),
        pytest.param(window_1d(3), 3, 1, 0, id="one window, not in a list"),
        pytest.param([window_1d(3), window_1d(3)], 5, 1, 0, id="two layers of 3"),
        pytest.param([window_1d(3, 2), window_1d(3, 2)], 7, 4, 0, id="two layers of 3, stride 2"),
        pytest.param([window_1d(2, 2), window_1d(3)], 6, 2, 0, id="a pool first: 3 pools of 2"),
        pytest.param([window_1d(3), window_1d(2, 2)], 4, 2, 0, id="a pool last: 2 overlapping 3s"),
        pytest.param([window_1d(1, 3), window_1d(2)], 4, 3, 0, id="a stride that leaves holes"),
        pytest.param([window_1d(3, dilation=2)], 5, 1, 0, id="dilation 2"),
        pytest.param(
            [window_1d(3, dilation=d) for d in (1, 2, 4)],
            15,
            1,
            0,
            id="dilations 1, 2, 4: 2^(3 + 1) - 1",
        ),
        pytest.param(
            [window_1d(3, 1, (1, 1)), window_1d(2, 2), window_1d(3, 1, (1, 1))],
            8,
            2,
            3,
            id="pads 1 + 2",
        ),
        pytest.param(
            [window_1d(2, 1, (-2, 0)), window_1d(2, 1, (1, 0))],
            3,
            1,
            -1,
            id="a crop of 2, then a pad of 1",
        ),
    ],
)
def test_hand_examples(windows, r, S, P):
    field = receptive_field(windows, (32,))
    assert closed_form(field) == ((r,), (S,), (P,))
    assert field.aligned
    assert field.interval((3,)) == ((3 * S - P, 3 * S - P + r - 1),)
    assert field.centre((3,)) == (3 * S - P + (r - 1) / 2,)


def test_axes_are_on_their_own():
    """3-D, and on every axis another size, stride, pad and dilation."""
    field = receptive_field(
        [
            Window((3, 1, 2), (1, 2, 1), ((1, 0), (0, 0), (-1, 2)), (1, 1, 3), (1, 1, 1)),
            Window((2, 5, 1), (2, 1, 1), ((0, 0), (2, 2), (0, 0)), (1, 1, 1), (1, 1, 1)),
        ],
        (9, 12, 7),
    )
    assert closed_form(field) == ((4, 9, 4), (2, 2, 1), (1, 4, -1))
    assert field.output_size == (4, 6, 5)
    assert field.interval((1, 2, 0)) == ((1, 4), (0, 8), (1, 4))
    assert field.clipped((0, 0, 4)) == ((0, 2), (0, 4), (5, 5))


def test_the_source_document_s_example_network():
    """3x3, pool 2, 3x3, pool 2: 3, 4, 4 + 2 * 2 = 8, 8 + 1 * 2 = 10; then all 7
    outputs, 4 apart: 10 + 6 * 4 = 34."""
    fields = receptive_fields(models.cnn_basics(), (32, 32))
    assert [field.size for field in fields.values()] == [
        (r, r) for r in (3, 3, 4, 8, 8, 10, 34, 34)
    ]
    assert [field.stride[0] for field in fields.values()] == [1, 1, 2, 2, 2, 4, 4, 4]
    assert [field.padding[0] for field in fields.values()] == [0, 0, 0, 2, 2, 2, 2, 2]
    assert fields["7_dense"].clipped((0, 0)) == ((0, 31), (0, 31))


def test_a_padded_layer_after_a_tail_that_no_window_touched_does_not_see_it():
    """7 -> pool 3, the last position left out -> a padded 3: the interval goes on into
    position 6, which nothing touches."""
    field = receptive_field([window_1d(2, 2), window_1d(3, 1, (1, 1))], (7,))
    assert field.interval((2,)) == ((2, 7),)
    assert field.clipped((2,)) == ((2, 5),)


def test_an_output_that_sees_padding_only():
    field = receptive_field([window_1d(1, 1, (3, 1))], (3,))
    assert [field.interval((j,)) for j in range(7)] == [((j - 3, j - 3),) for j in range(7)]
    assert [field.clipped((j,)) for j in range(7)] == [
        None,
        None,
        None,
        ((0, 0),),
        ((1, 1),),
        ((2, 2),),
        None,
    ]
    field = receptive_field([Window((1, 1), (1, 1), ((0, 0), (1, 0)), (1, 1), (1, 1))], (3, 3))
    assert (field.clipped((1, 0)), field.clipped((1, 1))) == (None, ((1, 1), (0, 0)))


@pytest.mark.slow
def test_paths_and_sizes_are_those_of_the_outputs():
    key = jax.random.key(0, impl="rbg")
    for name, make in models.MODELS.items():
        model = make()
        x = jax.ShapeDtypeStruct((1, 33, 40, 3), jnp.float32)
        params, state = jax.eval_shape(partial(model.init, input_shape=x.shape), key)
        shapes = {
            path: y.shape
            for path, y in jax.eval_shape(partial(layers.outputs, model), params, state, x).items()
        }
        fields = receptive_fields(model, (33, 40))
        assert list(fields) == list(shapes), name
        for path, shape in shapes.items():
            assert fields[path].output_size == (shape[1:-1] or (1, 1)), (name, path)
        assert fields[path] == receptive_field(model, (33, 40))


def test_a_layer_alone_has_the_empty_path():
    assert list(receptive_fields(layers.conv(2, 3), (8,))) == [""]
    assert closed_form(receptive_field(layers.conv(2, 3), 8)) == ((3,), (1,), (1,))
    assert receptive_fields(layers.serial(layers.serial(), layers.relu()), (8,))[
        "0_serial"
    ].size == (1,)


# Branches.


def test_aligned_branches_see_what_the_largest_sees():
    block = side_by_side(
        one_after_another(sliding(3, padding=1), sliding(3, padding=1)),
        sliding(3, padding=1),
        Node(),
    )
    field = receptive_field(block, (9,))
    assert (closed_form(field), field.aligned) == (((5,), (1,), (2,)), True)


def test_branches_that_look_to_either_side_see_both_and_are_not_aligned():
    ahead, back = sliding(4, padding=((0, 3),)), sliding(3, padding="causal")
    field = receptive_field(
        one_after_another(side_by_side(ahead, back), sliding(3, padding=1)), (9,)
    )
    assert (closed_form(field), field.aligned) == (
        ((8,), (1,), (3,)),
        False,
    )  # -2 ... 3, and one more on each side


def test_a_joint_of_branches_that_were_not_aligned_inside_is_not_aligned():
    """Even where what they see together, -2 ... 2, has its centre where the shortcut
    has it."""
    ahead, back = sliding(3, padding=((0, 2),)), sliding(3, padding=((2, 0),))
    field = receptive_field(side_by_side(side_by_side(ahead, back), Node()), (9,))
    assert (closed_form(field), field.aligned) == (((5,), (1,), (2,)), False)


@pytest.mark.parametrize(("size", "aligned"), [(8, False), (9, True)])
def test_same_padding_at_stride_2_shifts_a_branch_of_an_even_size(size, aligned):
    """Its only zero stands at the high end: a 3x3 window's centre is at 2 j + 1, its
    1x1 shortcut's at 2 j."""
    block = layers.residual(layers.conv(2, 3, stride=2), layers.conv(2, 1, stride=2))
    assert receptive_field(block, (size, 9)).aligned == aligned
    padded = layers.residual(layers.conv(2, 3, stride=2, padding=1), layers.conv(2, 1, stride=2))
    assert receptive_field(padded, (size, 9)).aligned


def test_strides_may_differ_where_there_is_one_output():
    """As where one branch takes a mean over space and the other strides: the output
    sees the image."""
    block = side_by_side(sliding(5), one_after_another(sliding(3, stride=2), sliding(2)))
    field = receptive_field(block, (5,))
    assert (field.interval((0,)), field.clipped((0,)), field.aligned) == (
        ((0, 4),),
        ((0, 4),),
        True,
    )


# Errors.


def test_the_package_has_the_functions_by_their_own_names():
    assert jaxcnn.receptive_field is receptive_field
    assert jaxcnn.receptive_fields is receptive_fields


def test_sizes_and_windows_that_do_not_fit():
    with pytest.raises(ValueError, match=r"base_dilation 1, got \(2,\).*transposed"):
        receptive_field([window_1d(3, base_dilation=2)], (8,))
    with pytest.raises(ValueError, match=r"one entry per spatial axis \(2 here\)"):
        receptive_field([window_1d(3)], (8, 8))
    with pytest.raises(
        ValueError, match=r"spans 9 on spatial axis 1, its padded input 8 \(7 with pads \(0, 1\)\)"
    ):
        receptive_field([Window((1, 5), (1, 1), ((0, 0), (0, 1)), (1, 2), (1, 1))], (7, 7))
    for size in ((), (8, 0), (8, 8, 8)):
        with pytest.raises(ValueError, match=r"input_size|per spatial axis"):
            receptive_field([window_1d(3)], size)
    with pytest.raises(ValueError, match="parallel parts must give one size"):
        receptive_field(side_by_side(sliding(3), Node()), (8,))
    with pytest.raises(ValueError, match="one stride on spatial axis 0, got 1 and 2"):
        receptive_field(side_by_side(sliding(2, stride=2), sliding(3)), (4,))


def test_an_error_says_which_layer_it_came_from():
    model = layers.serial(layers.conv(2, 3), layers.residual(layers.serial(layers.max_pool(5))))
    with pytest.raises(ValueError) as raised:
        receptive_field(model, (4, 4))
    for message in (
        "window spans 5",
        "in layer '0_max_pool', given x of spatial size (4, 4)",
        "'inner'",
        "'1_residual'",
    ):
        assert message in "\n".join((str(raised.value), *raised.value.__notes__))


@pytest.mark.parametrize("position", [(-1,), (8,), (0, 0), ()])
def test_positions_are_those_of_outputs(position):
    field = receptive_field(window_1d(1), (8,))
    for method in (field.interval, field.clipped, field.centre):
        with pytest.raises(ValueError, match="position must be that of an output"):
            method(position)
