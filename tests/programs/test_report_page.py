"""The report of a run says what its content says: accuracy and its interval, each
class, confusions, mistakes with their images; no network, no markup out of data."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from html_page import Page, spaced
from matplotlib.image import imread
from report_contents import AWKWARD, made_up
from scipy.stats import norm
from sklearn.metrics import precision_recall_fscore_support

from jaxcnn.programs.train.page.content import ReportContent
from jaxcnn.programs.train.page.mistakes import LARGEST, mistakes
from jaxcnn.programs.train.page.render import render, write_report
from jaxcnn.programs.train.page.scores import scores


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return made_up(never=3)


@pytest.fixture(scope="module")
def html(content) -> str:
    return render(content)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def pixels(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return imread(io.BytesIO(base64.b64decode(data)), format="png")[..., :3]


def test_needs_nothing_beside_it(html, page):
    for tag, key, value in page.attributes:
        if key in ("src", "srcset", "data", "action", "poster", "background") or (
            key.endswith("href") and tag != "a"
        ):
            assert (value or "").startswith("data:"), (tag, key, value)
        if tag == "a" and key == "href":
            assert value and value.startswith("#") and value[1:] in page.ids
    assert len(page.ids) == len(set(page.ids))
    for word in ("<link", "<script", "<iframe", "@import", "url("):
        assert word not in html


def test_what_comes_from_the_run_is_escaped(html, page):
    assert "<b>bold</b>" not in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "<b>bold</b>" in page.text
    for name in AWKWARD[:5]:
        assert name in page.text
    assert "“ ”" in page.text  # a name of nothing but space


def test_accuracy_has_its_interval(content, page):
    """Wilson's formula by hand."""
    right = int(np.sum(content.probabilities.argmax(1) == content.labels))
    n, p, z = 400, right / 400, norm.ppf(0.975)
    middle, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n),
    )
    found = scores(content.labels, content.probabilities.argmax(1), len(AWKWARD))
    np.testing.assert_allclose([found.low, found.high], [middle - half, middle + half], rtol=1e-9)
    assert f"Accuracy {p:.2%}".replace("%", " %") in page.text
    assert f"{right} of 400 test images" in page.text
    interval = f"95 % interval: {found.low:.1%} to {found.high:.1%}"
    assert re.sub(r"(\d)%", r"\1 %", interval) in page.text


def test_each_class_has_its_scores(content):
    predictions = content.probabilities.argmax(1)
    found = scores(content.labels, predictions, len(AWKWARD))
    precision, recall, _, images = precision_recall_fscore_support(
        content.labels, predictions, labels=np.arange(len(AWKWARD)), zero_division=np.nan
    )
    for c in found.classes:
        assert c.recall == pytest.approx(recall[c.number])
        assert c.images == images[c.number]
        assert np.isnan(precision[c.number]) == (c.precision is None)
        assert c.precision in (None, pytest.approx(precision[c.number]))
    assert found.classes[3].precision is None and found.classes[3].recall == 0
    assert found.classes[3].mistaken == (4, found.matrix[3, 4])


def test_a_class_that_is_never_predicted_is_told_first(page):
    assert "Never predicted 1 собака" in page.text
    assert "0 % never predicted" in page.text
    assert "Never predicted 1" not in Page(render(made_up())).text


def test_confusions_are_the_largest_numbers_off_the_diagonal():
    labels = np.array([0] * 10 + [1] * 5 + [2])
    predictions = np.array([0] * 4 + [1] * 5 + [2] + [1] * 3 + [0] * 2 + [2])
    found = scores(labels, predictions, 3)
    assert [tuple(c) for c in found.confusions(2)] == [(0, 1, 5, 0.5), (1, 0, 2, 0.4)]
    assert [tuple(c) for c in found.confusions(9)][2:] == [(0, 2, 1, 0.1)]
    assert [c.mistaken for c in found.classes] == [(1, 5), (0, 2), None]


