"""How good the predictions are, as the report shows it: `programs.evaluation`, with
classes by number, and what each is most often taken for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxcnn.programs.evaluation import OfClass, evaluation


class ClassScore(NamedTuple):
    """Of one class; `precision` is None if it was never predicted, `recall` if it has
    no image. `mistaken` is the class that its images are most often taken for, with the
    number of them; None if all are right."""

    number: int
    images: int
    predicted: int
    right: int
    precision: float | None
    recall: float | None
    mistaken: tuple[int, int] | None


class Confusion(NamedTuple):
    """Images of the class `true` that were taken for `predicted`, and their share of
    the class."""

    true: int
    predicted: int
    images: int
    share: float


class Scores(NamedTuple):
    """Of all predictions.

    Attributes:
      right, images: counts.
      accuracy: their quotient.
      low, high: the ends of its 95 % interval (Wilson 1927), which assumes that the
        images are independent.
      classes: the scores of each class.
      matrix: images by true class and prediction, (k, k).
    """

    right: int
    images: int
    accuracy: float
    low: float
    high: float
    classes: tuple[ClassScore, ...]
    matrix: np.ndarray

    def confusions(self, most: int) -> list[Confusion]:
        """The largest numbers of mistakes, at most `most` of them."""
        wrong = np.where(np.eye(len(self.matrix), dtype=bool), 0, self.matrix)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
        return [
            Confusion(int(i), int(j), int(wrong[i, j]), float(wrong[i, j] / self.matrix[i].sum()))
            for i, j in pairs
            if wrong[i, j]
        ]


def scores(labels: np.ndarray, predictions: np.ndarray, classes: int) -> Scores:
    """The scores of predictions (n,) of images with these labels (n,), integers in [0,
    classes).

    >>> found = scores(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3)
    >>> found.accuracy, round(found.low, 2), round(found.high, 2)
    (0.75, 0.3, 0.95)
    >>> found.classes[0].recall, found.classes[0].precision, found.classes[2].recall
    (0.5, 1.0, None)
    >>> found.confusions(3)
    [Confusion(true=0, predicted=1, images=1, share=0.5)]
    """
    found = evaluation(labels, predictions, [str(number) for number in range(classes)])
    each = tuple(
        _of_class(number, of_class, found.confusion[number])
        for number, of_class in enumerate(found.per_class.values())
    )
    return Scores(
        found.correct, found.images, found.accuracy, *found.interval, each, found.confusion
    )


def _of_class(number: int, of_class: OfClass, taken: np.ndarray) -> ClassScore:
    """The scores of a class whose images were `taken` for each class, (k,)."""
    wrong = taken.copy()
    wrong[number] = 0
    most = int(wrong.argmax())
    return ClassScore(
        number,
        of_class.images,
        of_class.predicted,
        int(taken[number]),
        of_class.precision,
        of_class.recall,
        (most, int(wrong[most])) if wrong[most] else None,
    )
