"""The pictures of a trained network show what they were given; pytest makes an error of
any warning of the drawing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread

from jaxcnn.programs.train.layer_pictures import feature_maps, first_filters
from jaxcnn.programs.train.mistake_pictures import confusion_matrix, worst_mistakes

FASHION = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
RANDOM = np.random.default_rng(0)


def drawn(figure: Figure) -> np.ndarray:
    """The pixels of the figure, which must have something on them."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    picture = imread(file)[..., :3]
    assert np.std(picture) > 0.02
    return picture


def shown(axes) -> np.ndarray:
    (image,) = axes.images
    return np.asarray(image.get_array())


def with_images(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.images]


# Filters.


@pytest.mark.parametrize("outputs", [1, 6, 16])
def test_kernels_of_one_channel_share_a_scale_around_0(outputs):
    w = RANDOM.normal(size=(5, 4, 1, outputs)).astype(np.float32)
    figure = first_filters(w, "title")
    panels = with_images(figure)
    assert len(panels) == outputs
    for output, panel in enumerate(panels):
        np.testing.assert_array_equal(shown(panel), w[:, :, 0, output])
        assert panel.images[0].get_clim() == (-np.abs(w).max(), np.abs(w).max())
    assert figure.get_suptitle() == f"title\n{outputs} kernel{'' if outputs == 1 else 's'} of 5x4"
    drawn(figure)


@pytest.mark.slow
def test_kernels_of_three_channels_are_in_colour_with_grey_for_0():
    w = np.zeros((3, 3, 3, 70), np.float32)
    w[0, 0, :, 0] = [2, -2, 1]
    figure = first_filters(w, "title")
    panels = with_images(figure)
    assert len(panels) == 64
    np.testing.assert_array_equal(shown(panels[0])[0, 0], [1, 0, 0.75])
    np.testing.assert_array_equal(shown(panels[63]), np.full((3, 3, 3), 0.5))
    assert "the first 64 of 70 kernels of 3x3" in figure.get_suptitle()
    assert "grey is 0, black -2, white 2" in figure.get_suptitle()
    drawn(figure)


def test_of_many_channels_some_pairs_are_shown():
    w = RANDOM.normal(size=(3, 3, 16, 2)).astype(np.float32)
    figure = first_filters(w, "title")
    panels = with_images(figure)
    assert len(panels) == 8
    np.testing.assert_array_equal(shown(panels[2 * 3 + 1]), w[:, :, 3, 1])
    assert [panel.get_title() for panel in panels[:2]] == ["output 0", "output 1"]
    assert [panel.get_ylabel() for panel in panels[::2]] == [
        "input 0",
        "input 1",
        "input 2",
        "input 3",
    ]
    drawn(figure)


def test_kernels_of_zeros_are_drawn():
    drawn(first_filters(np.zeros((1, 1, 1, 2)), "title"))


# Feature maps.


@pytest.mark.parametrize("channels", [1, 3])
def test_feature_maps_have_a_row_for_each_layer(channels):
    image = RANDOM.random((8, 8, channels))
    signed, positive = RANDOM.normal(size=(8, 8, 16)), RANDOM.random((4, 4, 3))
    maps = [("0_conv", signed), ("2_max_pool", positive), ("dead", np.zeros((2, 2, 1)))]
    figure = feature_maps(image, maps, "title", caption="true: 7\npredicted: 9")
    panels = with_images(figure)
    assert [panel.get_title() for panel in panels if panel.get_title()] == ["true: 7\npredicted: 9"]
    assert len(panels) == 1 + 8 + 3 + 1
    np.testing.assert_allclose(np.atleast_3d(shown(panels[0])), image, rtol=1e-6)
    labels = [panel.get_ylabel() for panel in panels if panel.get_ylabel()]
    assert labels == ["0_conv\n8x8x16\nfirst 8 channels", "2_max_pool\n4x4x3", "dead\n2x2x1"]
    drawn(figure)


def test_a_layer_with_negative_values_is_red_above_0_and_blue_below():
    output = np.array([[[3.0], [-3.0], [0.0]]])
    _, panel = with_images(feature_maps(np.zeros((4, 4, 1)), [("conv", output)], "title"))
    red, blue, white = shown(panel)[0, :, :3]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert white.min() > 0.9


# Confusions.


def test_counts_recall_and_colours_of_errors():
    """By hand: of 4 cats one was taken for a dog, of 2 dogs one for a cat; there is no
    owl."""
    labels, predictions = [0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]
    figure = confusion_matrix(labels, predictions, ["cat", "dog", "owl"], "title")
    axes, recall_axes = figure.axes[:2]
    counts = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert counts == {(0, 0): "3", (0, 1): "1", (1, 0): "1", (1, 1): "1"}
    errors = axes.images[0].get_array()
    np.testing.assert_array_equal(errors.mask, np.eye(3))
    np.testing.assert_array_equal(errors.filled(9), [[9, 0.25, 0], [0.5, 9, 0], [0, 0, 9]])
    assert [text.get_text() for text in recall_axes.texts] == ["75.0%", "50.0%", "no images"]
    assert [bar.get_width() for bar in recall_axes.patches] == [0.75, 0.5, 0]
    assert figure.get_suptitle() == "title\n4 of 6 images right"
    drawn(figure)


@pytest.mark.parametrize("mistakes", [0, 1, 60])
def test_confusions_of_ten_classes_with_long_names(mistakes):
    labels = RANDOM.integers(0, 10, 500)
    predictions = labels.copy()
    predictions[:mistakes] = (labels[:mistakes] + 1) % 10
    figure = confusion_matrix(labels, predictions, FASHION, "title")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == FASHION
    assert sum(int(text.get_text()) for text in axes.texts) == 500
    drawn(figure)


