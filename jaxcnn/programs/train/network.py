"""The network that a run's options name, and what model.json says of it."""

from __future__ import annotations

from difflib import get_close_matches

from jaxcnn.layers import Layer
from jaxcnn.models import MODELS
from jaxcnn.programs.data.splits import Dataset
from jaxcnn.programs.loading import load, quoted
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.train.config import Config
from jaxcnn.stored.building import built, named
from jaxcnn.stored.description import Description, describe


def describe_network(config: Config, dataset: Dataset) -> Description:
    """What model.json says of the network of a run."""
    *size, channels = dataset.image_shape
    return describe(
        model=config.model if ":" not in config.model else None,
        arguments={"classes": len(dataset.classes)},
        classes=dataset.classes,
        image_size=size,
        channels=channels,
        normalisation=dataset.normalisation,
        fit=config.fit,
        mirror=config.mirror,
    )


def network(model: str, about: Description) -> Layer:
    """The layer, built for these images and classes.

    Args:
      model: a name of `jaxcnn.models.MODELS`, or module:function.
      about: what is known of it.

    Raises:
      ConfigError: if there is no such model, or it does not fit the images.
    """
    check_model(model)
    build = load("--model", model) if ":" in model else named(model)
    try:
        layer, _, _ = built(build, about)
    except ValueError as error:
        raise ConfigError(f"--model {quoted(model)}: {error}") from error
    return layer


def check_model(model: str) -> None:
    """Raises ConfigError unless it is a known name, or looks like module:function."""
    if model in MODELS or ":" in model:
        return
    likely = get_close_matches(model, MODELS, n=1)
    slip = f": did you mean {likely[0]}?" if likely else ""
    raise ConfigError(
        f"--model must be one of {', '.join(MODELS)}, or module:function of your own, got"
        f" {quoted(model)}{slip}"
    )
