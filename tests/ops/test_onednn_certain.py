"""Where oneDNN is called: the switch, the list of jaxlibs, verdicts, and processors
that are held to less than they have."""

import json
import os
import subprocess
import sys
import warnings

import jaxlib
import pytest

import jaxcnn
from jaxcnn.ops._onednn import certain, processor
from jaxcnn.programs.command import run
from jaxcnn.programs.onednn import program
from tests import compilation_cache

THERE = processor.certain_dtypes()
COMPILED = compilation_cache.variables()
"""For what the table's convolutions are compared with, which does not call oneDNN."""
ON_THIS_MACHINE = pytest.mark.skipif(not THERE, reason="no Linux on x86 with AVX2")


@pytest.fixture
def nothing_known(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    certain.certain_dtypes.cache_clear()
    yield
    monkeypatch.undo()
    certain.certain_dtypes.cache_clear()


def keep_verdict(*dtypes):
    file = certain.verdicts_file()
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({certain.key(): dtypes}))
    certain.certain_dtypes.cache_clear()


@ON_THIS_MACHINE
def test_a_jaxlib_on_the_list_is_taken(nothing_known, monkeypatch):
    monkeypatch.setattr(certain, "TESTED", (jaxlib.__version__,))
    assert certain.certain_dtypes() == THERE


@ON_THIS_MACHINE
def test_another_one_is_named_once(nothing_known, monkeypatch):
    monkeypatch.setattr(certain, "TESTED", ())
    with pytest.warns(UserWarning, match="jaxcnn onednn --probe"):
        assert certain.certain_dtypes() == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert certain.certain_dtypes() == ()


@ON_THIS_MACHINE
def test_a_verdict_counts_more_than_the_list(nothing_known, monkeypatch):
    monkeypatch.setattr(certain, "TESTED", ())
    keep_verdict("float32", "float64")
    assert certain.certain_dtypes() == ("float32",)
    certain.verdicts_file().write_text(json.dumps({certain.key(): []}))
    certain.certain_dtypes.cache_clear()
    monkeypatch.setattr(certain, "TESTED", (jaxlib.__version__,))
    assert certain.certain_dtypes() == ()


@pytest.mark.parametrize("text", ["", "[]", "{", '"a"'])
def test_a_broken_file_of_verdicts_is_none(nothing_known, text):
    keep_verdict()
    certain.verdicts_file().write_text(text)
    assert certain.read_verdicts() == {}


def child(code, **variables):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **variables}
    words = [sys.executable, "-c", code]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)


FORWARD = """
import jaxcnn
print(jaxcnn.explain_conv((8, 28, 28, 64), (3, 3, 64, 64), platform="cpu")["forward"].name)
"""


def test_the_switch():
    assert child(FORWARD, JAXCNN_ONEDNN="0").stdout.strip() != "onednn"
    if "float32" in certain.certain_dtypes():
        assert child(FORWARD, JAXCNN_ONEDNN="1").stdout.strip() == "onednn"
    wrong = child(FORWARD, JAXCNN_ONEDNN="yes")
    assert wrong.stderr.splitlines()[-1] == (
        "ValueError: the variable JAXCNN_ONEDNN must be 0 or 1, got 'yes'"
    )


def test_a_compilation_cache_is_no_trouble(tmp_path):
    """XLA cannot keep such a program; that is not worth a warning."""
    code = """
import jax, jax.numpy as jnp, jaxcnn
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
x = jnp.ones((1, 6, 6, 8))
run = jax.jit(lambda x, w: jaxcnn.conv(x, w, method=jaxcnn.methods.ONEDNN))
print(run(x, jnp.ones((3, 3, 8, 8))).sum())
"""
    done = child(code, JAX_COMPILATION_CACHE_DIR=str(tmp_path))
    assert (done.stdout.strip(), done.stderr) == ("9216.0", "")


@pytest.mark.slow
@pytest.mark.skipif(
    not processor.flags_of(processor.CPUINFO) >= processor.AVX512,
    reason="without AVX-512 these limits take nothing away: the probe's test has the table",
)
@pytest.mark.parametrize("limit", ["AVX2", "AVX512_CORE"])
def test_no_process_dies(limit):
    """The table of cases, in every dtype that is certain under the limit."""
    code = """
from jaxcnn.ops._onednn.processor import certain_dtypes
from jaxcnn.programs.onednn.trial import main
print({dtype: main(dtype) for dtype in certain_dtypes()})
"""
    done = child(code, ONEDNN_MAX_CPU_ISA=limit, **COMPILED)
    assert done.returncode == 0, done.stderr
    assert "float32" in done.stdout


@pytest.mark.slow
@ON_THIS_MACHINE
def test_the_probe_keeps_its_verdict(nothing_known, monkeypatch, capsys):
    """It computes the table of cases without a limit."""
    monkeypatch.setattr(certain, "TESTED", ())
    for name, value in COMPILED.items():
        monkeypatch.setenv(name, value)
    assert run(["onednn", "--probe"]) == 0
    printed = capsys.readouterr().out
    there = processor.certain_dtypes()
    assert "float32" in there and all(f"{dtype}: good" in printed for dtype in there)
    assert certain.certain_dtypes() == there


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os; os.kill(os.getpid(), 4)", "it died of signal 4"),
        ("import time; time.sleep(60)", "it was not done after 1 s"),
        ("raise ArithmeticError('y is wrong')", "it failed: ArithmeticError: y is wrong"),
        ("print(8)", ""),
    ],
)
def test_what_a_bad_trial_says(monkeypatch, tmp_path, code, expected):
    (tmp_path / "trial.py").write_text(code)
    monkeypatch.setattr(program, "TRIAL", "trial")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert program.trial("float32", 1 if "sleep" in code else 60) == expected


def test_what_computes_depends_on_the_dtype():
    options = {"platform": "cpu", "padding": 1}
    shapes = ((8, 28, 28, 64), (3, 3, 64, 64))
    names = [
        jaxcnn.explain_conv(*shapes, dtype=dtype, **options)["forward"].name
        for dtype in ("float32", "float64")
    ]
    assert names == ["onednn" if "float32" in certain.certain_dtypes() else names[0], names[1]]
    assert names[1] != "onednn"
