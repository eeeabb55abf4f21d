"""The program `jaxcnn receptive-field`: what it prints and draws."""

from __future__ import annotations

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.image import imread
from receptive_field_runs import init, write_run
from rich.console import Console

from jaxcnn.models import MODELS
from jaxcnn.programs.receptive_field import program
from jaxcnn.programs.receptive_field.config import Config
from jaxcnn.programs.receptive_field.picture import picture
from jaxcnn.programs.receptive_field.program import PICTURE, command_line, main
from jaxcnn.programs.train import program as train
from jaxcnn.training import TrainState


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The output folder of a run that trained `cnn_basics`, as far as this program
    reads it; the training is left out."""
    return write_run(tmp_path_factory.mktemp("run"), "cnn_basics")


@pytest.mark.slow
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
        program,
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


@pytest.mark.slow
def test_at_most_four_layers_are_chosen_none_far_larger_than_the_image(
    tmp_path, capsys, monkeypatch
):
    run = write_run(tmp_path, "resnet20")
    monkeypatch.setattr(program, "effective_field", lambda *_: np.zeros((8, 8)))
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


@pytest.mark.slow
def test_without_a_run_it_trains(tmp_path, capsys, monkeypatch):
    """With the options asked for, and in the folder told; the training itself is tested
    elsewhere."""

    expected = train.Config(model="cnn_basics", epochs=2, output=tmp_path / "training-2")

    (tmp_path / "training").mkdir()  # of an earlier call, or a person's own

    def stub(config, console):
        assert config == expected
        params, state = init(MODELS["cnn_basics"](), (1, 8, 8, 1))
        trained = TrainState(params, state, (), step=jnp.int32(0), key=jax.random.key(0))
        return train.Result(config.output, [{"test_accuracy": 0.5}], trained, 1.0)

    monkeypatch.setattr(train, "main", stub)
    assert command_line(["cnn_basics", "--epochs", "2", "--output", str(tmp_path)]) == 0
    assert (
        f"no --run: training cnn_basics on digits for 2 epochs, into {tmp_path / 'training-2'}"
        in capsys.readouterr().out
    )


def test_a_failing_disk_is_status_1_and_leaves_no_picture(run, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(program, "write_whole", fail)
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
    assert capsys.readouterr().err == "jaxcnn receptive-field: disk full\n"
    assert not (tmp_path / PICTURE).exists()


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for text in ("--layer", "--positions", "--run", "receptive_field.png"):
        assert text in printed
