"""The notebooks in docs/ run from top to bottom, each in a process and a folder of its
own, and are kept without outputs. What a notebook claims, its cells assert."""

import ast
import doctest
import os
import subprocess
import sys

import pytest

from docs.site import notebooks
from docs.site.pages import ROOT
from tests import compilation_cache

COMPILED = compilation_cache.variables()
NOTEBOOKS = sorted(notebooks.FOLDER.glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_runs(notebook, tmp_path):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "agg",
        "TMPDIR": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        **COMPILED,
    }
    words = [
        sys.executable,
        "-W",
        "error",
        "-W",
        compilation_cache.HALF_WRITTEN,
        "-m",
        "tests.notebooks",
        str(notebook),
    ]
    ran = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_is_kept_tidy(notebook):
    """Without outputs, and without magics, which are no Python."""
    text = notebook.read_text(encoding="utf-8")
    assert text == notebooks.tidied(text), "python -m docs.site.notebooks tidies it"
    cells = dict(notebooks.code_cells(text))
    parsed = [ast.parse(code) for code in cells.values()]
    assert len(parsed) == text.count('"execution_count"'), "two cells have one id"
    assert any(isinstance(node, ast.Assert) for cell in parsed for node in ast.walk(cell))


def test_outputs_are_dropped():
    kept = NOTEBOOKS[0].read_text(encoding="utf-8")
    ran = kept.replace('"outputs": []', '"outputs": [{"output_type": "stream", "text": ["7"]}]')
    ran = ran.replace('"execution_count": null', '"execution_count": 7')
    assert ran != kept
    assert notebooks.tidied(ran) == kept


def test_examples():
    tried = doctest.testmod(notebooks)
    assert tried.attempted and not tried.failed
