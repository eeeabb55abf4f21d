"""`jaxcnn certify --model module:function`: a network of one's own, whose layers that
keep their rules are named as not compared."""

from __future__ import annotations

import re

import pytest
from certify_helpers import run
from certify_rules import NETWORKS, modules

from jaxcnn.programs.certify import report
from jaxcnn.programs.certify.network.given import network


@pytest.fixture
def networks(tmp_path):
    """A folder for the output, with a module of networks beside it."""
    broken = 'raise RuntimeError("no luck,\\nnone at all")\n'
    with modules(tmp_path, {"my_networks": NETWORKS, "my_mistake": broken}):
        yield tmp_path / "out"


@pytest.mark.slow
def test_a_pinned_layer_is_named_and_not_compared(networks):
    """In the table, in the JSON and on the page, whether it has parameters or not."""
    result = run(networks, "--model", "my_networks:pinned", "--steps", "2", "--seeds", "1")
    assert (result.status, result.err) == (0, ""), result.out
    cells = {row[0]: row[1:] for row in result.table}
    assert list(cells) == ["0_conv/b", "0_conv/w", "4_dense/b", "4_dense/w", "1_relu", "2_conv"]
    for path in ("1_relu", "2_conv"):
        assert cells[path][1] == "not compared"
        assert f"{path} not compared: pinned by layers.using" in result.page
    model = result.report["model"]
    assert model["not_compared"] == [
        {"path": path, "why": "pinned by layers.using"} for path in ("1_relu", "2_conv")
    ]
    assert [row["path"] for row in model["gradients"]] == list(cells)[:4]
    sentence = (
        "Not compared, because they compute the same in both: 1_relu (pinned by layers.using);"
        " 2_conv (pinned by layers.using)."
    )
    assert sentence in model["sentences"]
    assert sentence in result.out
    assert "of every compared parameter is autodiff's" in result.out


def test_a_layer_whose_apply_takes_no_ops_is_not_compared_either(networks):
    assert network("my_networks:own").not_compared == (("1_mine", "its apply takes no ops"),)
    assert network("lenet").not_compared == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_networks:", "--model must name module:function, got 'my_networks:'"),
        ("nowhere:net", "--model: module 'nowhere' does not import: ModuleNotFoundError: .*"),
        (
            "my_mistake:net",
            "--model: module 'my_mistake' does not import: RuntimeError: no luck,.*",
        ),
        (
            "my_networks:net",
            "--model: module 'my_networks' has no function 'net'; it has .*pinned.*",
        ),
        ("my_networks:number", "--model: module 'my_networks' has no function 'number'; .*"),
        (
            "my_networks:wrong",
            "--model: 'my_networks:wrong' must build a Layer when called without arguments; it"
            " raised RuntimeError: no luck, none at all",
        ),
        (
            "my_networks:needs",
            "--model: 'my_networks:needs' must build .*; it raised TypeError: needs.* 'classes'",
        ),
        (
            "my_networks:number_of",
            "--model: what 'my_networks:number_of' returns must be a Layer, got 3",
        ),
        (
            "my_networks:uncalled",
            "--model: what 'my_networks:uncalled' returns must be a Layer, got .*: call it, relu.*",
        ),
        (
            "my_networks:seven",
            "--model: 'my_networks:seven' must give 10 logits for each image, got shape .2, 7. .*",
        ),
        (
            "my_networks:deep",
            "--model: 'my_networks:deep' must take images of 8x8x1; it raised ValueError: the"
            " window is larger than the padded input .*",
        ),
        (
            "my_networks:empty",
            "--model: 'my_networks:empty' has no parameter whose gradient could be compared: it has"
            " no parameters",
        ),
        (
            "my_networks:whole",
            "--model: 'my_networks:whole' has no parameter whose gradient could be compared: all of"
            " it .pinned by layers.using.",
        ),
    ],
)
def test_what_is_no_network_gives_one_line_and_status_2(name, message, networks, monkeypatch):
    monkeypatch.setattr(report, "summary", lambda *_: pytest.fail("was compared"))
    result = run(networks, "--model", name)
    assert result.status == 2
    assert re.fullmatch(f"jaxcnn certify: {message}\n", result.err), result.err
    assert not networks.exists()
