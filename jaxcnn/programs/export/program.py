"""A trained network as one file that runs without this package.

    jaxcnn export runs/pets pets.jax

In a program that has JAX and nothing else:

    from jax import export
    program = export.deserialize(bytearray(open("pets.jax", "rb").read()))
    probabilities = program.call(images)  # uint8 (b, h, w, c) -> float32 (b, classes)

The parameters are in the file, the names of the classes are not: they are in model.json
of the run, in the order of the probabilities.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flatbuffers  # noqa: F401  # what jax.export writes with: found missing here, in one line
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, export
from rich.console import Console

from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.export.config import Config
from jaxcnn.programs.messages import plural
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.readable import size
from jaxcnn.programs.runs import read_model
from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.files import write_whole
from jaxcnn.stored.inference import probabilities_of
from jaxcnn.stored.model import StoredModel

PLATFORMS = ("cpu", "cuda", "tpu")
TRIED = 3  # images
LARGEST_DIFFERENCE = 1e-4


class ExportError(RuntimeError):
    """The exported function computes something else than the model."""


def main(config: Config, console: Console | None = None) -> Path:
    """Write the file and the text beside it; the path of the file.

    Raises:
      ConfigError, StoredError: if an option makes no sense, or there is no model.
      ExportError: if the exported function gives other probabilities than the model.
    """
    console = console or Console()
    require_paths(config)
    text = text_file(config.file)
    for path in (config.file, text):
        check_free(path, overwrite=config.overwrite)
    stored = read_model(config.run, config.model)
    with console.status("exporting"):
        program = exported(stored)
        content, written = bytes(program.serialize()), text_of(program)
        difference = compared(stored, content)
    write_whole(config.file, lambda path: path.write_bytes(content))
    write_whole(text, lambda path: path.write_text(written, encoding="utf-8"))
    height, width, channels = stored.description.image_shape
    for line in (
        f"{config.file}: {size(len(content))}, for {', '.join(program.platforms)}; {text} is its"
        " text",
        f"uint8 images (b, {height}, {width}, {channels}) -> float32 probabilities (b,"
        f" {len(stored.classes)})",
        f"read again and called with {plural(TRIED, 'image')}: at most {difference:.0e} from what"
        " jaxcnn predicts",
    ):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return config.file


def exported(stored: StoredModel) -> export.Exported:
    """The function from uint8 images (b, h, w, c) to probabilities (b, classes), for
    any b and for `PLATFORMS`, the parameters inside. The same model gives the same
    bytes on each machine: they name no source files."""

    def probabilities(images: Array) -> Array:
        return probabilities_of(stored.logits(stored.params, stored.state, images))

    (batch,) = export.symbolic_shape("b")
    images = jax.ShapeDtypeStruct((batch, *stored.description.image_shape), jnp.uint8)
    with option_of_jax("jax_traceback_in_locations_limit", 0):
        return export.export(jax.jit(probabilities), platforms=PLATFORMS)(images)


def text_of(program: export.Exported) -> str:
    """The program in StableHLO, to be read by a person."""
    with option_of_jax("jax_include_debug_info_in_dumps", False):
        return program.mlir_module()


@contextmanager
def option_of_jax(name: str, value: Any) -> Iterator[None]:
    """Inside, an option of JAX has this value."""
    earlier = jax.config.values[name]
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, earlier)


def compared(stored: StoredModel, content: bytes) -> float:
    """The largest difference of a probability between the file, read again, and the
    model, for images of random pixels.

    Raises:
      ExportError: if it is larger than rounding makes it.
    """
    program = export.deserialize(bytearray(content))
    shape = (TRIED, *stored.description.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = np.asarray(program.call(images))
    difference = float(np.abs(found - stored.predict(images)).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ExportError(
            f"the exported function gives other probabilities than the model: they differ by up to"
            f" {difference:.1g}"
        )
    return difference


def text_file(file: Path) -> Path:
    """Where the text of a file is written.

    >>> text_file(Path("pets.jax")).name
    'pets.jax.mlir'
    """
    return file.with_name(f"{file.name}.mlir")


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raises ConfigError unless a file can be written there, in place of none or with
    --overwrite."""
    if not path.parent.is_dir():
        raise ConfigError(f"FILE must be in a folder that exists, got {path}")
    if path.is_dir():
        raise ConfigError(f"FILE must be a file, and {path} is a folder")
    if os.path.lexists(path) and not overwrite:
        raise ConfigError(f"{path} exists already: pass --overwrite to replace it, or another FILE")


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    name = "jaxcnn export"

    def body() -> None:
        main(parse(Config, name, arguments))

    return run_program(name, body, refused=(StoredError,), failed=(ExportError,))
