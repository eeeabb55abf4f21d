"""`jaxcnn receptive-field module:function`: what it prints, draws and refuses."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.image import imread

from jaxcnn.programs.receptive_field import function
from jaxcnn.programs.receptive_field.function_picture import function_picture
from jaxcnn.programs.receptive_field.program import PICTURE, command_line

MODULE = "functions_of_a_person"
CODE = """
import jax
import jax.numpy as jnp
from jax import lax

def atrous(x, w):
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (2, 2), "SAME", rhs_dilation=(2, 2),
                                    dimension_numbers=names)

def line(x):
    return jnp.cumsum(x, 1)

def volume(x):
    return x + jnp.roll(x, 1, 1)

def pooled(x):
    return x.max((1, 2))

def build():
    return line

def needs_a_size(size):
    return line

def pair(x):
    return x, x

def flat(x):
    return jnp.where(x > 1e9, x, 0.0)

def blurred(x):
    return (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4

def squared(x):
    return x * x + jnp.roll(x, 1, 1)

def largest(x):
    return jnp.argmax(x, -1)

def root(x):
    return jnp.sqrt(x)

@jax.custom_vjp
def leaking(x):
    return 2 * x

leaking.defvjp(lambda x: (2 * x, x.shape), lambda shape, dy: (jnp.full(shape, dy.sum()),))

number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield tmp_path
    sys.modules.pop(MODULE, None)


def rows(printed):
    return [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in printed.splitlines()
        if "│" in line
    ]


def test_a_function_is_printed_and_drawn(here, capsys):
    words = [f"{MODULE}:atrous", "--shapes", "1x18x13x3", "3x3x3x2", "--probes", "5"]
    assert command_line(words) == 0
    printed = capsys.readouterr().out
    assert rows(printed) == [
        ["0", "5", "2", "1", "4", "7 to 11", "9", "3 to 5"],
        ["1", "5", "2", "2", "3", "4 to 8", "6", "2 to 4"],
    ]
    assert "output 4, 3 sees 9 of 234 input positions, with 16 holes in 5x5" in printed
    assert "NaN and other numbers at 5 of 234 input positions: they reach what is" in printed
    assert "no effective field: it is of one array alone: close over the parameters" in printed
    picture = here / "runs" / f"receptive_field-{MODULE}-atrous" / PICTURE
    assert list(picture.parent.iterdir()) == [picture]
    assert np.std(imread(picture)[..., :3]) > 0.05


@pytest.mark.parametrize(
    ("words", "sizes", "seen"),
    [
        (["line", "--shapes", "1x9x1"], [(1, 9), (1, 9)], [5, 5]),
        (["build", "--build", "--shapes", "1x9x1"], [(1, 9), (1, 9)], [5, 5]),
        (["volume", "--shapes", "1x4x5x6x1"], [(5, 6), (5, 6)], [1, 1]),
        (["pooled", "--shapes", "1x4x6x2", "--probes", "0"], [(4, 6), (1, 1)], [24, 1]),
    ],
)
def test_other_axes_are_drawn(words, sizes, seen, here, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        function,
        "function_picture",
        lambda *args: drawn.append(function_picture(*args)) or drawn[-1],
    )
    assert command_line([f"{MODULE}:{words[0]}", *words[1:], "--output", str(here / "new")]) == 0
    images = [panel.images[0].get_array() for panel in drawn[0].axes[:2]]
    assert [image.shape for image in images] == sizes
    assert [int(image.sum()) for image in images] == seen
    assert ("NaN" in capsys.readouterr().out) == ("--probes" not in words)


def test_what_nan_does_not_find_is_told(here, capsys):
    assert command_line([f"{MODULE}:flat", "--shapes", "1x9x1"]) == 0
    assert "they reach no more than derived, and" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blurred", "output 3 over 16 drawn inputs: sd 0.71 positions, 0.82 if all that it sees had"
                    " the same; 90 % of it at 3 of 3, nothing beyond them"),
        ("pooled", "gradient of the output over 16 drawn inputs: sd "),
        ("leaking", "output 4 over 16 drawn inputs: WRONG, 8 positions that it does not see have"
                    " one: what is drawn or the gradient is not right"),
        ("flat", "output 4 over 16 drawn inputs: 0 everywhere"),
        ("largest", "no effective field: "),
        ("root", "no effective field: ValueError: the gradient is not finite"),
    ],
)  # fmt: skip
def test_the_gradient_is_told_beside_what_is_seen(name, said, here, capsys):
    shape = "1x3x3x1" if name == "pooled" else "1x9x1"
    words = [f"{MODULE}:{name}", "--shapes", shape, "--probes", "0"]
    assert command_line(words) == 0
    assert said in capsys.readouterr().out
    assert command_line([*words, "--gradients", "0"]) == 0
    printed = capsys.readouterr().out
    assert "gradient" not in printed and "effective" not in printed


