"""The training program: what a short run writes, that both kinds of gradient train
alike, and what it refuses."""

from __future__ import annotations

import io
import json
import math
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

import jaxcnn.programs.train.program
from jaxcnn.models import lenet
from jaxcnn.ops import AUTODIFF
from jaxcnn.programs.checkpoint import load_arrays, save_arrays
from jaxcnn.programs.data.dataset import digits, shuffled_batches
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.progress import training_progress
from jaxcnn.programs.train.config import Config, ConfigError, check, from_command_line, read_recipe
from jaxcnn.programs.train.learning_curves import learning_curves
from jaxcnn.programs.train.program import PICTURES, RUN_FILES, command_line, main
from jaxcnn.programs.train.run import DivergedError, Run
from jaxcnn.training import TrainState

ROOT = Path(__file__).parents[2]
EPOCHS = 2


@pytest.fixture(scope="module", autouse=True)
def _standard_promotion():
    """Optax's AdamW mixes dtypes, which the strict promotion of these tests refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield


class Watcher(io.StringIO):
    """What a run prints, and how many lines metrics.jsonl had when it told of an
    epoch."""

    def __init__(self, metrics: Path):
        super().__init__()
        self.metrics = metrics
        self.lines_seen: list[int] = []

    def write(self, text: str) -> int:
        if text.startswith("epoch"):
            self.lines_seen.append(len(self.metrics.read_text().splitlines()))
        return super().write(text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A short run of each kind from one seed: its result, and what it printed."""
    results = {}
    for gradients in ("explicit", "autodiff"):
        output = tmp_path_factory.mktemp(gradients) / "run"
        printed = Watcher(output / "metrics.jsonl")
        config = Config(gradients=gradients, epochs=EPOCHS, batch_size=64, output=output)
        results[gradients] = (main(config, Console(file=printed, width=100)), printed)
    return results


# What a run writes and returns.


def test_a_run_writes_its_files_and_nothing_else(runs):
    result, _ = runs["explicit"]
    assert {path.name for path in result.output.iterdir()} == set(RUN_FILES)


def test_config_says_what_was_run(runs):
    result, _ = runs["autodiff"]
    config = json.loads((result.output / "config.json").read_text())
    expected = {
        "gradients": "autodiff",
        "seed": 0,
        "epochs": EPOCHS,
        "batch_size": 64,
        "train_images": 1437,
        "test_images": 360,
    }
    assert config.items() >= expected.items()
    assert config["versions"]["jax"] == jax.__version__


def test_metrics_are_the_rows_of_the_result(runs):
    result, _ = runs["explicit"]
    rows = [json.loads(line) for line in (result.output / "metrics.jsonl").read_text().splitlines()]
    assert rows == result.rows
    assert [row["epoch"] for row in rows] == [1, 2]
    names = {
        "epoch",
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "learning_rate",
        "seconds",
    }
    assert all(
        set(row) == names and all(math.isfinite(value) for value in row.values()) for row in rows
    )
    assert rows[1]["train_loss"] < rows[0]["train_loss"]
    assert rows[1]["test_accuracy"] > 0.5
    assert result.images_per_second > 0


def test_metrics_are_in_the_file_as_soon_as_an_epoch_is_done(runs):
    _, watcher = runs["explicit"]
    assert watcher.lines_seen == [1, 2]


def test_saved_parameters_give_the_reported_accuracy(runs):
    result, _ = runs["explicit"]
    params = load_arrays(result.output / "model.safetensors")["params"]
    assert params["0_conv"]["w"].shape == (5, 5, 1, 16)
    dataset = digits()
    # With JAX's own operations: they are the same network.
    logits, _ = jax.jit(partial(lenet(ops=AUTODIFF).apply, params, {}))(dataset.x_test)
    assert np.mean(np.argmax(logits, axis=1) == dataset.y_test) == pytest.approx(
        result.rows[-1]["test_accuracy"], abs=1e-6
    )


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_a_png_with_something_on_it(runs, name):
    result, _ = runs["explicit"]
    path = result.output / name
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = imread(path)
    assert min(picture.shape[:2]) > 300
    assert np.std(picture[..., :3]) > 0.05


def test_curves_are_drawn_where_the_rows_say():
    row = {"train_loss": 2.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 1.0}
    figure = learning_curves(
        [row | {"epoch": 1}, row | {"epoch": 2, "test_loss": 0.75}], "title", least_loss=0.5
    )
    loss_axes, accuracy_axes = figure.axes
    assert figure.get_suptitle() == "title"
    assert [list(line.get_ydata()) for line in loss_axes.lines] == [[2, 2], [1, 0.75], [0.5, 0.5]]
    assert [list(line.get_ydata()) for line in accuracy_axes.lines] == [[0.5, 0.5], [1, 1]]
    assert [line.get_label() for line in accuracy_axes.lines] == [
        "training, mean over the epoch",
        "test, after the epoch",
    ]


