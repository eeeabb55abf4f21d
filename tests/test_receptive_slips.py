"""Likely slips in receptive fields, each with what the message should say."""

from __future__ import annotations

import pytest

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.receptive import receptive_field, receptive_fields
from tests.layers._slips import refuses


def field_of(size=(3,), stride=(1,), pads=((0, 0),)):
    """The call with a window that a person made."""
    return lambda: receptive_field(jaxcnn.Window(size, stride, pads, (1,), (1,)), 8)


FIELDS = {
    "no windows at all": (lambda: receptive_field("", 8), "model", "Layer, a Window or several"),
    "a layer that was not made": (
        lambda: receptive_field(layers.relu, 8),
        "model",
        r"relu\(\.\.\.\)",
    ),
    "a network that was not made": (
        lambda: receptive_fields(models.lenet, 8),
        "model",
        r"lenet\(\.\.\.\)",
    ),
    "the class": (lambda: receptive_field(layers.Layer, 8), "model", "Layer"),
    "a list of layers": (lambda: receptive_field([layers.relu()], 8), "model", "Window"),
    "windows for every layer inside": (
        lambda: receptive_fields(jaxcnn.make_window((3,), (8,)), 8),
        "model",
        "receptive_field",
    ),
    "a generator of sizes": (
        lambda: receptive_field(layers.relu(), (n for n in (8, 8))),
        "input_size",
        "got <generator",
    ),
    "a size of 0": (lambda: receptive_field(layers.relu(), (8, 0)), "input_size", "at least 1"),
    "ints in a window": (
        lambda: receptive_field(jaxcnn.Window(3, 1, 0, 1, 1), 8),
        "window.size",
        "got 3",
    ),
    "no pads in a window": (field_of(pads=0), "window.pads", "pairs"),
    "single pads": (field_of(pads=(1,)), "window.pads", "pairs"),
    "a window without stride": (
        field_of(stride=(0,)),
        "window.stride",
        "",
    ),
    "a window of half a tap": (field_of(size=(0.5,)), "window.size", ""),
    "an empty window": (
        field_of(size=(0,)),
        "window.size",
        "at least 1",
    ),
    "a window of no axes": (
        lambda: receptive_field(jaxcnn.Window((), (), (), (), ()), 8),
        "window",
        "1 here",
    ),
    "uneven entries": (field_of(stride=(1, 1)), "window", "one entry"),
    "a function that gives no window": (
        lambda: receptive_field(layers.activation(len, "a", len), 8),
        "model",
        "Window",
    ),
    "a window that is no function": (
        lambda: receptive_field(layers.relu()._replace(window=3), 8),
        "window",
        "a function",
    ),
    "parts that are none": (
        lambda: receptive_field(layers.serial()._replace(parts=(layers.relu(),)), 8),
        "parts",
        "pairs",
    ),
    "parts that are an int": (
        lambda: receptive_fields(layers.serial()._replace(parts=3), 8),
        "parts",
        "pairs",
    ),
    "another number of axes": (
        lambda: receptive_field(layers.conv(1, (3, 3)), 8),
        "size",
        "1 here",
    ),
}


@pytest.mark.parametrize(("call", "name", "message"), FIELDS.values(), ids=FIELDS)
def test_slips_in_receptive_fields(call, name, message):
    refuses(call, name, message)