@pytest.mark.parametrize("batch", [(), (1,)])
def test_inputs_are_given_in_a_file_and_drawn(batch, here, monkeypatch, capsys):
    """Of x^2 + the neighbour's x, at position 2 of 5: |2 x| and 1, over two inputs."""
    drawn = []
    monkeypatch.setattr(
        function,
        "function_picture",
        lambda *args: drawn.append(function_picture(*args)) or drawn[-1],
    )
    given = np.zeros((2, *batch, 5, 1))
    given[:, ..., 2, 0] = np.reshape([1.0, -3.0], (2, *batch))
    np.save(here / "given.npy", given)
    words = ["--shapes", "1x5x1", "--inputs", str(here / "given.npy"), "--probes", "0"]
    assert command_line([f"{MODULE}:squared", *words]) == 0
    assert "over 2 given inputs: sd 0.40 positions" in capsys.readouterr().out
    panel = drawn[0].axes[2]
    np.testing.assert_allclose(panel.images[0].get_array(), [[0, 0.2, 0.8, 0, 0]])
    assert panel.get_title() == "gradient of output 2, 2 inputs: sd 0.40"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 9, 1), np.uint8), "must hold floats, as the function sees them, got uint8"),
        (np.zeros((2, 8, 1)), "must hold inputs of 1x9x1, one behind the other, got 2x8x1 in"),
        (np.zeros((0, 9, 1)), "must hold inputs of 1x9x1"),
        (None, "{file} is no array of numpy.save: "),
    ],
    ids=["ints", "other size", "none", "text"],
)
def test_a_file_that_holds_no_inputs_is_refused(array, message, here, capsys):
    file = here / "given.npy"
    if array is None:
        file.write_text("numbers")
    else:
        np.save(file, array)
    words = [f"{MODULE}:line", "--shapes", "1x9x1", "--inputs", str(file)]
    assert command_line([*words, "--output", str(here / "new")]) == 2
    said = message.format(file=file)
    assert capsys.readouterr().err.startswith(f"jaxcnn receptive-field: --inputs {said}")
    assert not (here / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lenett"], "the network must be one of cnn_basics, lenet, vgg, resnet20, mobilenet, or"
                     " module:function, got 'lenett': did you mean lenet?"),
        (["lenet", "--shapes", "1x8x8x1"], "--shapes is for module:function, not for 'lenet'"),
        (["M:line", "--layer", "0"], "--layer is for a network by its name, not for 'M:line'"),
        (["M:line"], "'M:line' needs --shapes, the shape of its input, such as --shapes 1x32x32x3"),
        (["M:line", "--shapes", "(1,9,1)"], "--shapes must be sizes of at least 1 with x between"
                                            " them, such as 1x32x32x3, got '(1,9,1)': write"),
        (["M:line", "--shapes", "1x0x1"], "--shapes must be sizes of at least 1"),
        (["M:line", "--shapes", "1x9x1", "--probes", "-1"], "--probes must be at least 0, got -1"),
        (["M:line", "--shapes", "1x9x1", "--gradients", "-1"], "--gradients must be at least 0"),
        (["M:atrous", "--shapes", "1x9x9x1", "3x3x1x1", "--inputs", "x.npy"], "--inputs must be"
         " left out for a function of several arrays, got x.npy"),
        (["lenet", "--gradients", "4"], "--gradients is for module:function, not for 'lenet'"),
        (["M:lines", "--shapes", "1x9x1"], "the function: module 'M' has no function 'lines'; it"),
        (["nowhere:line", "--shapes", "1x9x1"], "the function: module 'nowhere' does not import"),
        (["M:line", "--build", "--shapes", "1x9x1"], "'M:line' with --build must take no arg"),
        (["M:build", "--shapes", "1x9x1"], "'M:build' cannot be followed with arrays of 1x9x1:"
         " TypeError: build() takes 0 positional arguments but 1 was given. Does it build the"),
        (["M:needs_a_size", "--shapes", "1x9x1"], "'M:needs_a_size' cannot be followed"),
        (["M:atrous", "--shapes", "1x9x9x1"], "'M:atrous' cannot be followed with arrays of 1x9x9x1"
         ": TypeError: atrous() missing 1 required positional argument: 'w'. Each of its"),
        (["M:pair", "--shapes", "1x9x1"], "'M:pair' cannot be followed with arrays of 1x9x1:"
         " ValueError: function must give one array"),
        (["M:line", "--shapes", "1x9x1", "--axes", "7"], "'M:line' cannot be followed with arrays"
         " of 1x9x1: ValueError: axes must be different axes of 3"),
        (["M:volume", "--shapes", "1x2x2x2x2x1"], "--axes must be at most 3, got 4 of 1x2x2x2x2x1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_gives_one_line_and_status_2(words, message, here, capsys):
    words = [word.replace("M:", f"{MODULE}:") for word in words]
    assert command_line([*words, "--output", str(here / "new")]) == 2
    printed = capsys.readouterr()
    said = message.replace("'M", f"'{MODULE}")
    assert printed.err.startswith(f"jaxcnn receptive-field: {said}")
    assert printed.err.count("\n") == 1
    assert not (here / "new").exists()
