"""The yardstick: its networks are the same in jaxcnn and in PyTorch, a measurement is a
line of JSON, and tables and targets are made of such lines."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.benchmark.agreement import DisagreementError
from experiments.benchmark.networks import CLASSES, PAPERS, YARDSTICK, Network, positions
from experiments.benchmark.yardstick import jax_parts, measure, program
from experiments.benchmark.yardstick.tables import said, tables, verdicts
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.plain import PLAIN

SMALL = {
    "convnext": (32, 32, 3),
    "dcgan": (1, 1, 100),
    "densenet": (8, 8, 3),
    "efficientnet": (32, 32, 3),
    "inception": (32, 32, 3),
    "resnext": (8, 8, 64),
    "squeezenet": (64, 64, 3),
    "textcnn": (9, 300),
    "unet": (16, 16, 1),
    "video": (4, 16, 16, 3),
    "wavenet": (40, 1),
    "wide_resnet": (8, 8, 3),
}
"""Small images for each network."""


def params_and_x(name, batch=3):
    """Moved parameters, so that biases and scales tell more."""
    model = YARDSTICK[name].model(CLASSES)
    rng = np.random.default_rng(0)
    shape = (batch, *SMALL[name])
    shapes, state = jax.eval_shape(lambda key: model.init(key, shape), jax.random.key(0))

    def draw(p):
        fan_in = max(1, int(np.prod(p.shape[:-1])))
        return np.float32(1 * (p.ndim == 1)) + rng.standard_normal(p.shape, np.float32) / np.sqrt(
            fan_in
        ).astype(np.float32)

    state = jax.tree.map(lambda s: np.ones(s.shape, np.float32), state)
    return model, jax.tree.map(draw, shapes), state, rng.standard_normal(shape, np.float32)


@pytest.mark.parametrize("name", PAPERS)
def test_a_network_is_the_same_in_pytorch(name):
    torch = pytest.importorskip("torch")
    torch_parts = pytest.importorskip(
        "experiments.benchmark.yardstick.torch_parts", exc_type=ImportError
    )
    model, params, state, x = params_and_x(name)
    apply = jax.jit(lambda params, x: model.apply(params, state, x, train=True, ops=PLAIN)[0])
    theirs = torch_parts.Network(PAPERS[name][1].network(torch_parts, CLASSES), params)
    with torch.no_grad():
        logits = theirs(torch_parts.channels_last(torch.tensor(x).movedim(-1, 1))).movedim(1, -1)
    ours = apply(params, x)
    assert ours.shape[-1] == CLASSES
    np.testing.assert_allclose(logits, ours, rtol=2e-3, atol=2e-3 * float(jnp.abs(ours).max()))
    assert len(list(theirs.parameters())) == len(jax.tree.leaves(params))


def test_labels_have_the_positions_of_logits():
    assert positions("unet") == (96, 96)
    assert positions("wavenet") == (4000,)
    assert positions("lenet") == positions("video") == ()


@pytest.mark.parametrize("ops", [AUTODIFF, PLAIN], ids=["autodiff", "plain"])
def test_the_transposed_convolution_and_its_gradients(ops):
    """By explicit rules and by JAX's derivatives of the convolution."""
    layer = jax_parts.transposed(3, 4, stride=2, padding=1)
    params, _ = layer.init(jax.random.key(0), (2, 3, 3, 5))
    x = jax.random.normal(jax.random.key(1), (2, 3, 3, 5))

    def loss(ops, params, x):
        return jnp.sum(jnp.sin(layer.apply(params, {}, x, ops=ops)[0]))

    ours, other = (
        jax.jit(jax.value_and_grad(partial(loss, ops), (0, 1)))(params, x)
        for ops in (EXPLICIT, ops)
    )
    assert layer.apply(params, {}, x)[0].shape == (2, 6, 6, 3)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), ours, other)


# Measuring.


def test_a_measurement(monkeypatch):
    """Of a tiny network."""

    def network(nn, classes):
        return nn.serial(nn.conv(2, 3), nn.relu(), nn.mean(), nn.dense(classes))

    tiny = Network("tiny", partial(network, jax_parts), 4, (5, 5, 1))
    monkeypatch.setitem(YARDSTICK, "tiny", tiny)
    monkeypatch.setitem(PAPERS, "tiny", ("tiny", SimpleNamespace(network=network)))
    monkeypatch.setattr(measure, "in_a_process", lambda *_: {"steps_bytes": 7})
    row = measure.measure("tiny", "bfloat16", 6)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert list(row["ms"])[:3] == list(measure.COLUMNS)
    assert all(ms > 0 for ms in (*row["ms"].values(), *row["alone_ms"].values()))
    assert row["scan"]["plain_ms"] > 0
    assert tables([{**row, **environment()}])[0].row_count == 1


