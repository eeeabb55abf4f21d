"""The watchdog of the stress test: what it says of a process that hangs, dies or is
wrong, and that oneDNN passes."""

import pytest

from experiments import onednn_stress
from experiments.onednn_stress import Config, StressError, watched
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops.convolution.methods import LAX

pytestmark = pytest.mark.slow


@pytest.fixture
def bad(monkeypatch, tmp_path):
    """A process that runs this code instead."""

    def use(code):
        package = tmp_path / "experiments"
        package.mkdir()
        (package / "__init__.py").touch()
        drawn = 'def drawn(dtype, count, seed):\n    print(f"{count} a problem", flush=True)\n'
        calls = f"def calls(dtype, seconds):\n    {code}\n"
        (package / "onednn_stress.py").write_text(drawn + calls)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.chdir(tmp_path)

    return use


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "print(7); import time; time.sleep(60)",
            "hung: no call was done in 2 s, after 10 calls; .* was a problem",
        ),
        ("print(7); import os; os.kill(os.getpid(), 11)", "ended with status -11, after 10 calls"),
        ("raise ArithmeticError", "ended with status 1, after 3 calls"),
    ],
)
def test_a_bad_process_is_told(bad, code, says):
    bad(code)
    with pytest.raises(StressError, match=says):
        watched("float32", Config(drawn=3, seconds=1, silence=2))


ON_THIS_MACHINE = pytest.mark.skipif(
    "float32" not in certain_dtypes(), reason="oneDNN is not certain here"
)


@ON_THIS_MACHINE
def test_onednn_passes():
    config = Config(drawn=10, seconds=5, silence=120)
    assert watched("float32", config) >= 50 + 2 * onednn_stress.CALLS


@ON_THIS_MACHINE
def test_a_wrong_number_is_found(monkeypatch):
    results = onednn_stress.results

    def one_off(case, method, dtype):
        return {name: a + (method is LAX) for name, a in results(case, method, dtype).items()}

    monkeypatch.setattr(onednn_stress, "results", one_off)
    with pytest.raises(ArithmeticError, match="is not lax's"):
        onednn_stress.drawn("float32", 1, 0)
