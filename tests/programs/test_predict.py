"""`jaxcnn predict`: which images, what is printed, and what is named as broken."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from stored_runs import CLASSES, write_picture, write_run

import jaxcnn
from jaxcnn.programs.predict import program, reading
from jaxcnn.programs.predict.program import command_line
from jaxcnn.programs.predict.reading import names
from tests.stored._stored_models import drawn

DARK, MID, LIGHT = CLASSES
MODEL = ("--model", "stored_runs:build")


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with three pictures, nested."""
    path = tmp_path / "here"
    write_picture(path / "a.png", 0)
    write_picture(path / "sub" / "ü [b] $x_1$.png", 128, size=(30, 20))
    write_picture(path / "z.png", 255)
    monkeypatch.chdir(path)
    return path


def predicted(capsys, *words, status=0) -> list[dict]:
    assert command_line([*map(str, words), *MODEL, "--format", "json"]) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# What is printed.


def test_a_line_has_an_object_for_each_image_in_order(run, folder, capsys):
    found = predicted(capsys, run, "z.png", "a.png")
    assert [each["file"] for each in found] == ["z.png", "a.png"]
    assert [each["class"] for each in found] == [LIGHT, DARK]
    for each in found:
        assert each.keys() == {"file", "class", "probability", "probabilities"}
        assert sorted(each["probabilities"]) == sorted(CLASSES)
        assert each["probability"] == max(each["probabilities"].values())
        assert [*each["probabilities"].values()] == sorted(
            each["probabilities"].values(), reverse=True
        )
        assert sum(each["probabilities"].values()) == pytest.approx(1)


def test_probabilities_are_those_of_the_library(run, folder, capsys):
    (found,) = predicted(capsys, run, "sub/ü [b] $x_1$.png")
    stored = jaxcnn.load(run, model=sys.modules["stored_runs"].build)
    wanted = stored.predict(np.full((8, 8, 1), 128, np.uint8))
    for name, probability in zip(CLASSES, wanted, strict=True):
        assert found["probabilities"][name] == pytest.approx(float(probability), rel=1e-6)


def test_top_limits_the_classes(run, folder, capsys):
    (found,) = predicted(capsys, run, "a.png", "--top", "2")
    assert [*found["probabilities"]] == [DARK, MID]


def test_a_table_for_a_person(run, folder, capsys):
    assert command_line([str(run), ".", *MODEL]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if "%" in line]
    assert re.fullmatch(r"a\.png +dark +99\.\d% +\[b\]mid +0\.\d% +明るい +0\.0%", lines[0])
    assert lines[1].startswith("sub/ü [b] $x_1$.png")
    assert command_line([str(run), "a.png", *MODEL, "--top", "1"]) == 0
    assert "mid" not in capsys.readouterr().out


# Which images.


def test_a_folder_is_its_pictures_in_order(run, folder, capsys):
    found = predicted(capsys, run, ".")
    assert [each["file"] for each in found] == ["a.png", "sub/ü [b] $x_1$.png", "z.png"]
    assert [each["class"] for each in found] == [DARK, MID, LIGHT]


def test_more_images_than_are_read_at_once(run, folder, capsys, monkeypatch):
    monkeypatch.setattr(reading, "MOST_AT_ONCE", 2)
    found = predicted(capsys, run, *["a.png", "z.png"] * 3, "a.png")
    assert [each["class"] for each in found] == [DARK, LIGHT] * 3 + [DARK]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
def test_names_from_standard_input(end, run, folder, capsys, monkeypatch):
    content = "".join(f"{name}{end}" for name in ("z.png", "sub/ü [b] $x_1$.png", "a.png"))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
    found = predicted(capsys, run, "a.png", "-")
    assert [each["class"] for each in found] == [DARK, LIGHT, MID, DARK]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", []),
        (b"a\n\nb", ["a", "b"]),
        (b"a", ["a"]),
        (b"a\nb\0c\0", ["a\nb", "c"]),
        (b"\xff\n", ["\udcff"]),
        (b"x" * 70_000 + b"\na\n", ["x" * 70_000, "a"]),
    ],
    ids=["none", "an empty line", "no end", "NUL", "no UTF-8", "a long one"],
)
def test_what_is_a_name(content, wanted):
    assert list(names(io.BytesIO(content))) == wanted


def test_a_stream_that_has_no_names_is_not_kept_in_memory(run, folder, capsys, monkeypatch):
    stream = io.BytesIO(b"x" * 300_000)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stream))
    assert command_line([str(run), "-", *MODEL]) == 2
    assert "standard input has no names of files: it has a line too long" in capsys.readouterr().err
    assert stream.tell() < 300_000


# What is broken.


def test_broken_images_are_named_and_the_others_predicted(run, folder, capsys):
    (folder / "b.jpg").write_bytes((folder / "a.png").read_bytes()[:40])
    (folder / "notes.txt").write_text("no image")
    words = [str(run), "a.png", "b.jpg", "none.png", "notes.txt", "z.png", *MODEL]
    assert command_line([*words, "--format", "json"]) == 1
    printed = capsys.readouterr()
    assert [json.loads(line)["file"] for line in printed.out.splitlines()] == ["a.png", "z.png"]
    first, second, third = printed.err.splitlines()
    assert first.startswith("jaxcnn predict: b.jpg ")
    assert second == "jaxcnn predict: none.png cannot be read: No such file or directory"
    assert third == "jaxcnn predict: notes.txt is no image that Pillow reads"


