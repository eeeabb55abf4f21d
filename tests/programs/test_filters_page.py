"""The command `jaxcnn filters`: its page, and what it refuses."""

from __future__ import annotations

import base64
import io
import re

import jax
import numpy as np
import pytest
from filter_runs import deep, flat, of_two_channels, save
from html_page import Page
from PIL import Image
from stored_runs import CLASSES, write_pictures, write_run

import jaxcnn
from jaxcnn.programs.command import run
from jaxcnn.programs.filters import learned, program
from jaxcnn.programs.filters.chosen import convolutions
from jaxcnn.programs.filters.content import Filter, Kernels
from jaxcnn.programs.filters.page import render
from jaxcnn.programs.filters.page.pictures import data_picture
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.predict.explaining import Explainer


def ready(folder):
    """A run with its pictures."""
    write_pictures(folder / "pictures")
    config = {"dataset": "folder", "data_dir": str(folder / "pictures"), "test_share": 0.5}
    return write_run(folder / "run", config)


WORDS = ("--model", "stored_runs:build", "--steps", "8")


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("filters")
    output = folder / "page.html"
    assert run(["filters", str(ready(folder)), *WORDS, "--known", "--output", str(output)]) == 0
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_it_needs_nothing_beside_it(html, page):
    assert html.startswith("<!DOCTYPE html>\n")
    assert render.MARK in html[:1000]
    assert len(html.encode()) < render.MOST_BYTES
    assert len(page.ids) == len(set(page.ids))
    for tag, key, value in page.attributes:
        if key == "src":
            assert (value or "").startswith("data:image/"), (tag, value)
        if key == "href" and (value or "").startswith("#"):
            assert value[1:] in page.ids
    for word in ("<link", "<script", "<iframe", "@import", "url("):
        assert word not in html


def test_every_picture_has_words(html, page):
    """One without is inside a row that has them, or lies over one that has."""
    assert len(re.findall("<img ", html)) == sum(key == "alt" for _, key, _ in page.attributes)
    for row in re.findall(r"<ul.*?</ul>", html, re.S):
        if 'role="img" aria-label="' not in row and 'alt=""' in row:
            assert 'class="shade"' in row
    alts = [value for _, key, value in page.attributes if key == "alt"]
    for number in range(2):
        assert alts.count(f"kernel of filter {number} of 0_conv, input 0") == 1


def test_it_says_what_it_shows(page):
    for text in (
        "2 kernels of 1x1",
        "an answer sees 1x1 pixels",
        "for 8 steps",
        "The network ends in a mean over space and a dense layer",
        "jaxcnn filters ",
        "CC BY 2.0",
        "danielbuechele",
        "vultilion",
    ):
        assert text in page.text, text
    for name in CLASSES:
        assert name in page.text


def test_answers_are_those_of_the_filters(page):
    """The kernels are 1 and -1 on pixels from -1 to 1: white excites the first most,
    black the second."""
    alts = [value for _, key, value in page.attributes if key == "alt"]
    best = [value for value in alts if re.match(r".*\.png, class .*: answer", value or "")]
    most = [value.partition("/")[0] for value in best if "answer 1.00" in value]
    assert most == ["明るい", "明るい", "dark", "dark"]


def test_the_maps_are_those_of_the_explainer(tmp_path):
    """Of the answer first; of the true class too where that is another."""
    stored = jaxcnn.load(save(tmp_path, deep()), model=deep)
    x = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
    probabilities = stored.predict(x)
    answers = probabilities.argmax(axis=1)
    labels = np.where(np.arange(6) < 3, answers, (answers + 1) % 3).astype(np.int32)
    split = learned.Split(x, labels)
    method, features, found = learned._explained(
        stored, split, np.arange(6), probabilities, lambda words, total: lambda count: None
    )
    assert (method, features) == ("Grad-CAM", "3_residual")
    explainer = Explainer(stored)
    for each in found:
        index = int(each.name.removeprefix("image "))
        wanted = dict.fromkeys((int(answers[index]), int(labels[index])))
        assert [m.label for m in each.maps] == list(wanted)
        for m in each.maps:
            np.testing.assert_array_equal(m.places, explainer(x[index], m.label).places)
            assert m.probability == pytest.approx(probabilities[index, m.label])
    assert sum(len(each.maps) == 2 for each in found) == 3


def test_kernels_are_in_colour_where_their_inputs_are_colours(tmp_path):
    """Three feature maps are none."""
    stored = jaxcnn.load(save(tmp_path, deep(), channels=3), model=deep)
    first, second, *_ = convolutions(tmp_path, stored)
    assert [each.in_colour for each in (first, second)] == [True, False]
    w = first.w
    for each in (first, second):
        numbers = range(each.w.shape[2])
        made = np.zeros((8, 8, 3), np.uint8)
        shown = Filter(0, each.w[..., 0], each.in_colour, numbers, [], made, 0.0, 0.0, None)
        inner = render.inner_kernels(shown)
        assert [i.words for i in inner] == (
            ["all three channels"] if each.in_colour else ["input 0", "input 1", "input 2"]
        )
    (colour,), *_ = render.first_kernels(Kernels("0_conv", w, True))
    wanted = np.rint(255 * (0.5 + w[..., 0] / (2 * np.abs(w).max()))).astype(np.uint8)
    np.testing.assert_array_equal(pixels(colour.picture.uri), wanted)


