"""How good predictions are: accuracy with an interval, and precision, recall and
confusion of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest
from sklearn import metrics

CONFIDENCE = 0.95
"""Of the interval: if the images were drawn anew again and again, this share of such
intervals would have the accuracy of all images in them."""


class OfClass(NamedTuple):
    """How good the predictions of a class are.

    Attributes:
      images: of this class.
      predicted: images that were taken for it.
      precision: the share of `predicted` that is of this class; None of none.
      recall: the share of `images` that was taken for it; None of none.
    """

    images: int
    predicted: int
    precision: float | None
    recall: float | None


class Evaluation(NamedTuple):
    """How good the predictions of some images are.

    Attributes:
      images: how many there are.
      correct: those whose likeliest class is theirs.
      accuracy: the share of them.
      interval: Wilson's interval of the accuracy, at `CONFIDENCE`.
      per_class: by the name of the class, in their order.
      confusion: (classes, classes), the number of images of each class (row) that were
        taken for each class (column).
    """

    images: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    per_class: dict[str, OfClass]
    confusion: np.ndarray

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.per_class)

    def confusions(self) -> list[tuple[int, str, str]]:
        """The mistakes (count, true class, predicted class), the most frequent
        first."""
        mistakes = np.where(np.eye(len(self.per_class), dtype=bool), 0, self.confusion)
        found = [
            (int(mistakes[i, j]), self.classes[i], self.classes[j])
            for i, j in zip(*np.nonzero(mistakes), strict=True)
        ]
        return sorted(found, key=lambda each: -each[0])

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`; what is not defined is None."""
        return self._asdict() | {
            "confidence": CONFIDENCE,
            "per_class": {name: row._asdict() for name, row in self.per_class.items()},
            "classes": self.classes,
            "confusion": self.confusion.tolist(),
        }


def evaluation(labels: ArrayLike, predictions: ArrayLike, classes: Sequence[str]) -> Evaluation:
    """How good predictions are.

    The interval is Wilson's (1927), by `scipy.stats.binomtest`: it stays within [0, 1],
    and holds for accuracies close to 1, where the usual mean and deviation do not.
    Precision and recall are scikit-learn's.

    Args:
      labels, predictions: classes, (n,), integers in [0, k), n >= 1.
      classes: the k names.

    Raises:
      ValueError: if there is no image, or a label has no name.

    >>> found = evaluation([0, 0, 1], [0, 1, 1], ["cat", "dog"])
    >>> found.per_class["dog"]
    OfClass(images=1, predicted=2, precision=0.5, recall=1.0)
    >>> [round(end, 3) for end in found.interval]
    [0.208, 0.939]
    """
    true, predicted = np.asarray(labels), np.asarray(predictions)
    count = len(classes)
    if len(true) == 0 or len(true) != len(predicted):
        raise ValueError(
            f"there must be a prediction for each image, got {len(predicted)} for {len(true)}"
        )
    for name, values in (("labels", true), ("predictions", predicted)):
        if values.min() < 0 or values.max() >= count:
            raise ValueError(
                f"{name} must be in [0, {count}), got {values.min()} to {values.max()}"
            )
    correct = int(np.count_nonzero(true == predicted))
    bounds = binomtest(correct, len(true)).proportion_ci(CONFIDENCE, method="wilson")
    precision, recall, _, images = metrics.precision_recall_fscore_support(
        true, predicted, labels=np.arange(count), zero_division=np.nan
    )
    taken = np.bincount(predicted, minlength=count)
    return Evaluation(
        len(true),
        correct,
        correct / len(true),
        (float(bounds.low), float(bounds.high)),
        {
            name: OfClass(
                int(images[k]), int(taken[k]), _defined(precision[k]), _defined(recall[k])
            )
            for k, name in enumerate(classes)
        },
        metrics.confusion_matrix(true, predicted, labels=np.arange(count)),
    )


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
