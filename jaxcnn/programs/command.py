"""The command `jaxcnn`: finds the program, and imports that one alone.

Nothing slow is imported here. A signal ends the command in one line while its program
imports, and the programs' libraries, which the extra `jaxcnn[programs]` installs, may
be missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple, NoReturn

from jaxcnn import __version__
from jaxcnn.programs.huge_pages import use_huge_pages
from jaxcnn.programs.interruption import end_at_once, leave
from jaxcnn.programs.messages import fail
from jaxcnn.programs.options import shown


class Program(NamedTuple):
    """A program: the module whose `command_line` runs it, and what the help says."""

    module: str
    sentence: str
    example: str
    huge_pages: bool = False


PROGRAMS = {
    "train": Program(
        "jaxcnn.programs.train.program",
        "Train a network on images, by default LeNet on 8x8 digits.",
        "jaxcnn train --recipe mnist",
        huge_pages=True,
    ),
    "evaluate": Program(
        "jaxcnn.programs.evaluate.program",
        "Judge a trained network: accuracy, precision, confusion.",
        "jaxcnn evaluate runs/pets --data-dir pictures",
    ),
    "predict": Program(
        "jaxcnn.programs.predict.program",
        "Say what is in images, and show what drove the answer.",
        "jaxcnn predict runs/pets cat.jpg --explain why",
    ),
    "filters": Program(
        "jaxcnn.programs.filters.program",
        "Show what filters look for: the best images, and made ones.",
        "jaxcnn filters runs/pets --count 4",
    ),
    "export": Program(
        "jaxcnn.programs.export.program",
        "Write a trained network as a file that runs without jaxcnn.",
        "jaxcnn export runs/pets pets.jax",
    ),
    "certify": Program(
        "jaxcnn.programs.certify.program",
        "Check every gradient, and compare its costs with autodiff's.",
        "jaxcnn certify --operations conv max_pool",
    ),
    "summary": Program(
        "jaxcnn.programs.summary.program",
        "Show a network layer by layer: shapes, parameters, methods.",
        "jaxcnn summary resnet20 --input-shape 32 32 3",
    ),
    "tune": Program(
        "jaxcnn.programs.tune.program",
        "Time each convolution of a network by every method.",
        "jaxcnn tune lenet --output tuned.json",
    ),
    "onednn": Program(
        "jaxcnn.programs.onednn.program",
        "Say whether oneDNN computes here, and try it.",
        "jaxcnn onednn --probe",
    ),
    "receptive-field": Program(
        "jaxcnn.programs.receptive_field.program",
        "Draw which pixels a layer sees, and how much each matters.",
        "jaxcnn receptive-field cnn_basics --epochs 2",
    ),
    "derive": Program(
        "jaxcnn.programs.derive.program",
        "Write out an operation and its gradients, term by term.",
        "jaxcnn derive conv --input 4x4 --kernel 3x3 --stride 2",
    ),
    "explore": Program(
        "jaxcnn.programs.explore.program",
        "Write a page to look at gradients, or receptive fields.",
        "jaxcnn explore --operation batch_norm",
    ),
    "cost": Program(
        "jaxcnn.programs.cost.program",
        "Compile for a GPU or TPU, and count what a gradient costs.",
        "jaxcnn cost --platform h100 --operations conv max_pool",
    ),
}
EXTRA = frozenset(
    {
        "PIL",
        "absl",
        "flatbuffers",
        "grain",
        "jinja2",
        "matplotlib",
        "orbax",
        "rich",
        "scipy",
        "sklearn",
        "sympy",
        "tensorboardX",
        "tyro",
    }
)
"""What the extra `programs` installs, by the names that are imported."""


def main() -> NoReturn:
    """Run the command line of this process, and end with its exit status."""
    words = sys.argv[1:]
    program = PROGRAMS.get(words[0]) if words else None
    end_at_once(f"jaxcnn {words[0]}" if program else "jaxcnn")
    if program and program.huge_pages:
        use_huge_pages()  # starts the process again
    leave(run(words))


def run(words: Sequence[str]) -> int:
    """The exit status of the program that the first word names; the others are its
    options."""
    name, *options = words or ["help"]
    if name == "--version":
        print(f"jaxcnn {__version__}")
        return 0
    if name in ("help", "--help", "-h"):
        if not options:
            print(usage())
            return 0
        name, options = options[0], ["--help"]
    if name not in PROGRAMS:
        return fail("jaxcnn", _unknown(name), 2)
    try:
        module = import_module(PROGRAMS[name].module)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        needed = f'needs {missing}, which is not installed: pip install "jaxcnn[programs]"'
        return fail(f"jaxcnn {name}", needed, 1)
    return module.command_line(options)


def usage() -> str:
    """The help, for a screen of 24 lines of 80 characters."""
    width = max(map(len, PROGRAMS))
    programs = [f"  {name:{width}}  {program.sentence}" for name, program in PROGRAMS.items()]
    return "\n".join(
        [
            "usage: jaxcnn COMMAND [OPTIONS]",
            "",
            "Convolutional networks in JAX with their backward pass written out.",
            "",
            *programs,
            "",
            "jaxcnn COMMAND --help tells a command's options, jaxcnn --version the version.",
        ]
    )


def _unknown(name: str) -> str:
    likely = get_close_matches(name.replace("_", "-"), PROGRAMS, n=1)
    if name.startswith("-"):
        slip = ": options follow the command."
    elif likely:
        slip = f": did you mean {likely[0]}?"
    else:
        slip = "."
    return f"there is no command {shown(repr(name))}{slip} The commands are {', '.join(PROGRAMS)}"
