"""Runs on a folder of pictures, in memory and streamed: they go on from the same place,
and give the same bits."""

from __future__ import annotations

import shutil

import pytest
from picture_folders import spoil
from training_runs import assert_same_run, at_batch, ends, train, without_pictures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("standard_promotion", "no_onednn")]

STREAMED = ("--memory-gb", "1e-9")


def words(pictures, *more: str) -> list[str]:
    return ["--dataset", "folder", "--data-dir", str(pictures), "--image-size", "12",
            "--fit", "stretch", "--flip", *more]  # fmt: skip


def test_a_folder_in_memory_and_streamed_give_the_same_and_go_on(
    pictures, tmp_path, monkeypatch, capsys
):
    """Ended in memory and resumed from the disk, and the other way round, from a folder
    that was moved meanwhile."""
    without_pictures(monkeypatch)
    spoil(pictures)
    assert train(tmp_path / "kept", *words(pictures)) == 0
    assert train(tmp_path / "streamed", *words(pictures, *STREAMED)) == 0
    assert "they are decoded again in each epoch" in capsys.readouterr().out.replace("\n", " ")
    assert_same_run(tmp_path / "streamed", tmp_path / "kept")
    for first, then in ((STREAMED, STREAMED), ((), STREAMED), (STREAMED, ())):
        output = tmp_path / f"{len(first)} {len(then)}"
        with monkeypatch.context() as patch:
            at_batch(patch, 4, ends())
            assert train(output, *words(pictures, *first)) == 143
        pictures = pictures.rename(tmp_path / f"moved {output.name}")
        assert train(output, "--resume", *words(pictures, *then)) == 0
        assert "going on after 1 of 2 epochs and 2 of 3 batches" in capsys.readouterr().out
        assert_same_run(output, tmp_path / "kept")


def test_a_folder_whose_pictures_changed_is_refused(pictures, tmp_path, monkeypatch, capsys):
    """One more, one less, one that is another, and one of another class."""
    without_pictures(monkeypatch)
    assert train(tmp_path / "run", *words(pictures), epochs=1) == 0
    changes = {
        "more": lambda: shutil.copy(pictures / "cat" / "0.png", pictures / "cat" / "more.png"),
        "less": lambda: (
            (pictures / "cat" / "more.png").unlink() or (pictures / "cat" / "1.png").unlink()
        ),
        "other": lambda: shutil.copy(pictures / "cat" / "0.png", pictures / "cat" / "1.png"),
        "class": lambda: (pictures / "dog" / "0.png").replace(pictures / "cat" / "1.png"),
    }
    for name, change in changes.items():
        change()
        assert train(tmp_path / "run", "--resume", *words(pictures), epochs=2) == 2, name
        assert "the images are not those that the run began with" in capsys.readouterr().err
