"""The README's examples run as they are printed, one after the other."""

import re
from pathlib import Path

import jax

README = Path(__file__).parent.parent / "README.md"


def test_examples(capsys):
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) == 2
    names: dict = {}
    with jax.numpy_dtype_promotion("standard"):  # JAX's default, which optax relies on
        exec(compile("\n".join(examples), str(README), "exec"), names)
    assert names["dx"].shape == names["x"].shape
    assert names["dw"].shape == names["w"].shape
    assert names["db"].tolist() == [32 * 36] * 4
    field = names["fields"]["2_max_pool"]
    assert (field.size, field.stride, field.padding) == ((4, 4), (2, 2), (1, 1))
    printed = capsys.readouterr().out
    assert int(names["state"].step) == 300
    assert float(printed.splitlines()[0]) > 0.85, "digits that it was not trained on"
    assert "FAIL" not in printed
    assert "ok   integers     w" in printed
    assert names["certificate"].label == "biased"
    assert names["certificate"].passed
    assert "cosine 0.8" in printed.splitlines()[-1]
