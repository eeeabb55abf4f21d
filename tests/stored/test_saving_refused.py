"""Arguments of `save` that make no sense: each is refused by name, before anything is
written."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jaxcnn
from tests.stored._stored_models import ABOUT, arrays, build


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def without(tree, entry):
    return {name: value for name, value in tree.items() if name != entry}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "lenett"}, r"model must be one of cnn_basics, .*: did you mean lenet\?"),
        ({"model": build}, "model must be the name of a network, or None, got <function"),
        ({"model": None, "normalisation": None}, "channels must be given for a network of your"),
        (
            {"arguments": {"hidden": (4, 4)}},
            r"not those of lenet for images of 8x8x1: they have param",
        ),
        ({"arguments": {"wide": 3}}, r"lenet\(classes=3, wide=3\) gives no network: TypeError"),
        ({"arguments": {"f": build}}, r"arguments\['f'\] must be a number, a text, .*, got <funct"),
        ({"arguments": {"f": [1, np.nan]}}, r"arguments\['f'\]\[1\] must be a number, .*, got nan"),
        ({"arguments": [3]}, r"arguments must be a dict of .*, got \[3\]"),
        (
            {"arguments": {"classes": 4}},
            r"must give 3 logits for each image, .* got shape",
        ),
        ({"classes": ["a", "b"]}, r"they have params.13_dense.b in float32 of shape \(3,\), wh"),
        ({"classes": ["a", "b", "a"]}, "classes must differ from one another, got 'a' twice"),
        ({"classes": "abc"}, "classes must be the names of the classes, .*, got 'abc'"),
        ({"classes": ["a", "b", ""]}, "each a text of its own, got ''"),
        ({"classes": []}, "each a text of its own, got none"),
        ({"image_size": (8, 8, 1)}, r"image_size must be .*, got \(8, 8, 1\): channels are not"),
        ({"image_size": 8.0}, r"image_size must be an int, got 8.0 \(float\)"),
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"image_size": 2**20}, "image_size must be at most 65,536, got 1,048,576"),
        ({"image_size": 2}, r"does not take images of 2x2x1: .* in layer '5_max_pool'"),
        ({"image_size": (8, 16)}, "they have params.8_dense.w in float32 of shape"),
        ({"normalisation": ([0.4] * 3, [0.2] * 3)}, "they have params.0_conv.w in float32"),
        ({"normalisation": ([0.4] * 3, [0.2])}, "std must have a number for each of 3 channels"),
        ({"normalisation": [0.4, 0.2, 0.1]}, r"normalisation must be \(mean, std\), each with"),
        ({"normalisation": ([0.4], ["x"])}, r"std must be finite numbers, .*, got \['x'\]"),
        ({"normalisation": ([0.4], [0])}, "normalisation's std must be above 0, got 0"),
        ({"normalisation": ([102], [51])}, "must be in units of .* got 102: divide by 255"),
        ({"channels": 3}, "normalisation's mean must have a number for each of 3 channels, got 1"),
        ({"fit": "squeeze"}, "fit must be one of crop, pad, stretch, got 'squeeze'"),
        ({"mirror": "yes"}, "mirror must be True or False, got 'yes'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_arguments_that_make_no_sense_are_refused_by_name(change, message, folder):
    with pytest.raises(ValueError, match=message) as caught:
        jaxcnn.save(folder, *arrays(), **ABOUT | change)
    assert "\n" not in str(caught.value)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda p, s: (without(p, "0_conv"), s),
            "they have no params.0_conv.b, no params.0_conv.w",
        ),
        (lambda p, s: (p, {"x": np.ones(1)}), "they have state.x beside what was asked for"),
        (lambda p, s: (p["0_conv"]["w"], s), "params must be a dict of arrays, .*, got ndarray"),
        (lambda p, s: (jax.tree.map(np.int32, p), s), "params.0_conv.w in int32 of shape"),
        (
            lambda p, s: (p | {"0_conv": {"w": p["0_conv"]["w"] * np.nan, "b": np.zeros(2)}}, s),
            "params.0_conv.w must be finite, got NaN or infinity in 50 of its 50 numbers",
        ),
        (
            lambda p, s: (p | {"0_conv": {"w": [1.0], "b": np.zeros(2)}}, s),
            "params.0_conv.w must be an array, got",
        ),
    ],
    ids=["missing", "too many", "no dict", "ints", "NaN", "list"],
)
def test_other_arrays_than_the_networks_are_refused(change, message, folder):
    with pytest.raises(ValueError, match=message):
        jaxcnn.save(folder, *change(*arrays()), **ABOUT)
    assert list(folder.parent.iterdir()) == []
