"""`jaxcnn export`: a file that runs without this package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jax import export as jax_export
from stored_runs import build, write_run

import jaxcnn
from jaxcnn.programs.export import program
from jaxcnn.programs.export.program import ExportError, command_line, exported
from tests.stored._stored_models import ABOUT, arrays, images

GUIDE = Path(__file__).parents[2] / "docs" / "training.md"
MODEL = ("--model", "stored_runs:build")

ELSEWHERE = """
import sys

sys.modules["jaxcnn"] = None  # any import of it is an error
import numpy as np
from jax import export

program = export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
assert program.platforms == ("cpu", "cuda", "tpu")
for count in (1, 3):
    images = np.load(f"images{count}.npy")
    probabilities = program.call(images)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (count, 3))
    np.testing.assert_allclose(probabilities, np.load(f"wanted{count}.npy"), rtol=1e-4, atol=1e-6)
print("called")
"""


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.mark.parametrize("kind", ["tiny", pytest.param("lenet", marks=pytest.mark.slow)])
def test_the_file_runs_in_a_process_that_cannot_import_this_package(kind, run, tmp_path):
    if kind == "tiny":
        stored, words = jaxcnn.load(run, model=build), [str(run), *MODEL]
    else:
        jaxcnn.save(tmp_path / "lenet", *arrays(), **ABOUT | {"mirror": True})
        stored, words = jaxcnn.load(tmp_path / "lenet"), [str(tmp_path / "lenet")]
    assert command_line([*words, str(tmp_path / "pets.jax")]) == 0
    for count in (1, 3):
        np.save(tmp_path / f"images{count}.npy", images(count))
        np.save(tmp_path / f"wanted{count}.npy", stored.predict(images(count)))
    result = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "pets.jax"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "called\n")


@pytest.mark.slow
def test_the_three_lines_of_the_guide(run, tmp_path):
    """As they are printed, where images and nothing of this package are there."""
    (lines,) = re.findall(r"^```py\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert len([line for line in lines.splitlines() if line]) == 3
    assert command_line([str(run), str(tmp_path / "pets.jax"), *MODEL]) == 0
    np.save(tmp_path / "images.npy", images(5))
    before = (
        "import sys, numpy as np\nsys.modules['jaxcnn'] = None\nimages = np.load('images.npy')\n"
    )
    after = "np.save('found.npy', probabilities)\n"
    subprocess.run([sys.executable, "-c", before + lines + after], cwd=tmp_path, check=True)
    wanted = jaxcnn.load(run, model=build).predict(images(5))
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), wanted, rtol=1e-5, atol=1e-7)


def test_what_is_written_and_said(run, tmp_path, capsys):
    file = tmp_path / "pets.jax"
    assert command_line([str(run), str(file), *MODEL]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets.jax", "pets.jax.mlir", "run"]
    text = (tmp_path / "pets.jax.mlir").read_text()
    assert text.startswith("module @jit_probabilities")
    assert "tensor<?x8x8x1xui8>" in text
    assert b".py" not in file.read_bytes(), "no path of this machine"
    assert ".py" not in text
    printed = capsys.readouterr().out
    assert f"{file}: " in printed
    assert "uint8 images (b, 8, 8, 1) -> float32 probabilities (b, 3)" in printed
    assert jax_export.deserialize(bytearray(file.read_bytes())).in_avals[0].dtype == np.uint8


def test_files_that_exist_are_kept_unless_they_are_to_be_replaced(run, tmp_path, capsys):
    file = tmp_path / "pets.jax"
    for name in ("pets.jax.mlir", "pets.jax"):
        (tmp_path / name).write_text("mine")
        assert command_line([str(run), str(file), *MODEL]) == 2
        assert f"{name} exists already: pass --overwrite" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
    assert command_line([str(run), str(file), *MODEL, "--overwrite"]) == 0
    assert file.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "none/pets.jax"], "FILE must be in a folder that exists, got none/pets.jax"),
        (["run", "run"], "FILE must be a file, and run is a folder"),
        (["none", "pets.jax"], "none is not there: a folder with model.json is needed"),
        (["run", "pets.jax"], "has a network of its maker's own: pass --model module:function"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line_and_status_2(words, message, run, capsys, monkeypatch):
    monkeypatch.chdir(run.parent)
    assert command_line(words) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_file_that_computes_something_else_is_not_written(run, tmp_path, capsys, monkeypatch):
    stored = jaxcnn.load(run, model=build)
    content = bytes(exported(stored).serialize())
    assert program.compared(stored, content) < 1e-6
    other = write_run(tmp_path / "other", normalisation=([0.1], [0.5]))
    with pytest.raises(ExportError, match="gives other probabilities than the model"):
        program.compared(jaxcnn.load(other, model=build), content)
    monkeypatch.setattr(program, "LARGEST_DIFFERENCE", -1)
    assert command_line([str(run), str(tmp_path / "pets.jax"), *MODEL]) == 1
    assert not (tmp_path / "pets.jax").exists()
    assert "they differ by up to" in capsys.readouterr().err
