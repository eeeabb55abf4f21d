"""Models written to folders: what is in them, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.stored.saving import DESCRIPTION, WEIGHTS
from tests.stored._stored_models import ABOUT, OWN, arrays, build, content, own_arrays, same

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


# What is in a folder.


def test_a_model_is_two_files_and_no_time_is_in_them(folder):
    params, state = arrays()
    jaxcnn.save(folder, params, state, **ABOUT)
    first = content(folder)
    assert sorted(first) == [DESCRIPTION, WEIGHTS]
    jaxcnn.save(folder.with_name("again"), params, state, **ABOUT)
    assert content(folder.with_name("again")) == first
    assert sorted(path.name for path in folder.parent.iterdir()) == ["again", "model"]
    about = json.loads(first[DESCRIPTION])
    assert about.pop("versions").keys() == {"jaxcnn", "jax", "jaxlib", "numpy", "safetensors"}
    assert len(about.pop("weights")["sha256"]) == 64
    assert about == {
        "format": 1,
        "model": "lenet",
        "arguments": {"classes": 3, "features": [2, 3], "hidden": [4, 4]},
        "classes": ["cat", "dog", "猫"],
        "image_size": [8, 8],
        "channels": 1,
        "normalisation": {"mean": [0.4], "std": [0.2]},
        "fit": "crop",
        "mirror": False,
    }


def test_what_was_saved_comes_back(folder):
    params, state = arrays()
    jaxcnn.save(str(folder), params, state, **ABOUT | {"fit": "pad", "mirror": True})
    found = jaxcnn.load(str(folder))
    assert same(found, params, state)
    assert (found.name, found.classes) == ("lenet", ("cat", "dog", "猫"))
    assert (found.image_size, found.channels) == ((8, 8), 1)
    assert found.normalisation == ((0.4,), (0.2,))
    assert (found.fit, found.mirror) == ("pad", True)
    assert found.arguments == {"classes": 3, "features": [2, 3], "hidden": [4, 4]}


def test_a_network_of_ones_own_comes_back_with_its_function(folder):
    params, state = own_arrays()
    jaxcnn.save(folder, params, state, **OWN)
    found = jaxcnn.load(folder, model=build)
    assert same(found, params, state)
    assert (found.name, found.arguments) == (None, {"width": 4})


def test_an_entry_without_arrays_comes_back(folder):
    def init(key, input_shape):
        return {"nothing": {}, "inner": {"none": {}}}, {"list": {}}

    def apply(params, state, x, *, train=False, key=None):
        return x[:, 0, 0, :] + len(params["inner"]["none"]), state

    def own():
        return jaxcnn.Layer("own", init, apply)

    about = {"model": None, "classes": ["one"], "image_size": 4, "channels": 1}
    jaxcnn.save(folder, *init(None, None), **about)
    found = jaxcnn.load(folder, model=own)
    assert (found.params, found.state) == init(None, None)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"normalisation": None}, ((0.0,), (1.0,))),
        ({"normalisation": {"mean": [0.3], "std": [0.1]}}, ((0.3,), (0.1,))),
        ({"normalisation": (np.array([0.5]), np.float32(0.25))}, ((0.5,), (0.25,))),
        ({"normalisation": (0.5, 0.25), "channels": 1}, ((0.5,), (0.25,))),
        ({"normalisation": (0.5, 0.25)}, ((0.5,), (0.25,))),
        ({"normalisation": (0.5, [0.25])}, ((0.5,), (0.25,))),
    ],
    ids=["none: the channels are the params'", "dict", "NumPy's", "numbers", "found", "mixed"],
)
def test_normalisations(given, wanted, folder):
    jaxcnn.save(folder, *arrays(), **ABOUT | given)
    found = jaxcnn.load(folder)
    assert (found.normalisation, found.channels) == (wanted, 1)


def test_half_precision_may_be_saved(folder):
    params, state = jax.tree.map(lambda leaf: leaf.astype(np.float16), arrays())
    jaxcnn.save(folder, params, state, **ABOUT)
    found = jaxcnn.load(folder)
    assert found.params["0_conv"]["w"].dtype == np.float16
    assert found.predict(np.zeros((8, 8, 1), np.uint8)).dtype == np.float32