def test_pictures_of_the_data_are_the_data():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    found = data_picture(image, 192)
    np.testing.assert_array_equal(pixels(found.uri), image)
    assert found[1:] == (9, 8, True)
    np.testing.assert_array_equal(pixels(data_picture(image[..., :1], 192).uri), image[..., 0])
    assert data_picture(np.zeros((400, 200, 3), np.uint8), 192)[1:] == (96, 192, False)


def test_a_page_that_would_be_too_large_shrinks_its_images(html, monkeypatch):
    sizes = {192: 9, 128: 7, 80: 5, 48: 3}
    monkeypatch.setattr(render, "_rendered", lambda content, side: f"{side}" * sizes[side])
    for most, side in ((27, "192"), (26, "128"), (20, "80"), (6, "48")):
        monkeypatch.setattr(render, "MOST_BYTES", most)
        assert render.render(None).startswith(side)
    monkeypatch.setattr(render, "MOST_BYTES", 5)
    with pytest.raises(ConfigError, match="pass fewer --layers, or a smaller --count or --best"):
        render.render(None)


# What it refuses.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "RUN must be the folder of a trained network; --known shows filters without one"),
        (["nowhere"], "nowhere is not there: a folder with model.json is needed"),
        (["run"], "run has a network of its maker's own: pass --model module:function, .*"),
        (
            ["run", *WORDS, "--layers", "1_conv"],
            "--layers must be convolutions of run, got 1_conv: there are 0_conv",
        ),
        (
            ["run", *WORDS, "--filters", "0", "2"],
            "--filters must be from 0 to 1, the filters of 0_conv, got 2",
        ),
        (["run", *WORDS, "--example", "5"], "--example must be below 5, the number of .*, got 5"),
        (["run", *WORDS, "--count", "0"], "--count must be at least 1, got 0"),
        (["run", *WORDS, "--seed", "-1"], r"--seed must be between 0 and 2\^31 - 1, got -1"),
        (["run", *WORDS, "--output", "no/page.html"], "--output must be in a folder that .*"),
        (
            ["run", *WORDS, "--output", "notes.html"],
            "notes.html exists already and is no page of jaxcnn filters: pass another --output",
        ),
        (
            ["flat", "--model", "filter_runs:flat"],
            "flat has a network without a convolution that can be seen from outside: .*",
        ),
        (
            ["deep", "--model", "filter_runs:deep"],
            "deep has no config.json, which would name images: pass --data-dir or --dataset",
        ),
        (
            ["run", *WORDS, "--data-dir", "empty"],
            "empty needs a folder for each class, and has no folders",
        ),
        (
            ["two", "--model", "filter_runs:of_two_channels"],
            "two takes images of 2 channels, and files are read as 1 .*",
        ),
    ],
)
def test_a_line_says_what_is_wrong(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ready(tmp_path)
    for name, model, channels in (
        ("flat", flat, 1),
        ("deep", deep, 1),
        ("two", of_two_channels, 2),
    ):
        save(tmp_path / name, model(), channels)
    (tmp_path / "run" / "config.json").write_text(
        (tmp_path / "run" / "config.json").read_text().replace(str(tmp_path), ".")
    )
    (tmp_path / "notes.html").write_text("mine")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert run(["filters", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    last = printed.err.splitlines()[-1]
    assert re.fullmatch(f"jaxcnn filters: {message}", last), last
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("where", "error", "status"),
    [("render", KeyboardInterrupt, 130), ("write_whole", OSError("disk full"), 1)],
)
def test_a_failure_leaves_nothing(where, error, status, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "known", lambda: None)
    monkeypatch.setattr(program, where, fail)
    assert run(["filters", "--known"]) == status
    assert list(tmp_path.iterdir()) == []


# Every family of networks.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "channels"),
    [("cnn_basics", 3), ("lenet", 1), ("vgg", 1), ("resnet20", 3), ("mobilenet", 1)],
)
def test_a_page_of_each_family(name, channels, tmp_path):
    model = jaxcnn.models.MODELS[name](3)
    params, state = model.init(jax.random.key(0), (1, 16, 16, channels))
    about = {"model": name, "arguments": {"classes": 3}, "classes": CLASSES, "image_size": 16}
    about |= {"normalisation": ([0.5] * channels, [0.5] * channels)}
    jaxcnn.save(tmp_path / "run", params, state, **about)
    random = np.random.default_rng(0)
    for kind in ("test/dark", "test/[b]mid", "test/明るい"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for number in range(3):
            x = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(x).save(tmp_path / "pictures" / kind / f"{number}.png")
    words = ["--data-dir", str(tmp_path / "pictures"), "--steps", "4", "--count", "2"]
    output = tmp_path / "page.html"
    assert run(["filters", str(tmp_path / "run"), *words, "--output", str(output)]) == 0
    page = Page(output.read_text(encoding="utf-8"))
    assert f"Filters of {name}" in page.text
    assert "9 of 9 images were searched" in page.text
    assert page.text.count("the best") >= 1
