"""Losses by their definitions: NumPy in float64, one example after the other."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.ops.binary_cross_entropy import sigmoid_binary_cross_entropy
from jaxcnn.ops.cross_entropy import softmax_cross_entropy
from jaxcnn.ops.squared_error import mean_squared_error


def naive_softmax_cross_entropy(z, labels, a):
    """- sum_j target[j] log p[j], one example after the other."""
    losses = np.zeros(z.shape[:-1])
    k = z.shape[-1]
    for n in np.ndindex(losses.shape):
        p = np.exp(z[n]) / np.sum(np.exp(z[n]))
        for j in range(k):
            target = (1 - a) * (labels[n] == j) + a / k
            losses[n] -= target * np.log(p[j])
    return losses


def naive_soft_cross_entropy(z, t, a):
    """The same with a target for each class."""
    losses = np.zeros(z.shape[:-1])
    for n in np.ndindex(losses.shape):
        p = np.exp(z[n]) / np.sum(np.exp(z[n]))
        for j in range(len(p)):
            losses[n] -= ((1 - a) * t[n][j] + a * np.mean(t[n])) * np.log(p[j])
    return losses


def naive_sigmoid_binary_cross_entropy(x, y):
    p = 1 / (1 + np.exp(-x))
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def naive_mean_squared_error(p, t):
    return sum((a - b) ** 2 for a, b in zip(p.ravel(), t.ravel(), strict=True)) / p.size


def softmax(labels, a=0.0):
    """The operation with its labels (integers, which are not differentiated), and its
    definition."""
    labels = np.asarray(labels, np.int32)
    operation = partial(softmax_cross_entropy, labels=labels, label_smoothing=a)
    return operation, lambda z: naive_softmax_cross_entropy(z, labels, a)


def soft(a=0.0):
    return (
        partial(softmax_cross_entropy, label_smoothing=a),
        lambda z, t: naive_soft_cross_entropy(z, t, a),
    )


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def uniform(*shape):
    return np.random.default_rng(sum(shape)).uniform(0.05, 0.95, size=shape)


LABELS = np.array([[0, 4, 2], [3, 3, 1]])


CASES = {  # operation, definition, arguments
    "softmax": (*softmax(LABELS), [3 * normal(2, 3, 5)]),
    "softmax_smooth": (*softmax(LABELS, 0.1), [3 * normal(2, 3, 5)]),
    "softmax_uniform_target": (*softmax(LABELS, 1.0), [normal(2, 3, 5)]),
    "softmax_one_example": (*softmax(2), [normal(4)]),
    "softmax_one_class": (*softmax([0, 0]), [normal(2, 1)]),
    "soft": (*soft(), [3 * normal(2, 3, 5), uniform(2, 3, 5)]),
    "soft_smooth": (*soft(0.1), [3 * normal(2, 3, 5), uniform(2, 3, 5)]),
    "soft_uniform_target": (*soft(1.0), [normal(3, 5), uniform(3, 5)]),
    "soft_even": (*soft(0.1), [3 * normal(4, 6), uniform(4, 6)]),
    "soft_tied": (*soft(), [np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]]), uniform(2, 3)]),
    "soft_one_hot": (*soft(), [3 * normal(4, 5), np.eye(4, 5)]),
    "soft_one_example": (*soft(0.1), [normal(4), uniform(4)]),
    "soft_one_class": (*soft(), [normal(2, 1), uniform(2, 1)]),
    "sigmoid": (
        sigmoid_binary_cross_entropy,
        naive_sigmoid_binary_cross_entropy,
        [np.append(3 * normal(5), 0.0).reshape(2, 3), uniform(2, 3)],
    ),
    "mean_squared": (mean_squared_error, naive_mean_squared_error, [normal(3, 2), uniform(3, 2)]),
    "mean_squared_scalar": (mean_squared_error, naive_mean_squared_error, [normal(), uniform()]),
}


both = pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
ones = partial(np.ones, dtype=np.float32)