def test_one_epoch_is_a_point_at_1_and_no_fraction_of_it():
    row = {
        "epoch": 1,
        "train_loss": 2.0,
        "train_accuracy": 0.5,
        "test_loss": 1.0,
        "test_accuracy": 0.7,
    }
    for axes in learning_curves([row], "title").axes:
        assert list(axes.get_xticks()) == [1]
        assert axes.get_xlim() == (0, 2)
        assert {line.get_marker() for line in axes.lines} == {"o"}


def test_a_pipe_gets_a_line_for_each_epoch_and_a_table(runs):
    result, watcher = runs["explicit"]
    printed = watcher.getvalue()
    assert [line.split(":")[0] for line in printed.splitlines()[:EPOCHS]] == [
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert "\x1b" not in printed
    assert f"{result.rows[-1]['test_accuracy']:.2%}" in printed
    assert "38,666" in printed


def test_a_terminal_gets_a_bar():
    screen = io.StringIO()
    row = {
        "epoch": 1,
        "train_loss": 0.5,
        "train_accuracy": 0.9,
        "test_loss": 0.5,
        "test_accuracy": 0.875,
        "seconds": 1.0,
    }
    console = Console(file=screen, force_terminal=True, width=100)
    with training_progress(console, epochs=2, batches=1) as progress:
        progress.batches_done(1)
        progress.epoch_done(row, images_per_second=1234.5)
        progress.batches_done(1)
    for text in ("epoch 2/2", "━━━", "loss 0.500", "87.50%", "1,234 images/s", "left"):
        assert text in screen.getvalue()


# Training.


def test_explicit_and_autodiff_runs_follow_the_same_curves(runs):
    """Relative differences of 7e-7 were measured, the rounding of float32; 1e-5 leaves
    room for another machine's."""
    (explicit, _), (autodiff, _) = runs["explicit"], runs["autodiff"]
    for ours, theirs in zip(explicit.rows, autodiff.rows, strict=True):
        for split, images in (("train", 1437), ("test", 360)):
            assert ours[f"{split}_loss"] == pytest.approx(theirs[f"{split}_loss"], rel=1e-5)
            assert ours[f"{split}_accuracy"] == pytest.approx(
                theirs[f"{split}_accuracy"], abs=1.01 / images
            )


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A short run of a network with batch normalisation and dropout, and a function
    that repeats it with other options."""

    def run(**options):
        output = tmp_path_factory.mktemp("run") / "run"
        config = Config(
            model="vgg",
            epochs=1,
            batch_size=256,
            optimizer="sgd",
            learning_rate=0.05,
            output=output,
        )
        return main(replace(config, **options), Console(file=io.StringIO())).rows[-1]

    return run, run()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"steps_per_dispatch": 2}, id="two steps in a dispatch, one left over"),
        pytest.param({"steps_per_dispatch": 99}, id="the whole epoch in a dispatch"),
        pytest.param({"devices": 2}, id="two devices"),
    ],
)
def test_how_a_run_is_computed_does_not_change_it(plain, options):
    run, expected = plain
    row = run(**options)
    for name in ("train_loss", "test_loss"):
        assert row[name] == pytest.approx(expected[name], rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 2},
        {"average_decay": 0.9},
        {"clip_norm": 0.1},
        {"warmup_epochs": 0.5},
        {"schedule": "constant"},
        {"shift": 1},
        {"flip": True},
        {"cutout": 3},
        {"compute_dtype": "bfloat16"},
        {"optimizer": "lion", "learning_rate": 1e-3},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_change_a_run(plain, options):
    run, expected = plain
    row = run(**options)
    assert row["test_loss"] != expected["test_loss"]
    assert math.isfinite(row["test_loss"])


def test_a_recipe_is_options_and_the_command_line_goes_before_it(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'model = "vgg"\nepochs = 3\nflip = true\noverwrite = false\nlearning_rate = 6e-3\n'
    )
    expected = Config(recipe=recipe, model="vgg", epochs=3, flip=True, learning_rate=6e-3)
    assert read_recipe(recipe) == expected
    assert from_command_line(["--recipe", str(recipe), "--epochs", "5"], "train") == replace(
        expected, epochs=5
    )
    recipe.write_text("epoch = 3")
    with pytest.raises(ConfigError, match="no option: epoch; there are accumulate"):
        read_recipe(recipe)
    recipe.write_text('model = "alexnet"')
    with pytest.raises(SystemExit):
        read_recipe(recipe)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments" / "recipes").glob("*.toml")), ids=lambda path: path.name
)
def test_the_recipes_of_the_project_make_sense(path):
    check(read_recipe(path))


def test_the_held_out_images_are_a_fifth_of_each_class_and_always_the_same():
    dataset = digits()
    assert dataset.x_train.shape == (1437, 8, 8, 1)
    assert dataset.x_test.shape == (360, 8, 8, 1)
    assert dataset.x_train.dtype == np.float32
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 1)
    parts = np.bincount(dataset.y_test) / np.bincount(
        np.concatenate([dataset.y_train, dataset.y_test])
    )
    np.testing.assert_allclose(parts, 0.2, atol=0.005)
    assert all(np.array_equal(*pair) for pair in zip(dataset, digits(), strict=True))
    assert (dataset.name, dataset.classes) == ("digits", tuple("0123456789"))


def test_an_epoch_visits_an_image_at_most_once_and_the_next_in_another_order():
    random = np.random.default_rng(0)
    first, second = list(shuffled_batches(random, 10, 3)), list(shuffled_batches(random, 10, 3))
    assert [len(batch) for batch in first] == [3, 3, 3]
    assert len(set(np.concatenate(first))) == 9
    assert set(np.concatenate(first)) < set(range(10))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    assert [len(batch) for batch in shuffled_batches(random, 6, 3)] == [3, 3]


# Files.


def test_arrays_come_back_as_they_were(tmp_path):
    leaves = {"w": np.arange(6.0).reshape(2, 3).T, "b": np.zeros(0, np.float32)}
    arrays = {"0_residual": {"inner": leaves, "shortcut": {"w": np.ones(2)}}, "scale": np.int32(3)}
    save_arrays(tmp_path / "a.safetensors", arrays)
    loaded = load_arrays(tmp_path / "a.safetensors")
    jax.tree.map(np.testing.assert_array_equal, loaded, arrays)
    with pytest.raises(ValueError, match=r"no dot.*'0\.conv'"):
        save_arrays(tmp_path / "b.safetensors", {"0.conv": np.zeros(1)})


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(partial):
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# Refusals.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--epochs", "0"], "--epochs must be at least 1, got 0", id="no epochs"),
        pytest.param(
            ["--batch-size", "0"], "--batch-size must be at least 1, got 0", id="no batch"
        ),
        pytest.param(
            ["--batch-size", "1438"],
            "--batch-size must be at most the 1,437 training images, got 1,438",
            id="batch larger than the data",
        ),
        pytest.param(
            ["--learning-rate", "-1"],
            "--learning-rate must be a positive number, got -1",
            id="negative rate",
        ),
        pytest.param(
            ["--learning-rate", "nan"], "--learning-rate .* got nan", id="rate not a number"
        ),
        pytest.param(
            ["--devices", "3"],
            "--devices must be between 1 and the 2 .* got 3",
            id="more devices than there are",
        ),
        pytest.param(
            ["--devices", "2", "--batch-size", "31"],
            "--devices must divide the batch of 31",
            id="odd batch",
        ),
        pytest.param(
            ["--data-dir", "x"], "the digits come with scikit-learn", id="digits from a folder"
        ),
        pytest.param(
            ["--dataset", "mnist", "--data-dir", "{tmp}"],
            ".*train-images-idx3-ubyte",
            id="no data there",
        ),
        pytest.param(
            ["--recipe", "{tmp}/none.toml"],
            "--recipe .*none.toml cannot be read",
            id="no recipe there",
        ),
        pytest.param(["--recipe", "{tmp}/file"], "--recipe .*file is not TOML", id="no recipe"),
        pytest.param(
            ["--accumulate", "0"], "--accumulate must be at least 1", id="nothing accumulated"
        ),
        pytest.param(
            ["--clip-norm", "0"], "--clip-norm must be a positive number", id="all clipped"
        ),
        pytest.param(
            ["--average-decay", "1"],
            "--average-decay must be at least 0 and below 1",
            id="the start for ever",
        ),
        pytest.param(
            ["--label-smoothing", "1"], "--label-smoothing .* got 1", id="nothing but smoothing"
        ),
        pytest.param(["--seed", "-1"], "--seed .* got -1", id="negative seed"),
        pytest.param(
            ["--output", "{tmp}/file"], "--output must be a folder .*/file", id="output is a file"
        ),
        pytest.param(
            ["--output", "{tmp}/file/run"],
            "--output must be a folder .*/file/run",
            id="output in a file",
        ),
        pytest.param(
            ["--output", "{tmp}"], ".* holds a run already: pass --overwrite", id="a run is there"
        ),
    ],
)
def test_wrong_options_give_one_line_and_status_2(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "config.json").write_text("an earlier run")
    assert command_line([option.format(tmp=tmp_path) for option in options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.fullmatch(f"train: {message}.*\n", printed.err)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "file": "mine",
        "config.json": "an earlier run",
    }


EARLIER = dict.fromkeys((*RUN_FILES, "notes.txt"), "old")


@pytest.fixture
def earlier(tmp_path) -> Path:
    """A folder with an earlier run, and with a file that is none of a run's."""
    for name, text in EARLIER.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_divergence_in_the_first_epoch_leaves_the_earlier_run_of_an_overwriting_one(
    earlier, capsys
):
    assert (
        command_line(
            ["--learning-rate", "1e30", "--epochs", "3", "--output", str(earlier), "--overwrite"]
        )
        == 1
    )
    printed = capsys.readouterr()
    assert re.match(
        r"train: not finite in batch \d+ of epoch 1: .*'.*'.*; try a learning rate below 1e\+30",
        printed.err,
    ), printed.err
    assert printed.err.count("\n") == 1
    assert texts(earlier) == EARLIER


# Runs that end early.

SMALL = [
    "--model",
    "cnn_basics",
    "--batch-size",
    "512",
    "--epochs",
    "3",
    "--optimizer",
    "sgd",
    "--overwrite",
    "--output",
]


def in_epoch(monkeypatch, number: int, after_batches: int, act) -> None:
    """Have `act` called in that epoch, after so many of its batches."""
    whole = Run.epoch

    def epoch(run, random, epoch_number):
        for done, metrics in enumerate(whole(run, random, epoch_number)):
            if (epoch_number, done) == (number, after_batches):
                act()
            yield metrics

    monkeypatch.setattr(Run, "epoch", epoch)


@pytest.fixture
def uncompiled(monkeypatch):
    """A run that computes nothing: what it does with files and signals is what it is
    for."""
    weights = {"0_conv": {"w": np.zeros(3, np.float32)}}

    def epoch(run, random, number):
        yield {"loss": np.full(2, 1.0 / number), "accuracy": np.ones(2)}

    monkeypatch.setattr(
        Run, "compile", lambda run: setattr(run, "state", TrainState(weights, {}, (), 0, 0))
    )
    monkeypatch.setattr(Run, "epoch", epoch)
    monkeypatch.setattr(Run, "predict", lambda run, x: np.eye(10)[np.arange(len(x)) % 10])
    monkeypatch.setattr(jaxcnn.programs.train.program, "_pictures", lambda *_: iter(()))


def test_a_run_that_is_ended_keeps_the_weights_of_its_last_whole_epoch(
    earlier, capsys, monkeypatch
):
    """After a batch of the third epoch, whose step took the memory of the weights; and
    again, while they are being saved."""
    in_epoch(monkeypatch, 3, 1, lambda: signal.raise_signal(signal.SIGTERM))
    save, predict, tested = jaxcnn.programs.train.program.save_arrays, Run.predict, []

    def recorded(run, x):
        tested.append(jax.tree.map(np.array, run.state.params))
        return predict(run, x)

    monkeypatch.setattr(Run, "predict", recorded)
    monkeypatch.setattr(
        jaxcnn.programs.train.program,
        "save_arrays",
        lambda *args: (signal.raise_signal(signal.SIGINT), save(*args)),
    )
    assert command_line([*SMALL, str(earlier)]) == 143
    assert (
        capsys.readouterr().err
        == f"train: terminated; {earlier} has the weights and the metrics of 2 of 3 epochs\n"
    )
    assert {path.name for path in earlier.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "notes.txt",
    }
    rows = [json.loads(line) for line in (earlier / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert json.loads((earlier / "config.json").read_text())["epochs"] == 3
    assert len(tested) == 2
    jax.tree.map(
        np.testing.assert_array_equal,
        load_arrays(earlier / "model.safetensors")["params"],
        tested[1],
    )
    assert not np.array_equal(tested[0]["7_dense"]["w"], tested[1]["7_dense"]["w"])


@pytest.mark.parametrize("moment", ["compile", "epoch"])
def test_before_the_first_epoch_is_done_nothing_is_written_and_nothing_lost(
    moment, uncompiled, earlier, capsys, monkeypatch
):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)
        return iter(())

    monkeypatch.setattr(Run, moment, interrupted)
    line = "train: interrupted; nothing was written: no epoch was done\n"
    assert command_line([*SMALL, str(earlier)]) == 130
    assert command_line([*SMALL, str(earlier / "new" / "one")]) == 130
    assert capsys.readouterr() == ("", line + line)
    assert texts(earlier) == EARLIER


def test_from_the_first_epoch_on_the_folder_has_the_new_run_and_nothing_of_the_old(
    uncompiled, earlier, capsys, monkeypatch
):
    def failing():
        raise DivergedError("not finite in batch 1 of epoch 3")

    in_epoch(monkeypatch, 3, 0, failing)
    assert command_line([*SMALL, str(earlier)]) == 1
    assert capsys.readouterr().err == "train: not finite in batch 1 of epoch 3\n"
    assert {path.name for path in earlier.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "notes.txt",
    }
    assert [
        json.loads(line)["epoch"] for line in (earlier / "metrics.jsonl").read_text().splitlines()
    ] == [1, 2]
    assert (earlier / "notes.txt").read_text() == "old"


def test_an_interruption_among_the_pictures_says_what_is_there(
    uncompiled, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(
        jaxcnn.programs.train.program,
        "_pictures",
        lambda *_: signal.raise_signal(signal.SIGTERM) or (),
    )
    assert command_line([*SMALL, str(tmp_path)]) == 143
    assert (
        capsys.readouterr().err
        == f"train: terminated; {tmp_path} has the whole run but for some of its pictures\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
    }


def test_what_killed_runs_left_is_removed(uncompiled, earlier):
    (earlier / ".first_filters.png.123456.partial").write_text("half")
    (earlier / ".lock").write_text("123456")
    assert command_line([*SMALL, str(earlier)]) == 0
    assert {path.name for path in earlier.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "notes.txt",
    }


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_full_disk_is_told_with_the_file_and_loses_nothing(
    name, uncompiled, earlier, capsys, monkeypatch
):
    write = Path.write_text if name == "config.json" else Path.write_bytes

    def full(path, content, *args, **options):
        return write(Path("/dev/full") if name in path.name else path, content, *args, **options)

    monkeypatch.setattr(Path, write.__name__, full)
    assert command_line([*SMALL, str(earlier)]) == 1
    assert re.fullmatch(
        rf"train: {earlier}/.*{name}: No space left on device\n", capsys.readouterr().err
    )
    if name == "config.json":
        assert texts(earlier) == EARLIER
    else:
        assert {path.name for path in earlier.iterdir()} == {
            "config.json",
            "metrics.jsonl",
            "notes.txt",
        }


@pytest.mark.parametrize("smoothing", [0.1, 0.0])
def test_the_table_says_how_small_a_smoothed_loss_can_be(smoothing, uncompiled, tmp_path):
    """By hand: the entropy of one label of 0.91 and nine of 0.01."""
    printed = io.StringIO()
    main(
        Config(epochs=1, label_smoothing=smoothing, output=tmp_path / "run"),
        Console(file=printed, width=200),
    )
    found = re.findall(r"least possible test loss, labels smoothed\W+(\S+)", printed.getvalue())
    assert found == (
        [f"{-0.91 * math.log(0.91) - 9 * 0.01 * math.log(0.01):.4f}"] if smoothing else []
    )


def test_a_failing_disk_is_told_in_one_line(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(jaxcnn.programs.train.program, "write_whole", fail)
    assert command_line(["--output", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "train: disk full\n"


def test_the_program_as_a_person_starts_it():
    program = [sys.executable, "-m", "jaxcnn.programs.train.program"]
    wrong = subprocess.run(
        [*program, "--epochs", "0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (
        2,
        "",
        "train: --epochs must be at least 1, got 0\n",
    )


def test_help_has_a_sentence_for_each_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for option in (field.name.replace("_", "-") for field in fields(Config)):
        (text,) = re.findall(
            rf"^\W*--{option}\b(.*?)(?=^\W*--|\Z)", printed, re.DOTALL | re.MULTILINE
        )
        assert len(text.split()) >= 5, option


def test_the_default_folder_is_a_new_one(tmp_path, monkeypatch):
    """The same command twice is two runs, and so it is at the same time; a folder that
    was named holds one."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        assert [
            str(stack.enter_context(jaxcnn.programs.train.program._claimed_output(Config(seed=3))))
            for _ in range(3)
        ] == [
            "runs/digits-lenet-explicit-seed3",
            "runs/digits-lenet-explicit-seed3-2",
            "runs/digits-lenet-explicit-seed3-3",
        ]