def test_the_surest_mistakes_are_shown_with_their_images(content, page):
    predictions = content.probabilities.argmax(1)
    wrong = np.flatnonzero(predictions != content.labels)
    order = wrong[np.argsort(-content.probabilities.max(1)[wrong], kind="stable")]
    shown = mistakes(content)
    assert len(shown) == 24
    for mistake, index in zip(shown, order, strict=False):
        assert (mistake.true, mistake.predicted) == (content.labels[index], predictions[index])
        assert mistake.name == content.files[index]
        np.testing.assert_allclose(pixels(mistake.uri), content.images[index] / 255, atol=1e-6)
        assert spaced(f"{mistake.name} ; true class") in page.text
    uris = [value for tag, key, value in page.attributes if (tag, key) == ("img", "src")]
    assert [mistake.uri for mistake in shown] == uris[1:]
    assert f"The 24 of {len(wrong)} mistakes of which the network was surest" in page.text


def test_large_images_are_shrunk_by_the_mean_of_blocks():
    content = made_up(("a", "b"), images=12, size=2 * LARGEST + 1, right=0.0, channels=1)
    (first, *_) = mistakes(content)
    index = content.files.index(first.name)
    expected = content.images[index, :321, :321, 0].astype(float) / 255
    blocks = expected.reshape(107, 3, 107, 3).mean((1, 3))
    np.testing.assert_allclose(pixels(first.uri)[..., 0], blocks, atol=1 / 255)


def test_without_mistakes_it_says_so():
    text = Page(render(made_up(("no", "yes"), images=50, right=1.0))).text
    assert "Accuracy 100 % 50 of 50 test images" in text
    assert "None: all 50 test images are right." in text
    assert "Mistakes None." in text


def test_command_options_data_and_environment_are_told(content, page):
    for words in (
        *content.commands,
        "The run was resumed: one line for each process.",
        "learning_rate 0.003 clip_norm - flip yes",
        *content.data.notes,
        "1,600 training images of 8 classes, 32x32x3; 12 epochs in 12 min 34 s; 2026-11-26",
        "jaxcnn 0.2.0 device cpu cores 2 took 12 min 34 s",
    ):
        assert spaced(words) in page.text


def test_each_epoch_is_in_a_table(content, page):
    for row in content.rows:
        accuracy = f"{row['test_accuracy']:.2%}".replace("%", " %")
        assert f"{row['test_loss']:.4f} {accuracy}" in page.text


def test_an_incomplete_run_says_so_first(content):
    text = Page(render(replace(content, planned_epochs=100))).text
    assert "Incomplete: 12 of 100 epochs. The same command with --resume goes on." in text
    assert text.index("Incomplete") < text.index("Accuracy")
    assert "Incomplete" not in Page(render(content)).text


@pytest.mark.parametrize("classes", [2, 20, 21, 100])
def test_the_table_of_confusions_is_for_few_classes(classes):
    html = render(made_up(tuple(f"species {n}" for n in range(classes)), images=300))
    assert ('class="cells"' in html) == (classes <= 20)
    assert "Most frequent confusions" in html
    assert Page(html).text.count("species 1 ") >= 2


def test_pages_of_one_content_are_the_same_bytes(content, html):
    assert render(content) == html


def test_a_report_is_written_whole(content, html, tmp_path):
    write_report(tmp_path / "report.html", content)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    with pytest.raises(OSError) as caught:
        write_report(tmp_path / "missing" / "report.html", content)
    assert caught.value.filename == str(tmp_path / "missing" / "report.html")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.ones((400, 3))}, r"probabilities .* \(400, 8\), got \(400, 3\)"),
        ({"images": np.ones((3, 4, 4, 1))}, r"images .* \(400,\), got \(3,\)"),
        ({"files": ["a"]}, "files must be 400 names or None, got 1"),
        ({"rows": []}, "needs an epoch and a test image, got 0 and 400"),
    ],
)
def test_content_that_does_not_fit_is_refused(content, change, message):
    with pytest.raises(ValueError, match=message):
        replace(content, **change)
