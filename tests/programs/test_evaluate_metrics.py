"""Accuracy, its interval, precision, recall and confusion, against the definitions."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from rich.console import Console

from jaxcnn.programs.evaluate import tables
from jaxcnn.programs.evaluation import evaluation
from jaxcnn.programs.readable import NONE

CLASSES = ("cat", "dog", "[b]owl[/b]", "猫")


def drawn(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all classes but the last, predictions of all but the third."""
    random = np.random.default_rng(0)
    labels = random.choice(3, count)
    return labels, np.where(random.random(count) < 0.6, labels % 2, random.choice([0, 1, 3], count))


def test_each_number_is_that_of_its_definition():
    labels, predictions = drawn()
    found = evaluation(labels, predictions, CLASSES)
    assert (found.images, found.correct) == (200, sum(labels == predictions))
    assert found.accuracy == found.correct / 200
    for k, name in enumerate(CLASSES):
        row = found.per_class[name]
        hits = sum(a == b == k for a, b in zip(labels, predictions, strict=True))
        assert (row.images, row.predicted) == (sum(labels == k), sum(predictions == k))
        assert row.precision == (hits / row.predicted if row.predicted else None)
        assert row.recall == (hits / row.images if row.images else None)
        for j in range(len(CLASSES)):
            assert found.confusion[k, j] == sum((labels == k) & (predictions == j))
    assert found.per_class["[b]owl[/b]"].precision is None, "it was never predicted"
    assert found.per_class["猫"].recall is None, "it has no images"


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (10, 10), (1, 1), (180, 200), (0, 1)])
def test_the_interval_is_wilsons(correct, count):
    """The roots p of (p - k/n)^2 = z^2 p (1 - p) / n."""
    found = evaluation([0] * count, [0] * correct + [1] * (count - correct), CLASSES)
    z, share = 1.959963984540054, correct / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    half /= 1 + z**2 / count
    np.testing.assert_allclose(found.interval, (centre - half, centre + half), atol=1e-12)


def test_json_has_no_nan():
    found = evaluation(*drawn(), CLASSES).as_json()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["per_class"]["[b]owl[/b]"]["precision"] is None
    assert json.loads(text)["confidence"] == 0.95
    assert np.sum(json.loads(text)["confusion"]) == 200


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([], [], "a prediction for each image, got 0 for 0"),
        ([0, 1], [0], "a prediction for each image, got 1 for 2"),
        ([0, 4], [0, 1], r"labels must be in \[0, 4\), got 0 to 4"),
        ([0, 1], [-1, 1], r"predictions must be in \[0, 4\), got -1 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        evaluation(labels, predictions, CLASSES)


def printed(table) -> list[str]:
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return [line.strip() for line in capture.get().splitlines() if line.strip()]


def test_tables_of_few_classes():
    found = evaluation(*drawn(), CLASSES)
    lines = printed(tables.class_table(found))
    assert [line.split()[0] for line in lines if "%" in line] == [*CLASSES]
    assert lines[-1].split()[2:] == [str(found.per_class["猫"].predicted), "0.0%", NONE]
    matrix = printed(tables.confusion_table(found))
    assert len(matrix) == 2 + len(CLASSES)
    cat = [n for n in found.confusion[0] if n]
    assert matrix[2].split() == ["cat", *map(str, cat)]


def test_of_many_classes_the_most_frequent_mistakes_are_shown():
    names = [f"class {k}" for k in range(100)]
    random = np.random.default_rng(0)
    labels = random.choice(100, 5000)
    predictions = np.where(random.random(5000) < 0.5, labels, 99 - labels)
    predictions[labels == 7] = 8
    found = evaluation(labels, predictions, names)
    lines = printed(tables.confusion_table(found))
    assert lines[2].split() == ["class", "7", "class", "8", str(sum(labels == 7))]
    assert len([line for line in lines if line.startswith("class")]) == tables.MOST_CONFUSIONS
    assert " ".join(lines).endswith("kinds of mistakes more")
    counts = [count for count, _, _ in found.confusions()]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == found.images - found.correct
