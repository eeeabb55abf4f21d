"""`jaxcnn evaluate`: which images a network is judged by, and what is printed."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from stored_runs import CLASSES, write_picture, write_pictures, write_run

from jaxcnn.programs.data.dataset import load
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.evaluate.program import command_line

MODEL = ("--model", "stored_runs:build")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def evaluated(capsys, *words) -> dict:
    assert command_line([*map(str, words), *MODEL, "--format", "json"]) == 0
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    return json.loads(output)


def config_of(folder, **options) -> dict:
    """What config.json says of the images in a folder, and more."""
    options = (
        asdict(DataOptions("folder")) | {"data_dir": str(folder), "classes": CLASSES} | options
    )
    return options | {"epochs": 3, "model": "own"}


def test_a_folder_of_ones_choice(tmp_path, capsys):
    """Test images alone, of a run without config.json; one dark image lies among the
    light ones."""
    run = write_run(tmp_path / "run")
    write_pictures(tmp_path / "pictures" / "test")
    write_picture(tmp_path / "pictures" / "test" / CLASSES[2] / "wrong.png", 0, size=(20, 30))
    found = evaluated(capsys, run, "--data-dir", tmp_path / "pictures")
    assert (found["images"], found["correct"], found["accuracy"]) == (10, 9, 0.9)
    assert found["interval"][0] < 0.9 < found["interval"][1]
    assert found["classes"] == CLASSES
    assert found["confusion"] == [[3, 0, 0], [0, 2, 0], [1, 0, 4]]
    assert found["per_class"][CLASSES[2]] == {
        "images": 5,
        "predicted": 4,
        "precision": 1.0,
        "recall": 0.8,
    }
    assert (found["run"], found["dataset"]) == (str(run), "folder")


def test_of_a_folder_without_a_split_what_the_run_held_out(tmp_path, capsys):
    folder = write_pictures(tmp_path / "pictures", (10, 5, 5))
    run = write_run(tmp_path / "run", config_of(folder, image_size=8, channels=1))
    assert evaluated(capsys, run)["images"] == 4
    assert evaluated(capsys, run, "--data-dir", folder)["images"] == 4, "it is the same"
    folder.rename(tmp_path / "moved")
    assert evaluated(capsys, run, "--data-dir", tmp_path / "moved")["images"] == 20


def test_of_a_folder_with_a_split_its_test(tmp_path, capsys):
    folder = tmp_path / "pictures"
    for name, counts in (("train", (5, 5, 5)), ("val", (1, 1, 1)), ("test", (2, 2, 2))):
        write_pictures(folder / name, counts)
    run = write_run(tmp_path / "run", config_of(folder))
    assert evaluated(capsys, run)["images"] == 6


def test_a_class_that_the_run_left_out_is_left_out(tmp_path, capsys):
    folder = tmp_path / "pictures"
    for name in ("train", "test"):
        write_pictures(folder / name)
        write_picture(folder / name / "violet" / "1.png", 0)
    run = write_run(tmp_path / "run", config_of(folder))
    assert command_line([str(run), *MODEL]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("left out, as in the training (--classes): violet\n") == 1
    assert "9 of 9 images right" in printed.out


def of_a_training(tmp_path):
    """A run of `pictures`, whose class violet --classes left out, and the folder."""
    folder = write_pictures(tmp_path / "pictures", (10, 5, 5))
    write_picture(folder / "violet" / "1.png", 0)
    options = DataOptions("folder", data_dir=folder, classes=tuple(CLASSES))
    dataset = load(options, say=lambda words: None)
    facts = {
        "fingerprint": dataset.fingerprint,
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
    }
    return write_run(tmp_path / "run", config_of(folder) | facts), folder


def test_of_a_folder_that_was_moved_what_the_run_held_out(tmp_path, capsys):
    """The other 16 have been learned."""
    run, folder = of_a_training(tmp_path)
    moved = folder.rename(tmp_path / "moved")
    assert evaluated(capsys, run, "--data-dir", moved)["images"] == 4
    write_picture(moved / CLASSES[0] / "0.png", 10)
    assert evaluated(capsys, run, "--data-dir", moved)["images"] == 20, "others than before"
    (moved / CLASSES[0] / "0.png").unlink()
    assert evaluated(capsys, run, "--data-dir", moved)["images"] == 19


def test_a_folder_that_was_moved_is_asked_for(tmp_path, capsys, monkeypatch):
    run, folder = of_a_training(tmp_path)
    monkeypatch.chdir(tmp_path)
    (run / "config.json").write_text(json.dumps(config_of("pictures")))
    folder.rename(tmp_path / "moved")
    assert command_line([str(run), *MODEL]) == 2
    assert capsys.readouterr().err == (
        f"jaxcnn evaluate: pictures, whose images {run} was trained with, is not there in"
        f" {tmp_path}: pass --data-dir, where they are now\n"
    )


def test_of_another_folder_too_the_classes_of_the_training(tmp_path, capsys):
    """What --classes left out is left out, but not what looks like a slip."""
    run, _ = of_a_training(tmp_path)
    other = write_pictures(tmp_path / "other")
    write_picture(other / "violet" / "1.png", 0)
    words = [str(run), "--data-dir", str(other), *MODEL]
    assert command_line(words) == 0
    printed = capsys.readouterr()
    assert printed.err.count("left out, as in the training (--classes): violet\n") == 1
    assert "9 of 9 images right" in printed.out
    (other / "dark").rename(other / "darkk")
    assert command_line(words) == 2
    assert "class 'darkk', which is none of the 3 classes trained with: is dark meant?" in (
        capsys.readouterr().err
    )


def test_the_digits(tmp_path, capsys):
    run = write_run(tmp_path / "run", {"dataset": "digits", "data_dir": None},
                    classes=[*"0123456789"][:3])  # fmt: skip
    found = evaluated(capsys, run)
    assert found["dataset"] == "digits"
    assert found["images"] == sum(row["images"] for row in found["per_class"].values()) > 90


def test_pictures_in_the_place_of_the_digits(tmp_path, capsys):
    run = write_run(tmp_path / "run", {"dataset": "digits", "data_dir": None})
    folder = write_pictures(tmp_path / "pictures")
    assert evaluated(capsys, run, "--data-dir", folder)["images"] == 9


def test_tables_for_a_person(tmp_path, capsys):
    run = write_run(tmp_path / "run")
    folder = write_pictures(tmp_path / "pictures")
    assert command_line([str(run), "--data-dir", str(folder), *MODEL]) == 0
    printed = capsys.readouterr()
    for words in ("precision", "true \\ predicted", *CLASSES):
        assert words in printed.out
    assert printed.out.splitlines()[-1] == (
        "accuracy 100.00%: 9 of 9 images right; 95% interval 70.09% to 100.00%"
    )


@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        (None, [], r"run has no config.json, which would name images: pass --data-dir or --data"),
        ("text", [], "config.json is damaged: it tells of no options"),
        ({"dataset": "imagenet"}, [], "config.json is damaged: --dataset must be digits, mnist"),
        ({"data_dir": 3}, [], "config.json is damaged: the recorded options of the"),
        ({"split_seed": "x"}, [], "config.json is damaged: the recorded options of the"),
        (None, ["--data-dir", "nowhere"], "nowhere"),
        (None, ["--dataset", "folder"], "--data-dir must be given with --dataset folder"),
        (
            None,
            ["--dataset", "digits"],
            "digits has other classes than the network: there are 0, 1",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line_and_status_2(config, words, message, tmp_path, capsys):
    run = write_run(tmp_path / "run", config)
    assert command_line([str(run), *words, *MODEL]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message.removeprefix("run") in printed.err
    assert printed.err.startswith("jaxcnn evaluate: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_config_is_one_line_and_status_2(content, tmp_path, capsys):
    run = write_run(tmp_path / "run")
    (run / "config.json").write_bytes(content)
    assert command_line([str(run), *MODEL]) == 2
    assert "config.json is damaged: it is no whole JSON file" in capsys.readouterr().err


def test_classes_that_the_network_does_not_know_are_refused(tmp_path, capsys):
    run = write_run(tmp_path / "run")
    write_picture(tmp_path / "pictures" / "violet" / "1.png", 0)
    assert command_line([str(run), "--data-dir", str(tmp_path / "pictures"), *MODEL]) == 2
    assert "violet" in capsys.readouterr().err
