"""Runs of `jaxcnn train` as far as `jaxcnn receptive-field` reads them."""

from __future__ import annotations

import json

import jax
import numpy as np

from jaxcnn.models import MODELS
from jaxcnn.stored.arrays import save_arrays


def init(model, shape):
    """Params and state in [0, 1): nothing is compiled to draw them, and no relu is
    dead."""
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))
    return jax.tree.map(lambda leaf: random.random(leaf.shape, np.float32), shapes)


def write_run(folder, name, **entries):
    """`entries` of config.json that differ from what was saved."""
    params, state = init(MODELS[name](), (1, 8, 8, 1))
    save_arrays(folder / "model.safetensors", {"params": params, "state": state})
    described = {
        "model": name,
        "dataset": "digits",
        "data_dir": None,
        "image_shape": [8, 8, 1],
    } | entries
    (folder / "config.json").write_text(json.dumps(described))
    return folder
