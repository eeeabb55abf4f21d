"""The page of `jaxcnn explore receptive-field`: it calculates what the library does."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from browser import acted, inside, opened
from jax import lax

from jaxcnn import models
from jaxcnn.padding import PADDING_WORDS, make_window
from jaxcnn.programs.explore.fields import render as rendering
from jaxcnn.programs.explore.fields.render import render_fields
from jaxcnn.receptive import receptive_field, receptive_fields
from jaxcnn.seen import fields_of
from jaxcnn.window import Window, dilated

STACKS = (Path(rendering.__file__).parent / "stack.js").read_text(encoding="utf-8")
PRESETS = dict(re.findall(r'"([^"]+)": "(input=[^"]+)"', STACKS))
UP = "up"
DASH = "\N{EN DASH}"


class Case(NamedTuple):
    """A stack as the page reads it, and its windows."""

    address: str
    size: int
    windows: tuple[Window, ...]

    @property
    def has_up(self) -> bool:
        return any(window.base_dilation != (1,) for window in self.windows)


def random_layer(draw: np.random.Generator, kind: str, n: int) -> tuple[str, Window]:
    k, s, d = (int(draw.integers(1, most + 1)) for most in (4, 3, 3))
    lo, hi = (int(pad) for pad in draw.integers(-2, 4, 2))
    word = str(draw.choice(PADDING_WORDS)) if kind != UP and draw.random() < 0.6 else ""
    text = f"{kind}:d{d}:k{k}:{word or f'p{lo}/{hi}'}:s{s}"
    if kind != UP:
        padding = word or ((lo, hi),)
        return text, make_window((k,), (n,), stride=s, padding=padding, dilation=d)
    last = dilated(k, d) - 1  # it slides the flipped kernel over its input with holes
    return text, Window((k,), (1,), ((last - lo, last - hi),), (d,), (s,))


def random_case(seed: int) -> Case:
    """One to four layers that all have outputs; in every third case some transposed."""
    draw = np.random.default_rng(seed)
    kinds = ("conv", "pool", UP) if seed % 3 == 0 else ("conv", "pool")
    size = n = int(draw.integers(4, 25))
    texts, windows = [], []
    while not windows or (len(windows) < 4 and draw.random() < 0.8):
        text, window = random_layer(draw, str(draw.choice(kinds)), n)
        (outputs,) = window.output_size((n,))
        if 0 < outputs <= 60:
            n = outputs
            texts.append(text)
            windows.append(window)
    return Case(f"input={size}&stack={','.join(texts)}", size, tuple(windows))


CASES = [random_case(seed) for seed in range(32)]
REFUSED = {
    "input=8": "stack= is missing",
    "input=8&stack=conv&input=9": "input= stands there twice",
    "input=0&stack=conv": 'input must be a whole number from 1 to 1024, got "0"',
    "input=8&stack=dense": 'layer 1, "dense": its kind must be conv, pool or up',
    "input=8&stack=conv,conv:k3:k5": 'layer 2, "conv:k3:k5": two words give its kernel',
    "input=8&stack=conv:s0": 'stride must be a whole number from 1 to 32, got "0"',
    "input=8&stack=conv:p1/2/3": '"p1/2/3" is no kernel k3, stride s2',
    "input=8&stack=up:causal": '"causal" is no kernel k3',
    "input=8&stack=conv&at=1": 'at must be a layer and its unit, such as 2.7, got "1"',
    "input=8&stack=conv&color=red": 'there is no "color": write input=, stack= and at=',
    "input=8&stack=" + ",".join(["conv:k1"] * 31): "stack has 31 layers, more than 30",
    "%E0%A4%A": 'there is no ""',
}
TOO_SMALL = "input=4&stack=conv:k3,conv:k3"


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers of one browser, by address."""
    folder = tmp_path_factory.mktemp("fields")
    (folder / "page.html").write_text(render_fields(), encoding="utf-8")
    addresses = [*(case.address for case in CASES), *PRESETS.values(), *REFUSED, TOO_SMALL]
    html = opened(folder / "page.html", "#check|" + "|".join(addresses), folder / "browser")
    return dict(zip(addresses, json.loads(inside(html, "results")), strict=True))


def test_the_cases_have_everything():
    windows = [window for case in CASES for window in case.windows]
    assert 8 <= sum(case.has_up for case in CASES) <= 16
    assert max(len(case.windows) for case in CASES) == 4
    assert any(min(window.pads[0]) < 0 for window in windows)
    assert any(window.stride > (1,) < window.dilation for window in windows)
    assert all(word in " ".join(case.address for case in CASES) for word in PADDING_WORDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.address)
def test_fields_are_those_of_the_library(case, answers):
    answer = answers[case.address]
    assert not answer["problem"]
    n, steps = case.size, Fraction(1)
    for place, row in enumerate(answer["rows"]):
        if place:
            window = case.windows[place - 1]
            (n,) = window.output_size((n,))
            steps *= Fraction(window.stride[0], window.base_dilation[0])
        assert row["n"] == n
        assert Fraction(*row["S"]) == steps
        below = case.windows[:place]
        if all(window.base_dilation == (1,) for window in below):
            field = receptive_field(below, case.size)
            assert (row["r"], row["P"]) == (field.size[0], field.padding[0])
            assert row["cells"] == field.size[0]  # (4), downwards
            assert row["sizes"] == [row["r"]] * 2
            assert row["centres"] == [field.centre((j,))[0] for j in range(n)]
            assert row["wide"] == [list(field.interval((j,))[0]) for j in range(n)]
            assert row["clipped"] == [each and list(each) for each in field.seen[0]]
        else:
            assert row["r"] is row["P"] is None


