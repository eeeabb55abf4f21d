"""Augmentation by arithmetic: colour and mixup by their definitions, and the weights of
classes of different sizes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from jaxcnn import softmax_cross_entropy
from jaxcnn.programs.train.augment.colours import colour, grey
from jaxcnn.programs.train.augment.mixing import mixup
from jaxcnn.programs.train.balance import balanced, class_weights

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).uniform(0.3, 0.6, (200, 4, 3, 3)), jnp.float32)
Y = np.arange(200) % 5


def of_grey(image):
    return image @ np.array([0.299, 0.587, 0.114]) if image.shape[-1] == 3 else image[..., 0]


def least_squares(given, towards, changed):
    """The factor f and the largest error of changed = f given + (1 - f) towards."""
    difference = (given - towards).ravel()
    factor = difference @ (changed - towards).ravel() / (difference @ difference)
    return factor, np.abs(towards + factor * (given - towards) - changed).max()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("amounts", "towards"),
    [
        pytest.param({"brightness": 0.4}, np.zeros_like, id="brightness"),
        pytest.param(
            {"contrast": 0.4}, lambda x: np.full_like(x, of_grey(x).mean()), id="contrast"
        ),
        pytest.param(
            {"saturation": 0.4},
            lambda x: np.repeat(of_grey(x)[..., None], x.shape[-1], -1),
            id="saturation",
        ),
    ],
)
def test_colour_is_a_step_from_grey_by_a_factor_of_each_image(amounts, towards, channels):
    given = np.asarray(X[..., :channels], np.float64)
    changed = np.asarray(colour(KEY, X[..., :channels], **amounts), np.float64)
    if channels == 1 and "saturation" in amounts:
        np.testing.assert_array_equal(changed, given)
        return
    found = [least_squares(x, towards(x), y) for x, y in zip(given, changed, strict=True)]
    factors, errors = np.array(found).T
    assert errors.max() < 1e-6
    assert 0.6 <= factors.min() < 0.65 and 1.35 < factors.max() <= 1.4
    assert abs(factors.mean() - 1) < 3 * 0.8 / np.sqrt(12 * 200)
    assert len(set(factors.round(5))) > 190


def test_colours_stay_between_black_and_white():
    x = colour(KEY, X.at[0].set(0.0).at[1].set(1.0), brightness=1.0, contrast=1.0, saturation=1.0)
    assert x.min() >= 0 and x.max() <= 1
    np.testing.assert_array_equal(x[0], 0)


def test_three_amounts_are_three_steps():
    x = colour(KEY, X, brightness=0.2, contrast=0.3, saturation=0.1)
    one = colour(KEY, X, brightness=0.2)
    two = colour(KEY, one, contrast=0.3)
    np.testing.assert_array_equal(x, colour(KEY, two, saturation=0.1))


def test_the_three_factors_of_an_image_are_independent():
    given, grey_of = np.asarray(X, np.float64), lambda x: of_grey(x)[..., None]
    factors = []
    for name, towards in (
        ("brightness", np.zeros_like),
        ("contrast", lambda x: of_grey(x).mean()),
        ("saturation", grey_of),
    ):
        changed = np.asarray(colour(KEY, X, **{name: 0.4}), np.float64)
        factors.append(
            [least_squares(x, towards(x), y)[0] for x, y in zip(given, changed, strict=True)]
        )
    assert np.abs(np.corrcoef(factors)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(200)


def test_grey_of_other_images_is_refused():
    with pytest.raises(ValueError, match=r"one channel or three, got shape \(2, 4, 4, 2\)"):
        grey(jnp.zeros((2, 4, 4, 2)))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_is_a_share_of_the_image_and_of_the_one_before(alpha):
    x, q = (
        np.asarray(a, np.float64) for a in mixup(KEY, X, jnp.asarray(Y), alpha=alpha, classes=5)
    )
    hot, given = np.eye(5)[Y], np.asarray(X, np.float64)
    own = q[np.arange(200), Y]  # the label before is always another one
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        q, own[:, None] * hot + (1 - own[:, None]) * np.roll(hot, 1, 0), atol=1e-6
    )
    shares = own[:, None, None, None]
    np.testing.assert_allclose(x, shares * given + (1 - shares) * np.roll(given, 1, 0), atol=1e-6)
    assert own.min() >= 0.5 and own.max() <= 1
    # Of max(l, 1 - l), l from Beta(alpha, alpha): the mean in 10,000 draws of NumPy.
    drawn = np.random.default_rng(0).beta(alpha, alpha, 10_000)
    assert abs(own.mean() - np.maximum(drawn, 1 - drawn).mean()) < 3 * 0.17 / np.sqrt(200)


def test_a_mixed_image_of_one_class_keeps_its_label():
    _, q = mixup(KEY, X[:4], jnp.array([2, 2, 2, 2]), alpha=1.0, classes=3)
    np.testing.assert_allclose(q, np.eye(3)[[2] * 4], atol=1e-7)


def test_class_weights_have_the_mean_1_and_each_class_counts_the_same():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    weights = class_weights(labels, 4)
    assert weights.dtype == np.float32
    assert weights[3] == 1  # no images
    np.testing.assert_allclose(
        weights[labels], compute_sample_weight("balanced", labels), rtol=1e-6
    )
    np.testing.assert_allclose(weights[labels].mean(), 1, rtol=1e-6)
    sums = [weights[labels][labels == c].sum() for c in range(3)]
    np.testing.assert_allclose(sums, 100 / 3, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_balanced_loss_of_classes_and_of_their_probabilities(smoothing):
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.normal(size=(6, 3)), jnp.float32)
    labels = np.array([0, 1, 2, 2, 1, 0])
    weights = np.array([0.5, 1.0, 4.0], np.float32)

    def loss(z, y):
        return softmax_cross_entropy(z, y, label_smoothing=smoothing)

    of_classes = balanced(loss, weights)(logits, jnp.asarray(labels))
    np.testing.assert_allclose(of_classes, weights[labels] * loss(logits, labels), rtol=1e-6)
    # A mixed example costs the mixed costs.
    first, second = np.eye(3, dtype=np.float32)[labels], np.eye(3, dtype=np.float32)[labels[::-1]]
    mixed = balanced(loss, weights)(logits, jnp.asarray(0.75 * first + 0.25 * second))
    reversed_labels = balanced(loss, weights)(logits, jnp.asarray(labels[::-1].copy()))
    np.testing.assert_allclose(mixed, 0.75 * of_classes + 0.25 * reversed_labels, rtol=1e-5)


def test_a_balanced_loss_has_the_dtype_of_the_loss():
    logits = jnp.zeros((2, 3), jnp.bfloat16)
    weights = np.ones(3, np.float32)
    of_classes = balanced(softmax_cross_entropy, weights)(logits, jnp.array([0, 1]))
    of_shares = balanced(softmax_cross_entropy, weights)(logits, jnp.full((2, 3), 1 / 3))
    assert of_classes.dtype == of_shares.dtype == jnp.bfloat16
