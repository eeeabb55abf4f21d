"""Classes of different sizes: weights that let each class count the same."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.utils.class_weight import compute_class_weight

from jaxcnn.training import Loss


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """The weight of each class, (classes,) float32: images / (classes that have any *
    images of the class). Their mean over the images is 1, and each class has the same
    sum. A class without images has the weight 1.

    Args:
      labels: of the training images, (n,), integers in [0, classes).
      classes: how many there are.

    >>> class_weights(np.array([0, 0, 1, 1, 1, 1]), 2).tolist()
    [1.5, 0.75]
    """
    present = np.unique(labels)
    weights = np.ones(classes, np.float32)
    weights[present] = compute_class_weight("balanced", classes=present, y=labels)
    return weights


def balanced(loss: Loss, weights: np.ndarray) -> Loss:
    """The loss with each example weighed by its class's weight.

    Args:
      loss: (logits, labels) -> losses; for labels that are probabilities it must be
        linear in them, as `softmax_cross_entropy` is.
      weights: of the classes, (k,).

    Returns:
      A loss of classes (n,) or of probabilities (n, k). A mixed example costs what its
      parts cost, each with its own weight.

    >>> from jaxcnn import softmax_cross_entropy
    >>> of_all = balanced(softmax_cross_entropy, np.array([0.5, 2.0]))
    >>> (of_all(jnp.zeros((2, 2)), jnp.array([0, 1])) / jnp.log(2.0)).tolist()
    [0.5, 2.0]
    """

    def weighed(logits: Array, labels: Array) -> Array:
        of_class = jnp.asarray(weights, jnp.float32)
        if jnp.issubdtype(labels.dtype, jnp.integer):
            losses = loss(logits, labels)
            return losses * of_class[labels].astype(losses.dtype)
        return loss(logits, labels * of_class.astype(labels.dtype))

    return weighed
