"""Class names in pictures: any length, any script, any number of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from jaxcnn.programs import picture_names
from jaxcnn.programs.train.layer_pictures import feature_maps
from jaxcnn.programs.train.learning_curves import learning_curves
from jaxcnn.programs.train.mistake_pictures import confusion_matrix, worst_mistakes

SCRIPTS = ("собака", "σκύλος", "كلب", "Ångström")  # of matplotlib's own font
LONG = "a class that somebody named with a whole sentence, and then some more"
AWKWARD = (*SCRIPTS, LONG, r"$\no formula$", "line\nbreak", "", "_hidden", "犬と猫", "a\u200db")
RANDOM = np.random.default_rng(0)


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine with matplotlib's default font alone."""
    monkeypatch.setattr(picture_names, "_installed", lambda: ())
    picture_names._families.cache_clear()
    yield
    picture_names._families.cache_clear()


def pixels(figure: Figure, dpi: int = 50) -> np.ndarray:
    """Drawn; pytest makes errors of the warnings about glyphs."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    file.seek(0)
    return imread(file)[..., :3]


def predictions(count: int, images: int = 1000, never: int | None = None):
    labels = np.concatenate([np.arange(count), RANDOM.integers(0, count, images)])
    given = np.where(RANDOM.random(len(labels)) < 0.7, labels, np.roll(labels, 1))
    return labels, np.where(given == never, (given + 1) % count, given)


@pytest.mark.parametrize("name", ["cat", *SCRIPTS, "$5 note"])
def test_a_short_name_is_as_it_is(name):
    assert picture_names.picture_names([name]).names == (name,)


def test_a_long_name_keeps_its_ends():
    (name,) = picture_names.picture_names([LONG]).names
    assert len(name) <= 24
    assert LONG.startswith(name.split("…")[0])
    assert LONG.endswith(name.split("…")[1])


@pytest.mark.parametrize("most", [1, 2, 5, 16])
def test_no_name_is_wider_than_asked(most):
    for name in (*AWKWARD, "犬" * 30, "e\u0301" * 30):
        assert picture_names.width(picture_names.shortened(name, most)) <= most


def test_without_a_font_a_class_has_its_number(no_fonts):
    given = picture_names.picture_names(["cat", "犬", "собака"])
    assert given.names == ("cat", "#1", "собака")
    assert given.without_font == 1
    assert "number of a class" in given.note
    assert picture_names.picture_names(["cat"]).note == ""


def test_a_font_is_found_for_what_the_default_one_lacks():
    """matplotlib has STIX too, with a letter that DejaVu Sans lacks."""
    given = picture_names.picture_names(["\N{LATIN SMALL LETTER D WITH PALATAL HOOK}"])
    assert given.names == ("\N{LATIN SMALL LETTER D WITH PALATAL HOOK}",)
    assert given.style["fontfamily"][0] == "DejaVu Sans"
    assert len(given.style["fontfamily"]) == 2
    figure = Figure()
    figure.text(0.5, 0.5, given.names[0], **given.style)
    assert pixels(figure).min() < 0.5


def test_a_font_of_boxes_is_no_font():
    """matplotlib's last resort has a box for every character."""
    assert not [name for name, _ in picture_names._installed() if "resort" in name.lower()]


def test_names_in_any_script_are_drawn(no_fonts):
    labels, predicted = predictions(len(AWKWARD), never=3)
    figure = confusion_matrix(labels, predicted, AWKWARD, "a $title$")
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown[:4] == list(SCRIPTS)
    assert shown[5:8] == [r"$\no formula$", "line\\nbreak", ""]
    assert shown[9] == "#9"
    assert "number of a class" in figure.get_suptitle()
    pixels(figure)


def test_a_class_that_is_never_predicted_has_a_recall_of_0():
    labels, predicted = predictions(10, never=3)
    figure = confusion_matrix(labels, predicted, list("abcdefghij"), "title")
    axes, recall_axes = figure.axes[:2]
    assert recall_axes.texts[3].get_text() == "0.0%"
    assert not [text for text in axes.texts if text.get_position()[0] == 3]
    pixels(figure)


@pytest.mark.parametrize(
    "count", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 1000))]
)
def test_the_picture_of_confusions_has_a_size_for_any_number_of_classes(count):
    labels, predicted = predictions(count)
    figure = confusion_matrix(labels, predicted, [f"species {n}" for n in range(count)], "title")
    width, height = figure.get_size_inches()
    assert 7 <= width <= 31 and 3 <= height <= 31
    picture = pixels(figure, 40)
    assert np.std(picture) > 0.02
    # Nothing reaches over the border.
    np.testing.assert_array_equal(picture[:, [0, -1]], 1)


def test_colours_of_small_errors_are_seen_beside_a_class_that_is_always_wrong():
    labels = np.repeat([0, 1], [100, 100])
    predicted = np.where(labels == 0, 1, np.where(np.arange(200) == 150, 0, 1))
    (image,) = confusion_matrix(labels, predicted, ["a", "b"], "title").axes[0].images
    shares = image.get_array()
    np.testing.assert_allclose(shares.compressed(), [1, 0.01])
    assert image.norm(0.01) == pytest.approx(0.1)


def test_mistakes_of_bytes_with_long_names():
    """Bytes are shown as they are, however dark; each name has a line of its own."""
    images = RANDOM.integers(0, 100, (6, 8, 8, 3), dtype=np.uint8)
    probabilities = np.tile([0.1, 0.9], (6, 1))
    figure = worst_mistakes(images, np.zeros(6, int), probabilities, [LONG, "$a$"], "title")
    panels = [axes for axes in figure.axes if axes.images]
    np.testing.assert_allclose(panels[0].images[0].get_array(), images[0] / 255, rtol=1e-6)
    true, predicted, probability = panels[0].get_title().split("\n")
    assert (predicted, probability) == ("→ $a$", "90.0%")
    assert picture_names.width(true) <= 18
    pixels(figure)


def test_only_the_images_shown_are_read():
    class Streamed:
        read = 0

        def __len__(self):
            return 1000

        def __getitem__(self, indices):
            Streamed.read += len(indices)
            return np.zeros((len(indices), 4, 4, 1), np.uint8)

    probabilities = np.tile([0.2, 0.8], (1000, 1))
    worst_mistakes(Streamed(), np.zeros(1000, int), probabilities, ["a", "b"], "title")
    assert Streamed.read == 24


def test_feature_maps_of_bytes_with_long_captions():
    image = np.full((4, 4, 3), 51, np.uint8)
    caption = f"true: {LONG}\npredicted: $5"
    figure = feature_maps(image, [("conv", np.ones((4, 4, 2)))], "title", caption=caption)
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), 0.2, rtol=1e-6)
    true, predicted = figure.axes[0].get_title().split("\n")
    assert picture_names.width(true) <= 32 and predicted == "predicted: $5"
    pixels(figure)


def test_a_title_too_wide_for_the_curves_is_broken():
    row = {"epoch": 1, "train_loss": 1.0, "test_loss": 1.0}
    row |= {"train_accuracy": 0.0, "test_accuracy": 0.01}
    figure = learning_curves([row], "a title of many $words$ " * 20)
    assert "\n" in figure.get_suptitle()
    np.testing.assert_array_equal(pixels(figure)[:, [0, -1]], 1)
