"""The options of `jaxcnn receptive-field`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from jaxcnn.programs.data.options import Name
from jaxcnn.programs.receptive_field.spread import Position

MODELS = ("cnn_basics", "lenet", "vgg", "resnet20", "mobilenet")


@dataclass(frozen=True)
class Config:
    """Draw what layers of a network see of an image, in theory and after training, and
    print the receptive field of each layer. Or draw what any function of JAX sees.

    Writes receptive_field.png. Without --run the network is trained first, by jaxcnn
    train with its default options. A function, module:function with --shapes, is not
    trained; what it sees is read from its program, and probed with NaN.
    """

    model: tyro.conf.Positional[str]
    """The network: cnn_basics, lenet, vgg, resnet20 or mobilenet; or module:function,
    a function of arrays of --shapes that gives one array."""
    layer: str | None = None
    """The path of the layer to draw, as in the table; by default up to four layers,
    from small fields to large ones."""
    positions: tuple[Position, ...] = ()
    """Row and column of each output whose field is drawn on the image; by default the
    centre and a corner."""

    dataset: Name | None = None
    """The images; by default those that --run was trained on, or the digits."""
    data_dir: Path | None = None
    """Folder of the images, as jaxcnn train takes it; by default that of --run, if it
    had one."""
    run: Path | None = None
    """The output folder of a run of jaxcnn train that trained this network."""
    epochs: int = 3
    """How long to train without --run."""
    images: int = 200
    """How many test images the gradient is averaged over; more than there are is all of
    them."""

    shapes: tuple[str, ...] = ()
    """For module:function: the shape of its input, such as 1x32x32x3, and those of its
    other arguments."""
    axes: tuple[int, ...] = ()
    """For module:function: the axes of the input that are space, by default all but the
    first and the last."""
    output_axes: tuple[int, ...] | None = None
    """For module:function: the axes of the output that are space, by default those of
    the input, if the output has as many axes."""
    build: bool = False
    """For module:function: it takes no arguments, and returns the function."""
    probes: int = 64
    """For module:function: the number of input positions at which NaN is put in, to
    verify what is drawn; 0 for none."""

    gradients: int = 16
    """For module:function of one array: over how many inputs the gradient of the centre
    output is averaged; 0 for none."""
    inputs: Path | None = None
    """For module:function: a file of numpy.save with those inputs, floats; by default
    they are normal random numbers."""

    output: Path | None = None
    """Folder of the picture, by default runs/receptive_field-<model>. An earlier
    picture and its training are replaced."""
