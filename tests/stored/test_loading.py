"""Folders that hold no model, a damaged one, or another one: each is told in one
line."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time

import numpy as np
import pytest

import jaxcnn
from jaxcnn.models import MODELS
from jaxcnn.stored import loading
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.loading import read_description
from jaxcnn.stored.saving import DESCRIPTION, NEXT, WEIGHTS, sha256_of
from tests.stored._stored_models import ABOUT, OWN, arrays, build, own_arrays


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    jaxcnn.save(folder, *arrays(), **ABOUT)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


@pytest.fixture
def own(tmp_path):
    jaxcnn.save(tmp_path / "own", *own_arrays(), **OWN)
    return tmp_path / "own"


def rewritten(folder, **entries):
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def refused(folder, message, model=None):
    with pytest.raises(StoredError, match=message) as caught:
        jaxcnn.load(folder, model)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


# Folders that hold no model.


def test_what_is_no_folder_of_a_model_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, what in (
        ("none", "is not there"),
        ("file", "is a file"),
        ("file/in", "is not there"),
    ):
        refused(tmp_path / name, f"{name} {what}: a folder with model.json is needed")
    refused(tmp_path / "empty", "empty holds no model: it has no model.json; jaxcnn.save and jaxcn")
    (tmp_path / "empty" / "best").mkdir()
    (tmp_path / "empty" / "best" / DESCRIPTION).write_bytes(b"")
    refused(tmp_path / "empty", f"is {tmp_path / 'empty' / 'best'} meant?")
    (tmp_path / "empty" / WEIGHTS).write_bytes(b"")
    refused(tmp_path / "empty", "holds no model: it has model.safetensors alone")


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_pipe_is_not_waited_for(name, folder):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    start = time.perf_counter()
    refused(folder, f"{name} is no file: a folder, a pipe or a device has its name")
    assert time.perf_counter() - start < 5
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, f"{name} is no file")


def test_a_file_that_is_missing_is_named(folder):
    (folder / WEIGHTS).unlink()
    refused(folder, r"model\.safetensors is missing, and model\.json beside it is there")


# Damage.


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: content[:-8] + b"12345678",
    ],
    ids=["cut off", "longer", "empty", "changed"],
)
def test_other_weights_are_found_by_their_hash(change, folder):
    path = folder / WEIGHTS
    path.write_bytes(change(path.read_bytes()))
    refused(folder, r"safetensors is not the file that model\.json tells of \(SHA-256 [0-9a-f]{12}")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-3],
        lambda text: "",
        lambda text: "<html>" + text,
        lambda text: text.replace('"crop"', "NaN"),
        lambda text: "[" * 100_000,
        lambda text: text.replace("8", "9" * 5000),
        lambda text: text.encode("utf-16"),
    ],
    ids=["cut off", "empty", "web page", "NaN", "deep", "a long number", "UTF-16"],
)
def test_what_is_no_json_is_told(change, folder):
    path = folder / DESCRIPTION
    changed = change(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    refused(
        folder, r"model\.json is no whole JSON file \(.*\): it was cut off, or is something else"
    )


def test_a_description_that_is_too_large_is_not_read(folder):
    with (folder / DESCRIPTION).open("r+b") as file:
        file.truncate(2**40)  # a hole: no disk is filled
    refused(folder, "has 1,099,511,627,776 bytes, and 67,108,864 are read at most")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": "1"}, "is not of a model of jaxcnn: it has no format number"),
        ({"format": 0}, "is not of a model of jaxcnn: it has format 0"),
        ({"more": 1}, "is not of a model of jaxcnn: it has 'more'"),
        (
            {"format": 2, "versions": {"jaxcnn": "9.0"}, "more": 1},
            "has format 2, by jaxcnn 9.0, and this jaxcnn reads 1: a newer jaxcnn is needed",
        ),
        ({"format": 2, "versions": None}, "has format 2, and this jaxcnn reads 1"),
        ({"model": 3}, "is damaged: model must be the name of a network, or None, got 3"),
        ({"arguments": None}, "is damaged: arguments must be a dict of"),
        ({"classes": ["a", "a", "b"]}, "is damaged: classes must differ"),
        ({"classes": 3}, "is damaged: classes must be the names"),
        ({"image_size": [8]}, "is damaged: image_size must be one int, or height and width"),
        ({"image_size": [8, True]}, "is damaged: image_size must be an int, got True"),
        ({"channels": 2**40}, "is damaged: channels must be below 2"),
        ({"normalisation": {"mean": [0.5]}}, "is damaged: normalisation must be"),
        ({"normalisation": {"mean": [0.5], "std": [1e999]}}, "no whole JSON file .Infinity is no"),
        ({"normalisation": None}, None),
        ({"fit": ["crop"]}, r"is damaged: fit must be one of crop, pad, stretch, got \['crop'\]"),
        ({"mirror": 1}, "is damaged: mirror must be True or False"),
        ({"weights": {"sha256": "0"}}, "is damaged: weights must have a SHA-256"),
        ({"weights": []}, "is damaged: "),
        ({"versions": {"jax": 1}}, "is damaged: versions must be texts"),
        ({"model": "lenett"}, r"json: model must be one of .*, got 'lenett': did you mean lenet\?"),
        ({"model": "os.system"}, r"json: model must be one of .*, got 'os.system'$"),
        ({"model": "vgg"}, r"vgg\(classes=3, features=.* gives no network: features must be"),
        ({"arguments": {"x": 1}}, r"model: lenet\(x=1\) gives no network: TypeError: .*'x'"),
        ({"image_size": [8, 16]}, "has other arrays than its network: params.8_dense.w in float32"),
        ({"image_size": [2, 2]}, "model: lenet.* does not take images of 2x2x1: "),
        ({"classes": ["a"]}, r"must give 1 logits for each image, one per class, got shape \(2, 3"),
    ],
    ids=str,
)
def test_a_description_of_something_else_is_told(entries, message, folder):
    rewritten(folder, **entries)
    if message is None:
        assert jaxcnn.load(folder).normalisation == ((0.0,), (1.0,))
    else:
        refused(folder, message)


@pytest.mark.parametrize("entry", sorted(loading.ENTRIES - {"format"}))
def test_a_description_without_an_entry_is_told(entry, folder):
    path = folder / DESCRIPTION
    about = json.loads(path.read_text())
    del about[entry]
    path.write_text(json.dumps(about))
    refused(folder, f"is not of a model of jaxcnn: it has no {entry}")


def test_a_list_is_no_description(folder):
    (folder / DESCRIPTION).write_text("[1]")
    refused(folder, "it has no format number")


# Another model.


def test_a_network_of_ones_own_needs_its_function(own):
    refused(own, r"own has a network of its maker's own: pass model=, the function that builds it")
    refused(own, r"own: build\(width=4\) gives no network: what .* must be a Layer, got 3",
            model=lambda_named("build", lambda width: 3))  # fmt: skip
    refused(own, r"own: lenet\(width=4\) gives no network: TypeError", model=MODELS["lenet"])
    wider = lambda_named("wider", lambda width: build(width + 1))
    refused(own, "has other arrays than its network: params.0_conv.w in float32 of", model=wider)


def lambda_named(name, function):
    function.__name__ = name
    return function


def test_a_layer_in_the_place_of_its_function_is_told(own):
    with pytest.raises(ValueError, match=r"model must be a function that gives a Layer, .*lambda"):
        jaxcnn.load(own, build(4))


def test_a_given_function_is_taken_whatever_name_the_file_has(folder):
    def mine(**arguments):
        return MODELS["lenet"](**arguments)

    rewritten(folder, model="of yesterday")
    assert jaxcnn.load(folder, model=mine).classes == ("cat", "dog", "猫")


def test_nothing_is_imported_because_a_file_names_it(folder, tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("trap:build", "trap.build", "trap"):
        rewritten(folder, model=name)
        refused(folder, "model must be one of")
    assert "trap" not in sys.modules


def test_weights_with_numbers_that_are_not_finite_are_refused(folder):
    path = folder / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    rewritten(folder, weights={"sha256": sha256_of(path)})
    refused(folder, "is of no use: 1 of the .* numbers of params.8_dense.w are not finite")


# While another process replaces the model.


def test_weights_that_wait_for_their_place_are_read(folder):
    (folder / WEIGHTS).rename(folder / NEXT)
    for other in (None, b"earlier"):
        if other:
            (folder / WEIGHTS).write_bytes(other)
        assert jaxcnn.load(folder).params["0_conv"]["w"].shape == (5, 5, 1, 2)


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(folder, tmp_path, monkeypatch):
    """model.json is read, and both files are replaced before the weights are."""
    jaxcnn.save(tmp_path / "new", *arrays(2), **ABOUT)

    def read_and_replace(path):
        found = read_description(path)
        for name in (DESCRIPTION, WEIGHTS):
            shutil.copy(tmp_path / "new" / name, folder / name)
        return found

    monkeypatch.setattr(loading, "read_description", read_and_replace)
    found = jaxcnn.load(folder).params["0_conv"]["b"]
    np.testing.assert_array_equal(found, arrays(2)[0]["0_conv"]["b"])


def test_a_message_names_the_folder_as_it_was_given(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder / WEIGHTS).write_bytes(b"")
    refused("model", rf"^model{re.escape(os.sep)}model\.safetensors is not the file")
