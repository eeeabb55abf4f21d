"""How a run shows its progress: curves in a picture, and a bar in a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from jaxcnn.programs.progress import training_progress
from jaxcnn.programs.train.learning_curves import learning_curves


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
