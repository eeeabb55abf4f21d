"""The receptive field program: its numbers against hand-made ones, what it prints and
draws of a run, and what it refuses."""

from __future__ import annotations

import io
import json
import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

import jaxcnn.programs.receptive_field.program
from jaxcnn import layers
from jaxcnn.models import MODELS, lenet, resnet
from jaxcnn.programs.checkpoint import load_arrays, save_arrays
from jaxcnn.programs.data.dataset import digits
from jaxcnn.programs.receptive_field.program import (
    PICTURE,
    Config,
    View,
    centre_output,
    command_line,
    effective_field,
    equal_weights_sd,
    main,
    picture,
    sd,
)
from jaxcnn.programs.train import program as train
from jaxcnn.receptive import receptive_fields
from jaxcnn.training import TrainState


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The output folder of a run that trained the example network, as far as this
    program reads it; the training is left out."""
    return write_run(tmp_path_factory.mktemp("run"), "cnn_basics")


def init(model, shape):
    """Params and state in [0, 1): nothing is compiled to draw them, and no relu is
    dead."""
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))
    return jax.tree.map(lambda leaf: random.random(leaf.shape, np.float32), shapes)


def write_run(folder, name, **entries):
    """`entries` of config.json that differ from what was saved."""
    params, state = init(MODELS[name](), (1, 8, 8, 1))
    save_arrays(folder / "model.safetensors", {"params": params, "state": state})
    described = {
        "model": name,
        "dataset": "digits",
        "data_dir": None,
        "image_shape": [8, 8, 1],
    } | entries
    (folder / "config.json").write_text(json.dumps(described))
    return folder


def equal_weights(model, shape):
    params, state = init(model, shape)
    return jax.tree.map(jnp.ones_like, params), state


# The numbers.


@pytest.mark.parametrize(
    ("model", "path"), [(lenet(), "3_conv"), (resnet(features=(4, 8), blocks=1), "5_residual")]
)
def test_the_gradient_is_zero_outside_the_receptive_field(model, path):
    """Exactly, not nearly; and in these random networks it reaches the field's border,
    as far as that is in the image."""
    params, state = init(model, (1, 28, 28, 1))
    x = jnp.asarray(np.random.default_rng(1).random((3, 28, 28, 1), np.float32))
    field = receptive_fields(model, (28, 28))[path]
    for position in (centre_output(field), (0, 9)):
        effective = effective_field(model, params, state, x, path, position)
        (top, bottom), (first, last) = field.clipped(position)
        inside = effective[top : bottom + 1, first : last + 1]
        assert np.count_nonzero(effective) == np.count_nonzero(inside)
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        assert effective.sum() == pytest.approx(1)


def test_with_equal_weights_the_measured_spread_is_the_theoretical():
    """Strides, dilations and oblong windows included; the centre is the theoretical one
    too."""
    model = layers.serial(
        layers.conv(2, (3, 5)),
        layers.avg_pool(2),
        layers.conv(2, (3, 2), dilation=(1, 2), padding="valid"),
        layers.conv(1, 3, stride=2, padding="valid"),
    )
    shape = (1, 60, 60, 1)
    params, state = equal_weights(model, shape)
    field = receptive_fields(model, (60, 60))["3_conv"]
    effective = effective_field(
        model, params, state, jnp.ones(shape), "3_conv", centre_output(field)
    )
    expected = [
        (9 - 1) + (4 - 1) + 4 * (9 - 1) + 4 * (9 - 1),
        (25 - 1) + (4 - 1) + 4 * 4 * (4 - 1) + 4 * (9 - 1),
    ]
    np.testing.assert_allclose(
        equal_weights_sd(model, (60, 60))["3_conv"], np.sqrt(np.divide(expected, 12)), rtol=1e-12
    )
    np.testing.assert_allclose(
        sd(effective), equal_weights_sd(model, (60, 60))["3_conv"], rtol=1e-5
    )
    mean = [effective.sum(axis=1 - axis) @ np.arange(60) for axis in (0, 1)]
    np.testing.assert_allclose(mean, field.centre(centre_output(field)), rtol=1e-5)


def test_of_branches_the_wider_one_counts():
    model = layers.serial(
        layers.residual(layers.conv(1, 3), layers.conv(1, 1)),
        layers.residual(layers.relu(), layers.conv(1, 5)),
    )
    found = {
        path: round(12 * rows**2) for path, (rows, _) in equal_weights_sd(model, (9, 9)).items()
    }
    assert found == {
        "0_residual/inner": 8,
        "0_residual/shortcut": 0,
        "0_residual": 8,
        "1_residual/inner": 8,
        "1_residual/shortcut": 32,
        "1_residual": 32,
    }
    assert equal_weights_sd(model, (9, 9)).keys() == receptive_fields(model, (9, 9)).keys()


def test_the_absolute_value_is_averaged_over_images_and_taken_after_the_sum_over_channels():
    """Two output channels of one tap, 1 and -3, and relu(-x) on images that are
    positive or not: of the first nothing is left."""
    model = layers.serial(layers.conv(2, (1, 2), padding="valid", bias=False), layers.relu())
    params = {"0_conv": {"w": jnp.array([[[[1.0, -3.0]], [[2.0, -2.0]]]])}}
    x = jnp.array([[[[1.0], [1.0]]], [[[-1.0], [-1.0]]]])
    np.testing.assert_allclose(
        effective_field(model, params, {}, x, "0_conv", (0, 0)), [[1, 0]]
    )  # |1 - 3| and |2 - 2|
    np.testing.assert_allclose(
        effective_field(model, params, {}, x, "1_relu", (0, 0)), [[0.5, 0.5]]
    )  # 1, 2 and then 3, 2


def test_no_gradient_is_told():
    model = layers.serial(layers.conv(1, 3, bias=False), layers.relu())
    params, state = equal_weights(model, (1, 5, 5, 1))
    effective = effective_field(model, params, state, -jnp.ones((1, 5, 5, 1)), "1_relu", (2, 2))
    assert not effective.any()
    assert all(map(math.isnan, sd(effective)))
    field = receptive_fields(model, (5, 5))["1_relu"]
    figure = picture(
        [View("1_relu", field, ((2, 2),), effective, (1.0, 1.0))], np.zeros((5, 5, 1)), "title"
    )
    assert figure.axes[1].get_title() == "gradient of output (2, 2): 0 for every image"


# What it prints and draws.


def test_a_run_is_drawn(run, tmp_path):
    printed = io.StringIO()
    path = main(
        Config("cnn_basics", run=run, output=tmp_path / "new" / "folder"),
        Console(file=printed, width=120),
    )
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert np.std(imread(path)[..., :3]) > 0.05
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in printed.getvalue().splitlines()
        if "│" in line
    ]
    assert rows[:6] == [
        ["0_conv", "6x6", "3x3", "1x1", "0, 0", "4, 4", "yes"],
        ["1_relu", "6x6", "3x3", "1x1", "0, 0", "4, 4", "yes"],
        ["2_max_pool", "3x3", "4x4", "2x2", "0, 0", "3.5, 3.5", "yes"],
        ["3_conv", "3x3", "8x8", "2x2", "2, 2", "3.5, 3.5", "yes"],
        ["4_relu", "3x3", "8x8", "2x2", "2, 2", "3.5, 3.5", "yes"],
        ["5_max_pool", "1x1", "10x10", "4x4", "2, 2", "2.5, 2.5", "yes"],
    ]
    assert [row[0] for row in rows[6:]] == ["0_conv", "2_max_pool", "3_conv", "5_max_pool"]
    assert rows[6][1:3] + rows[6][4:] == ["3, 3", "3x3", "0.82 x 0.82"]  # sqrt(8 / 12)
    assert f"picture in {path}" in printed.getvalue()


def test_one_layer_and_its_outputs_are_drawn_where_they_see(run, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        jaxcnn.programs.receptive_field.program,
        "picture",
        lambda *args: drawn.append(picture(*args)) or drawn[-1],
    )
    options = ["--layer", "3_conv", "--positions", "0", "0", "2", "1", "--images", "3"]
    assert command_line(["cnn_basics", "--run", str(run), *options, "--output", str(tmp_path)]) == 0
    left, right, _ = drawn[0].axes
    assert left.get_ylabel() == "3_conv"
    assert left.get_title() == "receptive field 8x8, effective stride 2x2, aligned"
    outlines = [patch.get_bbox().bounds for patch in left.patches if patch.get_linewidth() == 2]
    assert outlines == [(-2.5, -2.5, 8, 8), (-0.5, 1.5, 8, 8)]  # columns first
    shaded = [patch.get_bbox().bounds for patch in left.patches if patch.get_alpha() is not None]
    assert shaded == [(-0.5, -0.5, 6, 6), (-0.5, 1.5, 8, 6)]
    assert [line.get_xydata().tolist() for line in left.lines] == [[[1.5, 1.5]], [[3.5, 5.5]]]
    assert (right.get_xlim(), right.get_ylim()) == (left.get_xlim(), left.get_ylim())
    assert right.patches[0].get_bbox().bounds == (-0.5, -0.5, 8, 8)
    assert "3 test images" in drawn[0].get_suptitle()


def test_at_most_four_layers_are_chosen_none_far_larger_than_the_image(
    tmp_path, capsys, monkeypatch
):
    run = write_run(tmp_path, "resnet20")
    monkeypatch.setattr(
        jaxcnn.programs.receptive_field.program, "effective_field", lambda *_: np.zeros((8, 8))
    )
    assert (
        command_line(
            ["resnet20", "--run", str(run), "--images", "1", "--output", str(tmp_path / "picture")]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "no gradient" in printed
    rows = [
        [cell.strip() for cell in line.split("│")]
        for line in printed.split("Spread")[1].splitlines()
        if "│" in line
    ]
    assert [row[3] for row in rows] == ["3x3", "7x7", "11x11", "15x15"]


def test_without_a_run_it_trains(tmp_path, capsys, monkeypatch):
    """With the options asked for, and in the folder told; the training itself is tested
    elsewhere."""

    expected = train.Config(
        model="cnn_basics", epochs=2, output=tmp_path / "training", overwrite=True
    )

    def stub(config, console):
        assert config == expected
        params, state = init(MODELS["cnn_basics"](), (1, 8, 8, 1))
        trained = TrainState(params, state, (), step=jnp.int32(0), key=jax.random.key(0))
        return train.Result(config.output, [{"test_accuracy": 0.5}], trained, 1.0)

    monkeypatch.setattr(train, "main", stub)
    assert command_line(["cnn_basics", "--epochs", "2", "--output", str(tmp_path)]) == 0
    assert (
        f"no --run: training example on digits for 2 epochs, into {tmp_path / 'training'}"
        in capsys.readouterr().out
    )


# Refusals.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--layer", "6_flatten"],
            (
                "--layer must be a layer whose output has space, got 6_flatten: there are 0_conv,"
                " 1_relu, 2_m"
            ),
        ),
        (
            ["--layer", "3_conv", "--positions", "0", "3"],
            "--positions must be in the 3x3 outputs of 3_conv, got (0, 3)",
        ),
        (
            ["--positions", "-1", "0"],
            "--positions must be in the 6x6 outputs of 0_conv, got (-1, 0)",
        ),
        (["--images", "0"], "--images must be at least 1, got 0"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (
            ["--run", "{tmp}"],
            "--run {tmp} is no run of jaxcnn train: its config.json: No such file or directory",
        ),
        (
            ["--dataset", "mnist"],
            "--run {run} was trained on digits, not on mnist: leave --dataset out",
        ),
        (["--data-dir", "{tmp}"], "the digits come with scikit-learn"),
        (
            ["--output", "{run}/config.json"],
            "--output must be a folder that can be written: {run}/config.json: File exists",
        ),
    ],
)
def test_what_makes_no_sense_gives_one_line_and_status_2(options, message, run, tmp_path, capsys):
    words = [
        word.format(tmp=tmp_path, run=run)
        for word in ["--run", "{run}", "--output", "{tmp}/new", *options]
    ]
    assert command_line(["cnn_basics", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"receptive_field: {message.format(tmp=tmp_path, run=run)}")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_network_is_refused(run, tmp_path, capsys):
    assert command_line(["lenet", "--run", str(run), "--output", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == f"receptive_field: --run {run} trained example, not lenet\n"
    write_run(tmp_path, "cnn_basics", model="lenet")
    assert command_line(["lenet", "--run", str(tmp_path), "--output", str(tmp_path / "new")]) == 2
    assert (
        "has another network than lenet of today: model.safetensors has other arrays"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "new").exists()


def test_a_run_in_whole_numbers_is_refused(run, tmp_path, capsys):
    shutil.copy(run / "config.json", tmp_path)
    save_arrays(
        tmp_path / "model.safetensors",
        jax.tree.map(np.int32, load_arrays(run / "model.safetensors")),
    )
    assert (
        command_line(["cnn_basics", "--run", str(tmp_path), "--output", str(tmp_path / "new")]) == 2
    )
    assert "model.safetensors has other arrays" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "config.json",
            b"{",
            "is no run of jaxcnn train: config.json does not tell of one",
        ),
        (
            "config.json",
            b"[]",
            "is no run of jaxcnn train: config.json does not tell of one",
        ),
        (
            "config.json",
            b'{"model": "cnn_basics"}',
            "is no run of jaxcnn train: config.json does not tell of one",
        ),
        ("model.safetensors", b"damaged", "has no trained network: model.safetensors: "),
        ("model.safetensors", None, "has no trained network: model.safetensors: "),
    ],
)
def test_a_damaged_run_is_refused(name, content, message, tmp_path, capsys):
    run = write_run(tmp_path, "cnn_basics")
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    assert command_line(["cnn_basics", "--run", str(run), "--output", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"receptive_field: --run {run} {message}")
    assert error.count("\n") == 1


def test_images_too_small_for_the_network_are_refused(tmp_path, capsys, monkeypatch):
    small = digits()
    monkeypatch.setattr(
        jaxcnn.programs.receptive_field.program,
        "load",
        lambda *_, **__: small._replace(x_test=small.x_test[:, :4, :4]),
    )
    assert command_line(["vgg", "--output", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("receptive_field: vgg does not take 4x4 images: ")
    assert error.count("\n") == 1


def test_a_failing_disk_is_status_1_and_leaves_no_picture(run, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(jaxcnn.programs.receptive_field.program, "write_whole", fail)
    assert (
        command_line(
            [
                "cnn_basics",
                "--run",
                str(run),
                "--images",
                "1",
                "--layer",
                "0_conv",
                "--output",
                str(tmp_path),
            ]
        )
        == 1
    )
    assert capsys.readouterr().err == "receptive_field: disk full\n"
    assert not (tmp_path / PICTURE).exists()


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for text in ("--layer", "--positions", "--run", "receptive_field.png"):
        assert text in printed