def applied(case: Case):
    """The stack as a function of an array, whose kernels are all 1."""

    def function(x):
        for window in case.windows:
            x = lax.conv_general_dilated(
                x,
                jnp.ones((*window.size, 1, 1)),
                window.stride,
                window.pads,
                lhs_dilation=window.base_dilation,
                rhs_dilation=window.dilation,
                dimension_numbers=("NWC", "WIO", "NWC"),
            )
        return x

    return function


@cache
def seen(case: Case):
    return fields_of(applied(case), jnp.zeros((1, case.size, 1)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.address)
def test_sets_are_those_that_the_program_has(case, answers):
    """With their holes, and behind transposed convolutions too."""
    answer, found = answers[case.address], seen(case)
    whole = found.whole()
    assert answer["sees"] == [np.flatnonzero(row).tolist() for row in whole]
    assert answer["reaches"] == [np.flatnonzero(column).tolist() for column in whole.T]
    last = answer["rows"][-1]
    for j, (clipped, wide) in enumerate(zip(last["clipped"], last["wide"], strict=True)):
        interval = found.interval(j)
        assert clipped == (interval and list(interval[0]))
        assert clipped is None or wide[0] <= clipped[0] <= clipped[1] <= wide[1]


@pytest.mark.parametrize(
    ("name", "model"),
    [("LeNet", models.lenet()), ("VGG", models.vgg()), ("CNN Basics", models.cnn_basics())],
)
def test_examples_are_the_networks_of_their_names(name, model, answers):
    answer = answers[PRESETS[name]]
    size = (answer["rows"][0]["n"],)
    fields = receptive_fields(models.of_any_space(model), size)
    sliding = [field for path, field in fields.items() if "conv" in path or "pool" in path]
    expected = [(field.size[0], field.stride[0], field.padding[0]) for field in sliding]
    assert [(row["r"], row["S"][0], row["P"]) for row in answer["rows"][1:]] == expected


def test_known_fields(answers):
    """ResNet's stem and WaveNet's block of four dilations; a stack that goes down and
    up again."""
    last = {name: answers[address]["rows"][-1] for name, address in PRESETS.items()}
    assert (last["ResNet's stem"]["r"], last["ResNet's stem"]["S"]) == (27, [4, 1])
    assert (last["WaveNet"]["r"], last["WaveNet"]["P"]) == (16, 15)
    assert (last["Two of 3"]["r"], last["Two of 3"]["n"]) == (5, 5)
    assert last["Down and up"]["S"] == [1, 1]
    assert last["Down and up"]["n"] == answers[PRESETS["Down and up"]]["rows"][0]["n"]


@pytest.mark.parametrize("address", REFUSED, ids=lambda address: address[:40])
def test_what_is_no_stack_is_refused(address, answers):
    assert REFUSED[address] in answers[address]["refused"]


def test_a_window_that_does_not_fit_is_told_as_the_library_does(answers):
    answer = answers[TOO_SMALL]
    assert answer["problem"] == "Layer 2: its window spans 3, its padded input 2"
    assert [row["n"] for row in answer["rows"]] == [4, 2]
    three = Window((3,), (1,), ((0, 0),), (1,), (1,))
    with pytest.raises(ValueError, match="window spans 3 on spatial axis 0, its padded input 2"):
        receptive_field([three, three], 4)


@pytest.mark.parametrize("address", PRESETS.values(), ids=PRESETS)
def test_what_is_written_is_read_again(address, answers):
    assert answers[address]["written"] == f"{address}&at=0.0"


def test_a_person_points_types_and_shares(tmp_path):
    """On a narrow screen; the texts are those of the page."""
    html, minus = render_fields(), "\N{MINUS SIGN}"
    start = f"#{PRESETS['Two of 3']}"
    said = acted(html, tmp_path, ["common", "fields"], start, "--window-size=390,844")
    assert said["first"] == ["2.2", "Unit 2 of layer 2 sees 5 inputs, 2 to 6. Its centre is 4."]
    assert said["lit"] == [5, 3, 0]
    assert said["pointed"] == ["1.0", "1.0"]
    assert said["moved"] == ["1.1", "2.0", "2.4", "1.5", "0.6"]
    assert said["reached"] == "Input 6 reaches 3 units of layer 2, 2 to 4."
    assert said["typed"] == [f"input=9&stack=conv:k4:same,conv:k3&at=2.{7 // 2}", ["1", "2"], True]
    assert "r2 = r1 + (D2 - 1) S1 = 4 + (3 - 1)·1 = 6" in said["equations"].replace(minus, "-")
    assert "r0 = 1·3 + (4 - 1) = 6" in said["equations"].replace(minus, "-")
    assert said["half"] == ["", True, "kernel must be a whole number from 1 to 64.", "4"]
    assert said["stack"] == "input=9&stack=conv:k3,up:k3&at=2.7"
    assert said["up"] == ["2 transposed 3", "15", "3 to 4", "1/2", DASH, "1/2 u + 0.5"]
    assert said["refused"] == [
        'This address is no stack: input must be a whole number from 1 to 1024, got "0".'
        " The page shows another one.",
        "input=9&stack=conv:k3,up:k3&at=2.7",
    ]
    assert said["opened"] == [True, "input=8&stack=conv:k2&at=1.0"]
    assert said["small"] == [False, ["2 units"]]
    assert said["wide"] == []