@pytest.mark.slow
def test_of_a_hundred_classes_there_are_colours_without_counts():
    labels = RANDOM.integers(0, 100, 1000)
    figure = confusion_matrix(
        labels, np.roll(labels, 1), [f"class {number}" for number in range(100)], "title"
    )
    assert not figure.axes[0].texts
    drawn(figure)


# Mistakes.


def probabilities_of(predictions: list[int], sure: list[float], classes: int) -> np.ndarray:
    """Each prediction as sure as said, the rest spread over the other classes."""
    sure = np.array(sure)[:, None]
    return np.where(
        np.arange(classes) == np.array(predictions)[:, None], sure, (1 - sure) / (classes - 1)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_the_surest_mistakes_come_first_and_what_is_right_does_not(channels):
    x = RANDOM.random((4, 8, 8, channels)).astype(np.float32)
    probabilities = probabilities_of([9, 8, 7, 6], [0.6, 0.9, 0.8, 0.99], classes=10)
    figure = worst_mistakes(x, np.array([7, 9, 9, 6]), probabilities, FASHION, "title")
    panels = with_images(figure)
    titles = [
        "Ankle boot → Bag\n90.0%",
        "Ankle boot → Sneaker\n80.0%",
        "Sneaker → Ankle boot\n60.0%",
    ]
    assert [panel.get_title() for panel in panels] == titles
    for panel, index in zip(panels, (1, 2, 0), strict=True):
        np.testing.assert_array_equal(np.atleast_3d(shown(panel)), x[index])
    assert "all 3 mistakes among 4 images" in " ".join(figure.get_suptitle().split())
    drawn(figure)


def test_a_single_mistake_has_a_panel():
    x = RANDOM.random((2, 8, 8, 1))
    figure = worst_mistakes(
        x, [0, 0], probabilities_of([0, 1], [0.9, 0.7], classes=2), ["cat", "dog"], "title"
    )
    assert [panel.get_title() for panel in with_images(figure)] == ["cat → dog\n70.0%"]
    assert "the only mistake among 2 images" in figure.get_suptitle()
    drawn(figure)


def test_no_more_than_24_are_shown():
    x = RANDOM.random((30, 4, 4, 1))
    figure = worst_mistakes(
        x, np.zeros(30, int), probabilities_of([1] * 30, [0.7] * 30, 2), ["cat", "dog"], "title"
    )
    assert len(with_images(figure)) == 24
    assert "the 24 surest of 30 mistakes among 30 images" in figure.get_suptitle()


def test_without_mistakes_the_figure_says_so():
    figure = worst_mistakes(
        np.zeros((1200, 4, 4, 1)),
        np.ones(1200, int),
        np.tile([0.1, 0.9], (1200, 1)),
        ["cat", "dog"],
        "title",
    )
    assert [text.get_text() for text in figure.texts] == ["title", "no mistakes among 1,200 images"]
    drawn(figure)


# All.


def test_images_beyond_0_to_1_are_stretched_into_it_and_others_are_not():
    def shown_of(pixels: list[float]) -> list[float]:
        image = np.array(pixels)[None, :, None]
        return (
            shown(with_images(feature_maps(image, [("conv", image)], "title"))[0]).ravel().tolist()
        )

    assert shown_of([-1.0, 3.0, 0.0]) == [0, 1, 0.25]
    assert shown_of([0.25, 0.5]) == [0.25, 0.5]


def test_a_title_too_wide_for_its_figure_is_broken():
    title = (
        "LeNet on MNIST, explicit gradients, seed 0: 99.12 % of 10000 test images right after 12"
        " epochs of training"
    )
    figure = first_filters(np.ones((3, 3, 1, 2)), title)
    assert " ".join(figure.get_suptitle().split()).startswith(title)
    border = drawn(figure)[:, [0, 1, -2, -1]]
    np.testing.assert_array_equal(border, np.broadcast_to(to_rgba("white")[:3], border.shape))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        pytest.param(
            lambda: first_filters(np.ones((3, 1, 2)), ""),
            r"got shape \(3, 1, 2\)",
            id="a kernel in one dimension",
        ),
        pytest.param(
            lambda: feature_maps(np.ones((4, 4, 1)), [], ""), "at least one layer", id="no layer"
        ),
        pytest.param(
            lambda: feature_maps(np.ones((4, 4, 1)), [("flatten", np.ones(12))], ""),
            r"the output of flatten must be one image's maps, \(h, w, c\), got shape \(12,\)",
            id="a layer without space",
        ),
        pytest.param(
            lambda: feature_maps(np.ones((4, 4, 2)), [("conv", np.ones((4, 4, 1)))], ""),
            r"one or three channels, .* got shape \(4, 4, 2\)",
            id="an image of two channels",
        ),
        pytest.param(
            lambda: confusion_matrix([0, 2], [0, 1], ["a", "b"], ""),
            r"labels must be in \[0, 2\)",
            id="label too large",
        ),
        pytest.param(
            lambda: confusion_matrix([0], [-1], ["a", "b"], ""),
            "predictions must be .* got -1",
            id="prediction negative",
        ),
        pytest.param(
            lambda: worst_mistakes(np.ones((2, 4, 4, 1)), [0, 1], np.ones((2, 3)), ["a", "b"], ""),
            r"probabilities of \(2, 2\), got \(2,\) and \(2, 3\)",
            id="more probabilities than names",
        ),
    ],
)
def test_what_does_not_fit_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
