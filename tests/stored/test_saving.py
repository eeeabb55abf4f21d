"""Models written to folders: what is in them, and that each moment has a whole
model."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.stored import files, saving
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.saving import DESCRIPTION, WEIGHTS
from tests.stored._models import ABOUT, OWN, arrays, build, own_arrays

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "model"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(found, params, state) -> bool:
    jax.tree.map(np.testing.assert_array_equal, (found.params, found.state), (params, state))
    return True


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
    ],
    ids=["none: the channels are the params'", "dict", "NumPy's", "numbers"],
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


# What is refused, before anything is written.


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
    ids=str,
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


# Where it is written.


def test_a_folder_that_holds_something_is_refused_and_replaced_on_demand(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"must be new or empty: .* holds notes.txt; pass overwri"):
        jaxcnn.save(folder, *arrays(), **ABOUT)
    assert sorted(content(folder)) == ["notes.txt"]
    for seed in (1, 2):
        jaxcnn.save(folder, *arrays(seed), **ABOUT, overwrite=True)
        assert sorted(content(folder)) == [DESCRIPTION, WEIGHTS, "notes.txt"]
        assert same(jaxcnn.load(folder), *arrays(seed))
    with pytest.raises(ValueError, match=r"holds model.json and 2 more"):
        jaxcnn.save(folder, *arrays(), **ABOUT)


def test_folders_above_are_made_and_an_empty_one_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    inode = (tmp_path / "empty").stat().st_ino
    for folder in (tmp_path / "a" / "b" / "c", tmp_path / "empty"):
        jaxcnn.save(folder, *arrays(), **ABOUT)
        assert same(jaxcnn.load(folder), *arrays())
    assert (tmp_path / "empty").stat().st_ino == inode, "it may be where a disk is mounted"


def test_a_file_in_the_place_of_the_folder_is_refused(folder):
    folder.write_text("mine")
    with pytest.raises(ValueError, match="is no folder"):
        jaxcnn.save(folder, *arrays(), **ABOUT, overwrite=True)
    assert folder.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named():
    with pytest.raises(OSError, match="'/proc/self/model'"):
        jaxcnn.save("/proc/self/model", *arrays(), **ABOUT)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_leaves_what_was_there(overwrite, folder, monkeypatch):
    """The disk fills up while model.json is written."""
    if overwrite:
        jaxcnn.save(folder, *arrays(1), **ABOUT)
    else:
        folder.mkdir()
    earlier = content(folder)

    def full(path, write):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(saving, "write_whole", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*model\.json'"):
        jaxcnn.save(folder, *arrays(2), **ABOUT, overwrite=overwrite)
    with pytest.raises(OSError, match=r"No space left on device"):
        jaxcnn.save(folder.with_name("new"), *arrays(2), **ABOUT)
    assert content(folder) == earlier
    assert list(folder.parent.iterdir()) == [folder]


# Each moment has a whole model, or none.


def moments(folder: Path, monkeypatch, write) -> list[Path]:
    """Copies of the folder's parent before and after each renaming that `write` does:
    what a loss of power can leave."""
    copies: list[Path] = []

    def copied(function):
        def renamed(self, target):
            for action in (lambda: None, lambda: function(self, target)):
                action()
                copies.append(folder.parent.with_name(f"copy{len(copies)}"))
                shutil.copytree(folder.parent, copies[-1])
            return Path(target)

        return renamed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", copied(Path.replace))
        patched.setattr(Path, "rename", copied(Path.rename))
        write()
    return copies


def test_each_moment_of_replacing_a_model_has_the_earlier_or_the_new_one(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "model"
    jaxcnn.save(folder, *arrays(1), **ABOUT)
    found = []
    for copy in moments(
        folder,
        monkeypatch,
        lambda: jaxcnn.save(folder, *arrays(2), **ABOUT, overwrite=True),
    ):
        weight = jaxcnn.load(copy / "model").params["0_conv"]["b"]
        found.append(next(n for n in (1, 2) if (weight == arrays(n)[0]["0_conv"]["b"]).all()))
    assert found == [1, 1, 1, 2, 2, 2], "weights, then model.json, which decides"
    assert sorted(content(folder)) == [DESCRIPTION, WEIGHTS]


def test_each_moment_of_a_new_folder_has_no_model_or_all_of_it(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "model"
    folder.parent.mkdir()
    there = []
    for copy in moments(folder, monkeypatch, lambda: jaxcnn.save(folder, *arrays(), **ABOUT)):
        there.append((copy / "model").exists())
        if there[-1]:
            assert same(jaxcnn.load(copy / "model"), *arrays())
    assert there == [False] * 5 + [True]


def test_each_moment_of_a_training_runs_folder_has_no_model_or_all_of_it(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    jaxcnn.save(tmp_path / "other", *arrays(), **ABOUT)
    about = jaxcnn.load(tmp_path / "other").description
    found = []
    for copy in moments(folder, monkeypatch, lambda: saving.write_model(folder, *arrays(), about)):
        try:
            found.append(same(jaxcnn.load(copy / "run"), *arrays()))
        except StoredError as error:
            found.append(str(error).partition("holds no model: ")[2].partition(";")[0])
    assert found == [
        "it has no model.json",
        "it has model.safetensors alone",
        "it has model.safetensors alone",
        True,
    ]
    assert content(folder) == content(tmp_path / "other")


KILLED = """
import sys
sys.path.insert(0, {root!r})
import jaxcnn
from tests.stored._models import ABOUT, arrays

print("begun", flush=True)
for seed in range(1, 10_000):
    jaxcnn.save({folder!r}, *arrays(seed), **ABOUT, overwrite=True)
"""


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_a_whole_model(folder):
    """At random moments, in a process that writes one model after another."""
    jaxcnn.save(folder, *arrays(0), **ABOUT)
    random = np.random.default_rng()
    program = KILLED.format(root=str(ROOT), folder=str(folder))
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "begun\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(random.uniform(1, 3))
            child.send_signal(signal.SIGKILL)
        assert jaxcnn.load(folder).classes == ("cat", "dog", "猫")


def test_files_reach_the_disk_before_they_have_their_names(folder, monkeypatch):
    done = []
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: done.append("kept"))
    for name in ("replace", "rename"):
        function = getattr(Path, name)
        monkeypatch.setattr(
            Path, name, lambda self, to, f=function: (done.append(Path(to).name), f(self, to))[1]
        )
    jaxcnn.save(folder, *arrays(), **ABOUT)
    names = [each for each in done if each != "kept"]
    assert names == [WEIGHTS, DESCRIPTION, "model"]
    assert all(done[done.index(name) - 1] == "kept" for name in names)
    assert done[-1] == "kept"
