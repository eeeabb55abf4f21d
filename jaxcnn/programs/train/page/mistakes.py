"""The surest mistakes, each with its image as a data URI."""

from __future__ import annotations

import base64
import io
from typing import NamedTuple

import numpy as np
from matplotlib.image import imsave

from jaxcnn.programs.messages import image_name
from jaxcnn.programs.train.page.content import ReportContent
from jaxcnn.programs.train.panels import in_unit_range

MOST = 24
LARGEST = 160  # pixels of a side; larger images are shrunk


class Mistake(NamedTuple):
    """An image, its classes by number, the probability of the predicted one, that of
    the true one, and the file's name or its number among the test images."""

    uri: str
    height: int
    width: int
    true: int
    predicted: int
    probability: float
    of_true: float
    name: str


def mistakes(content: ReportContent, most: int = MOST) -> list[Mistake]:
    """Those of which the network was surest, the surest first."""
    labels, probabilities = np.asarray(content.labels), np.asarray(content.probabilities)
    predictions = probabilities.argmax(axis=1)
    (wrong,) = np.nonzero(predictions != labels)
    surest = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")][:most]
    if not len(surest):
        return []
    images = in_unit_range(np.asarray(content.images[surest]))
    return [
        Mistake(
            data_uri(_png(image)),
            image.shape[0],
            image.shape[1],
            int(labels[index]),
            int(predictions[index]),
            float(probabilities[index, predictions[index]]),
            float(probabilities[index, labels[index]]),
            image_name(content.files, index),
        )
        for image, index in zip(images, surest, strict=True)
    ]


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _png(image: np.ndarray) -> bytes:
    """A PNG file of an image (h, w, c) in [0, 1], shrunk by a whole factor if it is
    large."""
    factor = -(-max(image.shape[:2]) // LARGEST)
    if factor > 1:
        height, width = (size // factor * factor for size in image.shape[:2])
        blocks = image[:height, :width].reshape(
            height // factor, factor, width // factor, factor, -1
        )
        image = blocks.mean(axis=(1, 3))
    colour = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
    file = io.BytesIO()
    pixels = np.round(255 * colour).astype(np.uint8)
    imsave(file, pixels, format="png")
    return file.getvalue()
