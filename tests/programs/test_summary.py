"""The summary of a network: its numbers by hand, what it prints for each model, and
what it refuses."""

from __future__ import annotations

import io
import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

from jaxcnn import layers
from jaxcnn.models import MODELS, lenet, mobilenet, mobilenet_v1, resnet20, vgg16
from jaxcnn.ops import EXPLICIT
from jaxcnn.ops.convolution.functions import explain_conv
from jaxcnn.programs.summary.program import Config, command_line, main
from jaxcnn.programs.summary.rows import summarize


def totals(summary):
    return sum(row.parameters for row in summary.rows), sum(
        row.multiply_adds for row in summary.rows
    )


def printed(config, width):
    console = Console(file=io.StringIO(), width=width)
    main(config, console)
    return console.file.getvalue()


# The numbers.


def test_lenet_by_hand():
    summary = summarize(lenet(), (28, 28, 1))
    assert {row.path: row.multiply_adds for row in summary.rows if row.multiply_adds} == {
        "0_conv": 5 * 5 * 1 * 16 * 28 * 28,
        "3_conv": 5 * 5 * 16 * 32 * 14 * 14,
        "8_dense": 7 * 7 * 32 * 128,
        "11_dense": 128 * 64,
        "13_dense": 64 * 10,
    }
    assert totals(summary) == (416 + 12_832 + 200_832 + 8_256 + 650, 3_031_936)
    assert [row.shape for row in summary.rows[4:9]] == [
        (14, 14, 32),
        (7, 7, 32),
        (1568,),
        (1568,),
        (128,),
    ]
    assert summary.state_size == 0


def separable(size, c_in, c):
    """A 3x3 depthwise convolution of c_in channels and a 1x1 convolution, at the size
    of their outputs."""
    return size * size * (3 * 3 * c_in + c_in * c)


# Of the published networks also as published, rounded: [slim] is
# RECEPTIVE_FIELD_TABLE.md in github.com/google-research/receptive_field, which counts a
# multiply-add as two operations and leaves the dense layers out.


def test_vgg16_by_hand():
    convs = 9 * (
        224**2 * (3 * 64 + 64 * 64)
        + 112**2 * (64 * 128 + 128 * 128)
        + 56**2 * (128 * 256 + 2 * 256 * 256)
        + 28**2 * (256 * 512 + 2 * 512 * 512)
        + 14**2 * 3 * 512 * 512
    )
    assert totals(summarize(vgg16(), (224, 224, 3))) == (
        138_357_544,
        convs + 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000,
    )
    assert 2 * convs == pytest.approx(30.713e9, rel=1e-3)  # [slim]


def test_mobilenet_v1_by_hand():
    convs = (
        112**2 * 3 * 3 * 3 * 32
        + separable(112, 32, 64)
        + (56**2 * 9 * 64 + 56**2 * 64 * 128 + separable(56, 128, 128))
        + (28**2 * 9 * 128 + 28**2 * 128 * 256 + separable(28, 256, 256))
        + (14**2 * 9 * 256 + 14**2 * 256 * 512 + 5 * separable(14, 512, 512))
        + (7**2 * 9 * 512 + 7**2 * 512 * 1024 + separable(7, 1024, 1024))
    )
    summary = summarize(mobilenet_v1(), (224, 224, 3))
    assert totals(summary) == (4_231_976, convs + 1024 * 1000)
    assert 2 * convs == pytest.approx(1.140e9, rel=5e-3)  # [slim]
    assert convs + 1024 * 1000 == pytest.approx(569e6, rel=1e-3)  # Howard et al. 2017, table 4
    assert summary.state_size == 21_888


@pytest.mark.slow
def test_branches_and_their_sum():
    rows = {row.path: row for row in summarize(resnet20(), (32, 32, 3)).rows}
    inner, shortcut, joined = (
        rows[f"9_residual{end}"] for end in ("/inner/0_conv", "/shortcut/0_conv", "")
    )
    assert (inner.parameters, inner.multiply_adds) == (9 * 16 * 32, 9 * 16 * 32 * 16 * 16)
    assert (shortcut.parameters, shortcut.multiply_adds) == (16 * 32, 16 * 32 * 16 * 16)
    assert (joined.parameters, joined.multiply_adds, joined.shape) == (0, 0, (16, 16, 32))
    assert (joined.field.size, joined.field.stride) == ((21, 21), (2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_rows_are_what_the_layers_give_and_hold_every_parameter_once(name):
    model = MODELS[name]()
    summary = summarize(model, (33, 40, 3))
    x = jax.ShapeDtypeStruct((1, 33, 40, 3), jnp.float32)
    params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), x.shape))
    given = jax.eval_shape(partial(layers.outputs, model), params, state, x)
    assert [(row.path, row.shape) for row in summary.rows] == [
        (path, y.shape[1:]) for path, y in given.items()
    ]
    assert totals(summary)[0] == sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.slow
