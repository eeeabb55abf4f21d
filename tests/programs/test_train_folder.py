"""`jaxcnn train --dataset folder`: what a person types, and what they are told."""

from __future__ import annotations

import json
import re

import pytest
from picture_files import encoded, plain
from picture_folders import spoil
from training_runs import without_pictures

from jaxcnn.programs.command import run

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--data-dir must be given with --dataset folder: the folder of your images, .*"),
        (["--data-dir", "{tmp}/none"], "{tmp}/none is not there: --data-dir must be a folder .*"),
        (["--data-dir", "{tmp}/cat"], "{tmp}/cat needs a folder for each class, and at least .*"),
        (["--data-dir", "{tmp}"], r"the images have different sizes, {tmp}/.*: --image-size N .*"),
        (
            ["--data-dir", "{tmp}", "--image-size", "8", "--classes", "cat", "dgo"],
            r"--classes must be names of classes, got 'dgo': did you mean dog\? There are cat, .*",
        ),
        (
            ["--data-dir", "{tmp}", "--image-size", "8", "--most-broken", "0.01"],
            r"{tmp}: 3 of 43 files are broken or no images, and at most 1 % of them may be .*",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(
    pictures, tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    spoil(pictures)
    (pictures / "cat" / "0.png").write_bytes(encoded(plain(0, (30, 20))))
    words = [word.format(tmp=pictures) for word in options]
    assert run(["train", "--dataset", "folder", *words, "--output", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr()
    expected = message.replace("{tmp}", re.escape(str(pictures)))
    assert re.fullmatch(f"jaxcnn train: {expected}\n", printed.err), printed.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_on_pictures_is_the_same_in_memory_and_streamed(
    pictures, no_onednn, tmp_path, capsys, monkeypatch
):
    spoil(pictures)
    (pictures / "猫").rename(pictures / "bird")
    rows = {}
    for name, options in (("streamed", ["--memory-gb", "1e-9"]), ("kept", [])):
        output = tmp_path / name
        words = ["--data-dir", str(pictures), "--image-size", "16", "--epochs", "2", *options]
        words += ["--batch-size", "8", "--output", str(output)]
        assert run(["train", "--dataset", "folder", *words]) == 0
        printed = capsys.readouterr().out.replace("\n", "")
        assert f"left out, 3 files of {pictures}: bird/pipe is a pipe, not a file" in printed
        assert "3 classes, images to train with: bird 16, dog 8, cat 7" in printed
        lines = (output / "metrics.jsonl").read_text().splitlines()
        rows[name] = [{**json.loads(line), "seconds": 0} for line in lines]
        config = json.loads((output / "config.json").read_text())
        assert config["class_names"] == ["bird", "cat", "dog"]
        assert config["image_shape"] == [16, 16, 3]
        without_pictures(monkeypatch)  # of the second run
    assert rows["kept"] == rows["streamed"]
    assert rows["kept"][-1]["test_accuracy"] > 0.5
