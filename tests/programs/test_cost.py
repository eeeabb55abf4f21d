"""`jaxcnn cost`: options, pairs, and what is printed and written. A CPU stands for the
device, so no compiler is needed."""

import json
import sys

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.models import lenet
from jaxcnn.ops import EXPLICIT
from jaxcnn.programs.cost import compiling, platforms, program
from jaxcnn.programs.cost.compiling import compared
from jaxcnn.programs.cost.operations import cases
from jaxcnn.programs.cost.pairs import Pair, operation_pair, own_pair, step_pair
from jaxcnn.programs.cost.program import command_line
from jaxcnn.programs.options import ConfigError

X = jax.ShapeDtypeStruct((8, 16), "float32")


@pytest.fixture
def on_cpu(monkeypatch):
    """This machine's CPU in the place of a device that is not there."""
    for module in (compiling, program):
        monkeypatch.setattr(module, "devices", lambda name, chips=1: jax.devices()[:chips])


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module with pairs of its own, in the current folder."""
    (tmp_path / "mine.py").write_text(
        "import jax.numpy as jnp\n"
        "def pair(): return jnp.sin, jnp.cos, (jnp.ones(3),)\n"
        "def raises(): raise RuntimeError('no pair')\n"
        "def one(): return jnp.sin\n"
        "def worse(): return (lambda x: (jnp.sin(x), x @ x)), jnp.sin, (jnp.ones((8, 8)),)\n"
        "def no_tuple(): return jnp.sin, jnp.cos, jnp.ones(3)\n"
    )
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


# Options.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--operations", "conv", "pool"], "--operations has pool; there are conv, convolve, "),
        (["--networks", "alexnet"], "--networks has alexnet; there are cnn_basics, lenet, "),
        (["--chips", "4"], "--chips must be left out without --networks, got one"),
        (["--batch-size", "8"], "--batch-size must be left out without --networks, got one"),
        (["--networks", "lenet", "--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--networks", "lenet", "--input-shape", "28"], "--input-shape must be positive sizes"),
        (["--networks", "lenet", "--chips", "4"], "--chips must be one of 1 on h100, got 4"),
        (["--operations", "relu", "--cases", "3x3"], "no case of relu has a name like '3x3'"),
        (["--output", "."], "--output must be a file, got ."),
        (["--pair", "math"], "--pair must name module:function, got 'math'"),
        (
            ["--networks", "lenet", "--input-shape", "2", "2", "1"],
            "lenet does not take images of 2x2x1: ",
        ),
    ],
)
def test_a_wrong_option_is_one_line(words, said, on_cpu, capsys):
    assert command_line(["--platform", "h100", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"jaxcnn cost: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("name", "extra"), [("h100", "cost-h100"), ("v5e", "cost-v5e")])
def test_a_missing_compiler_is_one_line_with_its_extra(name, extra, monkeypatch, capsys):
    monkeypatch.setattr(platforms, "find_spec", lambda module: None)
    assert command_line(["--platform", name]) == 1
    out, err = capsys.readouterr()
    title = platforms.PLATFORMS[name].title
    assert out == ""
    assert err == (
        f'jaxcnn cost: the compiler for {title} is missing: pip install "jaxcnn[{extra}]"\n'
    )


def test_a_compiler_that_does_not_start_is_one_line(monkeypatch, capsys):
    def broken(chips):
        raise RuntimeError("wrong version")

    monkeypatch.setattr(platforms, "find_spec", lambda module: "there")
    monkeypatch.setitem(
        platforms.PLATFORMS, "h100", platforms.PLATFORMS["h100"]._replace(describe=broken)
    )
    assert command_line(["--platform", "h100"]) == 1
    assert "does not start: wrong version; it must be of jax" in capsys.readouterr().err


# Pairs.


def test_every_operation_has_a_case():
    assert {case.operation for case in cases()} == set(EXPLICIT._fields)
    assert [case.operation for case in cases(["tanh"])] == ["tanh"]
    assert [case.name for case in cases(["max_pool"], "3x3 *")] == ["3x3 stride 2", "3x3 stride 1"]


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.operation} {c.name}") for c in cases()])
def test_both_sides_of_an_operation_have_the_same_results(case):
    pair = operation_pair(case)
    found = [jax.eval_shape(side, *pair.args) for side in (pair.explicit, pair.plain)]
    assert jax.tree.structure(found[0]) == jax.tree.structure(found[1])
    assert [a.shape for a in jax.tree.leaves(found[0])] == [
        a.shape for a in jax.tree.leaves(found[1])
    ]


def test_a_step_has_labels_for_its_logits_and_splits_the_batch():
    pair = step_pair("LeNet", lenet(), (28, 28, 1), 32)
    state, x, labels = pair.args
    assert (x.shape, labels.shape, pair.split) == ((32, 28, 28, 1), (32,), (1, 2))
    new, metrics = jax.eval_shape(pair.explicit, *pair.args)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert metrics["loss"].shape == ()


def test_a_pair_of_ones_own(own_module):
    pair = own_pair("mine:pair")
    assert (pair.explicit, pair.plain, pair.kind) == (jnp.sin, jnp.cos, "own")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "--pair: mine:raises raises RuntimeError: no pair"),
        ("one", "must return (explicit, plain, args), two functions and a tuple; it returns a"),
        ("no_tuple", "write (x,) for one argument"),
        ("missing", "has no function 'missing'"),
    ],
)
def test_a_wrong_pair_of_ones_own(name, said, own_module):
    with pytest.raises(ConfigError) as raised:
        own_pair(f"mine:{name}")
    assert said in str(raised.value)


# Compiling, printing, writing.


def test_the_figures_of_a_pair(on_cpu):
    pair = Pair("a", "own", lambda x: (x @ x.T, jnp.sin(x)), jnp.sin, (X,))
    row = compared(pair, "h100")
    assert row["pair"] == "a"
    assert row["explicit"]["kernels"] > row["plain"]["kernels"] == 1
    assert row["plain"]["scatters"] == 0
    assert row["plain"]["bytes_moved"] >= 2 * 8 * 16 * 4
    json.dumps(row, allow_nan=False)


def test_what_goes_wrong_with_one_side_stays_in_its_row(on_cpu):
    def raises(x):
        raise ValueError("no such gradient")

    row = compared(Pair("a", "own", jnp.sin, raises, (X,)), "h100")
    assert row["plain"] == {"error": "ValueError: no such gradient"}
    assert row["explicit"]["kernels"] == 1


def test_the_table_and_the_file(on_cpu, tmp_path, capsys):
    file = tmp_path / "new" / "costs.json"
    words = ["--platform", "h100", "--operations", "relu", "--output", str(file)]
    assert command_line(words) == 0
    printed = capsys.readouterr().out
    assert "Compiled for H100, 1 chip: plain JAX" in printed
    assert "relu, 28x28" in printed
    assert "1 pair, limits met by 1" in printed
    report = json.loads(file.read_text())
    assert report["environment"]["command"].startswith("jaxcnn cost --platform h100")
    assert [row["pair"] for row in report["rows"]] == ["relu, 28x28"]


@pytest.mark.parametrize(("flag", "status"), [([], 0), (["--limits"], 1)])
def test_the_status_says_whether_limits_are_exceeded(flag, status, on_cpu, own_module, capsys):
    assert command_line(["--platform", "h100", "--pair", "mine:worse", *flag]) == status
    assert "limits met by 0" in capsys.readouterr().out


# With the compilers, where they are installed.


@pytest.mark.parametrize("name", platforms.PLATFORMS)
def test_max_pooling_keeps_its_limits_on_the_platform(name):
    try:
        platforms.devices(name)
    except platforms.MissingCompilerError as error:
        pytest.skip(str(error))
    case = next(case for case in cases(["max_pool"]) if case.name == "3x3 stride 1")
    row = compared(operation_pair(case), name)
    assert platforms.PLATFORMS[name].one_pass == (name == "v5e")
    assert program.exceeded(row) == []