def test_columns_that_disagree():
    """Only PyTorch in 16 bits may be wrong. It is not timed then."""
    losses = {"plain": 2.0, "explicit": 2.001, "pytorch": 2.0}
    assert measure.compare(losses, "video", "bfloat16") == []
    for wrong in (1e25, float("nan")):
        losses["pytorch"] = wrong
        assert measure.compare(losses, "video", "bfloat16") == ["pytorch"]
        with pytest.raises(DisagreementError, match="the loss of pytorch"):
            measure.compare(losses, "video", "float32")
    with pytest.raises(DisagreementError, match="the loss of explicit"):
        measure.compare(losses | {"explicit": 1.0}, "video", "bfloat16")
    assert measure.compare({"plain": 2.0, "explicit": 2.0}, "video", "float32") == []
    line = said(row("video", "bfloat16", disagrees=["pytorch"]))
    assert line.endswith("; pytorch computes something else")


def environment():
    return {"features": ["avx2"], "cores": 2, "machine": "x86_64", "jax": "0.10.2"}


def row(network, dtype, **changed):
    """A line of results, of round numbers."""
    times = {"plain": 8.0, "option": 4.0, "explicit": 2.0, "pytorch": 3.0}
    times |= changed.pop("ms", {})
    return {
        "network": network,
        "dtype": dtype,
        "ms": times,
        "alone_ms": times,
        "ratios": {
            f"{name}/explicit": {"median": ms / times["explicit"]}
            for name, ms in times.items()
            if name != "explicit"
        },
        "compile_seconds": {"plain": 2.0, "explicit": 3.0},
        "scan": {
            "plain_ms": 50.0,
            "explicit_ms": 2.1,
            "explicit_over_one_by_one": {"median": 1.05},
        },
        "memory_bytes": {"plain": 100, "explicit": 100},
        "disagrees": [],
        **environment(),
        **changed,
    }


def test_targets_that_are_met():
    rows = [row(network, dtype) for network in ("unet", "lenet") for dtype in measure.TOLERANCES]
    found = list(verdicts(rows))
    assert len(found) == 8
    assert all(verdict.met for verdict in found), found


@pytest.mark.parametrize(
    ("changed", "subject"),
    [
        ({"ms": {"pytorch": 1.6}}, "float32: pytorch / explicit"),
        ({"ms": {"plain": 1.8}}, "float32: plain / explicit"),
        ({"ms": {"explicit": 1.8}}, "explicit: float32 / bfloat16"),
        ({"compile_seconds": {"plain": 1.0, "explicit": 1.6}}, "compile time, explicit / plain"),
        ({"memory_bytes": {"plain": 100, "explicit": 102}}, "peak memory, explicit / plain"),
        (
            {"scan": {"explicit_over_one_by_one": {"median": 1.2}}},
            "explicit in a scan / one by one",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_target_that_is_missed(changed, subject):
    rows = [row("unet", "float32", **changed), row("unet", "bfloat16"), row("lenet", "float32")]
    assert subject in [verdict.subject for verdict in verdicts(rows) if not verdict.met]


def test_the_last_line_of_a_network_counts(tmp_path, capsys):
    lines = [row("unet", "float32"), row("unet", "float32", ms={"explicit": 1.25})]
    other = row("unet", "float32", features=[])
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, other]))
    found = tables(program.read(path))
    assert [table.row_count for table in found[::2]] == [1, 1], "two machines"
    Console(width=300).print(found[0])
    text = capsys.readouterr().out
    assert "1.2" in text
    assert "U-Net, float32" in text


def test_the_tables_go_into_the_page(tmp_path):
    results, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text(json.dumps(row("unet", "float32")) + "\n")
    page.write_text("before\n<!-- yardstick -->\nold\n<!-- /yardstick -->\nafter\n")
    program.main(program.Config(table=True, results=results, page=page))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "| U-Net, float32 |" in text and "old" not in text
    with pytest.raises(ConfigError, match=r"--page .*none.md cannot take the table"):
        program.main(program.Config(table=True, results=results, page=tmp_path / "none.md"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": ("vgg",)}, "networks are lenet, .*, got vgg"),
        ({"dtypes": ("float16",)}, "--dtypes has float16; there are float32, bfloat16"),
        ({"repetitions": 5}, "--repetitions must be at least 6, got 5"),
    ],
    ids=["network", "dtype", "repetitions"],
)
def test_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        program.check(program.Config(**options))


def test_no_results(tmp_path):
    with pytest.raises(ConfigError, match="--results must be a file"):
        program.read(tmp_path / "none.jsonl")
