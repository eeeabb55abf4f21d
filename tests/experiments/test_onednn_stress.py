"""The watchdog of the stress test: what it says of a process that hangs, dies or is
wrong, and that oneDNN passes."""

import pytest

from experiments import onednn_stress
from experiments.onednn_stress import StressError, watched
from jaxcnn.ops._onednn.certain import certain_dtypes

pytestmark = pytest.mark.slow


@pytest.fixture
def bad(monkeypatch, tmp_path):
    """A process that runs this code instead."""

    def use(code):
        package = tmp_path / "experiments"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "onednn_stress.py").write_text(f"def calls(dtype, seconds):\n    {code}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.chdir(tmp_path)

    return use


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("print(7); import time; time.sleep(60)", "hung: no call was done in 2 s, after 7 calls"),
        ("print(7); import os; os.kill(os.getpid(), 11)", "ended with status -11, after 7 calls"),
        ("raise ArithmeticError", "ended with status 1, after 0 calls"),
    ],
)
def test_a_bad_process_is_told(bad, code, says):
    bad(code)
    with pytest.raises(StressError, match=says):
        watched("float32", 1, 2)


@pytest.mark.skipif("float32" not in certain_dtypes(), reason="oneDNN is not certain here")
def test_onednn_passes():
    assert watched("float32", 5, 120) >= 2 * onednn_stress.CALLS