def test_nothing_is_computed():
    def conv(x, w, *args, **options):
        assert isinstance(x, jax.core.Tracer)
        assert isinstance(w, jax.core.Tracer)
        return EXPLICIT.conv(x, w, *args, **options)

    model = layers.using(EXPLICIT._replace(conv=conv), resnet20())
    assert len(summarize(model, (32, 32, 3)).rows) > 50


def test_methods_are_those_of_the_dispatch():
    """A depthwise convolution is known by its input, not by its kernel: the first of an
    image of one channel is none."""
    methods = {
        row.path: row.choices for row in summarize(mobilenet(), (28, 28, 1)).rows if row.choices
    }
    for path, groups, x, w in (
        ("0_conv", 1, (28, 28, 1), (3, 3, 1, 16)),
        ("3_conv", 16, (28, 28, 16), (3, 3, 1, 16)),
        ("6_conv", 1, (28, 28, 16), (1, 1, 16, 32)),
    ):
        assert methods[path] == explain_conv((32, *x), w, padding="same", groups=groups)
    assert len(methods) == 11


# What is printed.


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_wide_terminal_has_one_line_for_each_layer(name):
    config = Config(name, (64, 32, 3), classes=7)
    text = printed(config, 120)
    paths = [row.path for row in summarize(MODELS[name](7), (64, 32, 3)).rows]
    lines = [line.split()[0] for line in text.splitlines() if re.match(r" \d+_", line)]
    assert lines == paths
    assert text.startswith(f"{name} on images of 64x32x3")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_80_columns_cut_nothing_off(name):
    text = printed(Config(name, (32, 32, 3)), 80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text
    for row in summarize(MODELS[name](10), (32, 32, 3)).rows:
        for value in (row.parameters, row.multiply_adds):
            assert not value or f"{value:,}" in text


def test_a_line_has_the_numbers_of_its_layer():
    text = printed(Config("lenet"), 100)
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    platform = jax.default_backend()
    choices = explain_conv((32, 14, 14, 16), (5, 5, 16, 32), padding="same")
    method = "/".join(choice.name for choice in choices.values())
    assert lines["3_conv"] == ["14x14x32", "12,832", "2,508,800", "14", "2", method]
    assert lines["5_max_pool"] == ["7x7x32", "16", "4"]
    assert lines["13_dense"] == [
        "10",
        "650",
        "640",
        "40",
    ]  # one output: it has no neighbour at a stride
    assert lines["total"] == ["222,986", "3,031,936"]
    assert (
        f"Methods compute forward/input gradient/kernel gradient of 32 images on {platform}:"
        in text
    )
    assert all(f"  {name}: " in text for name in method.split("/"))
    assert "State" not in text


def test_axes_that_differ_and_branches_that_are_not_aligned_are_shown(monkeypatch):
    def model(classes):
        block = layers.residual(layers.conv(4, (3, 5), stride=2), layers.conv(4, 1, stride=2))
        return layers.serial(
            layers.max_pool((2, 1)),
            block,
            layers.batch_norm(),
            layers.global_avg_pool(),
            layers.dense(classes),
        )

    monkeypatch.setitem(MODELS, "mine", model)
    text = printed(Config("mine", (16, 8, 1)), 100)
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert lines["1_residual"] == ["4x4x4", "6x5*", "4x2"]
    choices = explain_conv((32, 16, 8, 1), (1, 1, 1, 4), stride=2)
    names = [choice.name for choice in choices.values()]
    method = names[0] if len(set(names)) == 1 else "/".join(names)
    assert lines["1_residual/shortcut"][3:] == [
        "2x1",
        "4x2",
        method,
    ]  # it is given x, of one channel, not what inner gives
    assert "* Branches met" in text
    assert "8 values" in text  # the statistics of four channels


# The program.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["alexnet"],
            "MODEL must be one of cnn_basics, lenet, .*, or a folder that exists, got 'alexnet'",
            id="no such model",
        ),
        pytest.param(
            ["lenet", "--classes", "0"], "--classes must be at least 1, got 0", id="no classes"
        ),
        pytest.param(
            ["lenet", "--input-shape", "28"], "--input-shape must be .* got 28", id="channels only"
        ),
        pytest.param(
            ["lenet", "--input-shape", "28", "0", "1"],
            "--input-shape must be .* got 28x0x1",
            id="empty",
        ),
        pytest.param(
            ["lenet", "--input-shape"], "--input-shape must be .* got none", id="no shape"
        ),
        pytest.param(
            ["lenet", "--input-shape", "3", "3", "1"],
            r"lenet does not take images of 3x3x1: .*; in layer '5_max_pool', given x of shape \(1,"
            r" 1, 1, 32\)",
            id="image too small",
        ),
        pytest.param(
            ["lenet", "--input-shape", "4", "4", "4", "4", "1"],
            "lenet does not take images of 4x4x4x4x1: .*; in layer '0_conv', .*",
            id="four axes of space",
        ),
    ],
)
def test_what_does_not_fit_gives_one_line_and_status_2(options, message, capsys):
    assert command_line(options) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert re.fullmatch(f"jaxcnn summary: {message}\n", output.err)