def test_if_none_can_be_read_the_status_is_2(run, folder, capsys):
    (folder / "empty").mkdir()
    for words, tried in ((["none.png"], "1 file"), (["empty"], "0 files")):
        assert command_line([str(run), *words, *MODEL]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.endswith(f"jaxcnn predict: no image could be read: {tried} tried\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
def test_a_pipe_and_a_loop_of_links_are_refused_at_once(run, folder, capsys):
    os.mkfifo(folder / "pipe.png")
    (folder / "sub" / "loop").symlink_to(folder)
    start = time.perf_counter()
    assert command_line([str(run), "pipe.png", ".", *MODEL, "--format", "json"]) == 1
    assert time.perf_counter() - start < 10
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert printed.err.count("pipe.png is a pipe, not a file") == 2
    assert "sub/loop leads to a folder that was seen already" in printed.err


def test_an_image_of_another_kind_becomes_one_of_the_models(run, folder, capsys):
    Image.new("RGBA", (50, 40), (255, 255, 255, 255)).save(folder / "alpha.webp")
    Image.new("CMYK", (50, 40), (0, 0, 0, 255)).save(folder / "cmyk.jpg")
    found = predicted(capsys, run, "alpha.webp", "cmyk.jpg")
    assert [each["class"] for each in found] == [LIGHT, DARK]


# What makes no sense.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "IMAGE must be files, folders, or - for names from standard input"),
        (["a.png", "--top", "0"], "--top must be at least 1, got 0"),
        (["a.png", "--explain", "a.png"], "--explain must be a folder that can be made: a.png: "),
        (["a.png", "--model", "stored_runs:nothing"], "--model: module 'stored_runs' has no funct"),
        (["a.png", "--model", "stored_runs"], "--model must name module:function, got 'stored_run"),
        (
            ["a.png", "--model", "pathlib:Path"],
            "gives no network: what Path() gives must be a",
        ),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_one_line_and_status_2(words, message, run, folder, capsys):
    model = () if "--model" in words else MODEL
    assert command_line([str(run), *words, *model]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1


def test_a_run_that_is_none_is_one_line_and_status_2(run, folder, capsys):
    for words, message in (
        (["."], "model.json"),
        (["nowhere"], "nowhere is not there: a folder with model.json is needed"),
        (
            [str(run)],
            "has a network of its maker's own: pass --model module:function, the",
        ),
    ):
        assert command_line([*words, "a.png"]) == 2
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes there")
def test_a_reader_that_has_enough_is_no_error(run, folder, capsys, monkeypatch):
    monkeypatch.setattr(reading, "MOST_AT_ONCE", 1)
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), open(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert command_line([str(run), "a.png", "z.png", *MODEL, "--format", "json"]) == 141
    assert capsys.readouterr().err == ""


# Explanations.


def test_pictures_of_explanations(run, folder, tmp_path, capsys):
    words = ["a.png", "sub/ü [b] $x_1$.png", "a.png", "--explain", tmp_path / "deep" / "why"]
    found = predicted(capsys, run, *words)
    made = [each["explanation"] for each in found]
    assert [os.path.basename(path) for path in made] == [
        "a.png.explained.png",
        "ü [b] $x_1$.png.explained.png",
        "a.png.2.explained.png",
    ]
    for path in made:
        with Image.open(path) as picture:
            assert picture.width > picture.height > 200


def test_names_in_scripts_that_the_font_lacks_are_no_error(run, folder, capsys):
    name = "明るい\N{SNOWMAN}.png"
    write_picture(folder / name, 255)
    (found,) = predicted(capsys, run, name, "--explain", "why")
    assert os.path.exists(found["explanation"])


def test_a_picture_that_cannot_be_written_is_an_error(run, folder, capsys, monkeypatch):
    def full(path, write):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("jaxcnn.programs.predict.picture.write_whole", full)
    assert command_line([str(run), "a.png", *MODEL, "--explain", "why"]) == 1
    assert "a.png.explained.png: No space left on device" in capsys.readouterr().err
    assert program.explanation_name("x" * 300 + ".png", set()).endswith("x.explained.png")


def test_a_model_whose_images_no_file_has_is_refused(tmp_path, folder, capsys):
    layers = jaxcnn.layers

    def of_four():
        return layers.serial(layers.global_avg_pool(), layers.dense(3))

    params, state = drawn(of_four(), shape=(1, 8, 8, 4))
    about = {"model": None, "classes": CLASSES, "image_size": 8, "channels": 4}
    jaxcnn.save(tmp_path / "four", params, state, **about)
    sys.modules["stored_runs"].of_four = of_four
    assert command_line([str(tmp_path / "four"), "a.png", "--model", "stored_runs:of_four"]) == 2
    assert (
        "takes images of 4 channels, and files are read as 1 (grey) or" in capsys.readouterr().err
    )


def test_a_run_that_cannot_be_read_is_one_line_and_status_2(folder, capsys):
    assert command_line(["n" * 5000, "a.png"]) == 2
    assert "cannot be read: File name too long" in capsys.readouterr().err
