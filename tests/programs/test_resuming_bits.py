"""A run that was interrupted and goes on gives bit for bit what the whole run gives."""

from __future__ import annotations

import pytest
from training_runs import (
    assert_same_run,
    at_batch,
    ends,
    in_test,
    newest_number,
    saved,
    train,
)

pytestmark = pytest.mark.usefixtures("standard_promotion", "quick_runs")

ALL = (
    "--average-decay", "0.9", "--accumulate", "2", "--flip", "--crop", "1", "--mixup", "0.2",
    "--cutout", "2", "--warmup-epochs", "0.5", "--balance",
)  # fmt: skip


def check(tmp_path, monkeypatch, *words, batches=(2,)):
    """Ended after each of these batches, and resumed: as the whole run."""
    assert train(tmp_path / "whole", *words) == 0
    for batch in batches:
        with monkeypatch.context() as patch:
            at_batch(patch, batch, ends())
            assert train(tmp_path / "parts", *words, "--resume") == 143
    assert train(tmp_path / "parts", *words, "--resume") == 0
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_whatever_a_state_has_goes_on(tmp_path, monkeypatch):
    """In the middle of an epoch, and of the gradients that are averaged."""
    check(tmp_path, monkeypatch, *ALL)
    names = " ".join(saved(tmp_path / "parts"))
    for part in (".params", ".model_state", ".opt_state", ".average", ".step", ".key", "acc_grads"):
        assert part in names, part


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--optimizer", "sgd", "--norm-rate", "8"), id="sgd"),
        pytest.param(("--optimizer", "lion", "--learning-rate", "1e-3"), id="lion"),
        pytest.param(("--compute-dtype", "bfloat16"), id="bfloat16"),
        pytest.param(("--steps-per-dispatch", "2"), id="two steps in a dispatch"),
        pytest.param(("--steps-per-dispatch", "2", "--accumulate", "3"), id="accumulated"),
        pytest.param(("--devices", "2"), id="two devices"),
        pytest.param(("--alternate-flips", "--brightness", "0.2", "--contrast", "0.3"), id="eyes"),
        pytest.param(("--gradients", "autodiff", "--mirror"), id="autodiff"),
        pytest.param(("--schedule", "constant", "--shift", "1", "--clip-norm", "0.1"), id="shift"),
    ],
)
def test_each_kind_of_run_goes_on(words, tmp_path, monkeypatch):
    """Ended after its first batch, after the last of an epoch, and in another epoch."""
    check(tmp_path, monkeypatch, *words, batches=(0, 4, 7))


@pytest.mark.slow
def test_a_run_with_an_epoch_in_a_dispatch_goes_on(tmp_path, monkeypatch):
    check(tmp_path, monkeypatch, "--steps-per-dispatch", "99", batches=(0, 7))


@pytest.mark.parametrize(
    ("end", "epoch_or_batch", "number"),
    [
        pytest.param(in_test, 1, 6, id="after the test"),
        pytest.param(at_batch, 4, 5, id="before the test", marks=pytest.mark.slow),
    ],
)
def test_an_epochs_end_goes_on(end, epoch_or_batch, number, finished_run, tmp_path, monkeypatch):
    """A signal in the last batch of an epoch ends the run before the test, and one in
    the test ends it after that."""
    with monkeypatch.context() as patch:
        end(patch, epoch_or_batch, ends())
        assert train(tmp_path / "run") == 143
    assert newest_number(tmp_path / "run") == number
    assert train(tmp_path / "run", "--resume") == 0
    assert_same_run(tmp_path / "run", finished_run)


@pytest.mark.slow
def test_a_run_goes_on_as_often_as_it_was_ended(tmp_path, monkeypatch):
    assert train(tmp_path / "whole", *ALL) == 0
    status, count = 143, 0
    while status == 143:
        with monkeypatch.context() as patch:
            at_batch(patch, count, ends())
            status = train(tmp_path / "parts", *ALL, *(["--resume"] if count else []))
        count += 1
    assert (status, count) == (0, 11)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
