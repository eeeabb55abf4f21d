"""`jaxcnn tune`: which convolutions a network has, the file, and what obeys it."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn import layers
from jaxcnn.ops.convolution import methods
from jaxcnn.ops.convolution.methods import Method, Problem
from jaxcnn.ops.convolution.methods.tuning import described, with_default
from jaxcnn.programs.command import run
from jaxcnn.programs.tune.recording import Map, of_training
from jaxcnn.programs.tune.timing import times

pytestmark = pytest.mark.usefixtures("standard_promotion")

MODEL = layers.serial(
    layers.conv(4, 3, padding="same"),
    layers.conv(4, 3, padding="same", dilation=2),
    layers.conv(4, 3, padding="same", dilation=2),
)


def test_the_maps_of_a_network():
    """Each distinct one once."""
    found = of_training(MODEL, (2, 6, 5, 4), "bfloat16")
    assert sorted((m.name, m.problem.window.dilation[0]) for m in found) == [
        ("forward", 1),
        ("forward", 2),
        ("input_grad", 1),
        ("input_grad", 2),
        ("kernel_grad", 1),
        ("kernel_grad", 2),
    ]
    assert {m.dtype for m in found} == {"bfloat16"}


def choice(name, problem, method, dtype="float32"):
    return {"map": name, "dtype": dtype, "method": method, "problem": described(problem)}


def written(path, *choices):
    path.write_text(json.dumps({"choices": choices}))
    return path


def test_a_tuned_method_obeys_its_file(tmp_path, monkeypatch):
    """And takes the default for what is not in it: another map, shape or dtype."""
    problem = Problem.of((2, 6, 5, 4), (3, 3, 4, 4), padding=1)
    called = []

    def forward(x, w, problem):
        called.append(x.shape)
        return methods.LAX.forward(x, w, problem)

    monkeypatch.setitem(methods.METHODS, "LAX", methods.LAX._replace(forward=forward))
    method = methods.tuned(written(tmp_path / "tuned.json", choice("forward", problem, "lax")))
    conv = with_default(jaxcnn.conv, method)
    w = jnp.ones((3, 3, 4, 4))
    for shape, dtype in (((2, 6, 5, 4), "float32"), ((3, 6, 5, 4), "float32")):
        x = jnp.ones(shape, dtype)
        np.testing.assert_allclose(conv(x, w, padding=1), jaxcnn.conv(x, w, padding=1), rtol=1e-6)
    conv(jnp.ones(problem.x_shape, "bfloat16"), w.astype("bfloat16"), padding=1)
    conv(jnp.ones(problem.x_shape), w, padding=1, method=methods.NHWC)
    jax.grad(lambda x: conv(x, w, padding=1).sum())(jnp.ones(problem.x_shape))
    assert set(called) == {(2, 6, 5, 4)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no file of jaxcnn tune"),
        ("[]", "is no file of jaxcnn tune"),
        ('{"choices": [{"map": "forward"}]}', "is no file of jaxcnn tune"),
        (
            json.dumps({"choices": [choice("forward", Problem.of((1, 3, 1), (1, 1, 1)), "fft")]}),
            "names methods that are not here: FFT",
        ),
    ],
)
def test_wrong_files(tmp_path, text, says, capsys):
    path = tmp_path / "tuned.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        methods.tuned(path)
    assert run(["train", "--epochs", "1", "--tuned", str(path), "--output", f"{tmp_path}/run"]) == 2
    assert "--tuned: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["nowhere"], "MODEL must be one of"),
        (["lenet", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["lenet", "--output", "nowhere/tuned.json"], "--output must be a file in a folder that"),
        (["lenet", "--input-shape", "2", "2", "1"], "does not take images of 2x2x1"),
    ],
)
def test_wrong_options(options, says, capsys):
    assert run(["tune", *options]) == 2
    assert says in capsys.readouterr().err


def test_every_method_that_takes_a_map_is_timed():
    problem = Problem.of((1, 4, 4, 2), (1, 1, 2, 2), stride=2)
    seconds = times(Map("forward", problem, "float32"))
    assert {"LAX", "AUTO"} <= set(seconds) <= set(methods.METHODS)
    assert "SIDE_BY_SIDE" not in seconds  # it has no stride
    assert list(seconds.values()) == sorted(seconds.values())


@pytest.mark.slow
def test_a_network_is_tuned_and_trained(tmp_path, capsys):
    path = tmp_path / "tuned.json"
    words = ["cnn_basics", "--input-shape", "8", "8", "1", "--batch-size", "4"]
    assert run(["tune", *words, "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert "forward" in out and "kernel_grad" in out and f"{path}: " in out
    choices = json.loads(path.read_text())["choices"]
    assert {c["map"] for c in choices} == set(Method._fields)
    assert all("auto" in c["ms"] and c["method"] in c["ms"] for c in choices)
    assert isinstance(methods.tuned(path), Method)
    train = ["train", "--model", "cnn_basics", "--epochs", "1", "--tuned", str(path)]
    assert run([*train, "--output", str(tmp_path / "run")]) == 0
    assert Path(tmp_path / "run" / "model.safetensors").is_file()
