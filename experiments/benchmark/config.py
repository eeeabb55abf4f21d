"""The options of `python -m experiments.benchmark`, and what makes sense among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.benchmark import cases as table
from experiments.benchmark.columns import METHODS
from jaxcnn.programs.options import ConfigError, require_count, shown

PARTS = ("operations", "accuracy", "growth", "steps", "memory")
DTYPES = ("float32", "bfloat16")
MOST_REPETITIONS = 10_000
MAPS = tuple(dict.fromkeys((*table.CONV_MAPS, *table.OTHER_MAPS)))


class OptionError(ConfigError):
    """The options make no sense."""


@dataclass(frozen=True)
class Config:
    """Time every operation, and whole training steps, beside plain JAX and PyTorch."""

    parts: tuple[str, ...] = PARTS
    """What to measure: maps (of single operations), accuracy (of convolutions), growth
    (with batch, image and channels), steps (of training), and the memory of these
    steps."""
    families: tuple[str, ...] = ()
    """Families of cases, such as dense "few channels"; all by default."""
    cases: tuple[str, ...] = ()
    """Cases whose name contains one of these; all by default."""
    places: tuple[str, ...] = table.PLACES
    """Where an operation stands: at the top level of a program, in the body of a scan.
    """
    dtypes: tuple[str, ...] = DTYPES
    """Dtypes of the arguments."""
    maps: tuple[str, ...] = MAPS
    """Of convolutions forward, "input gradient" and "kernel gradient"; of other
    operations forward and gradient."""
    methods: tuple[str, ...] = ()
    """Further columns for convolutions: those of jaxcnn.methods, in small letters."""
    repetitions: int = 9
    """Timings of each map by each column, in turns; 6 where a call takes more than half
    a second."""
    output: Path = Path("runs/benchmark")
    """Folder for the numbers (JSON) and charts (PNG)."""
    summarise: Path | None = None
    """Measure nothing: print the tables of this folder and draw its charts again."""


def check(config: Config) -> None:
    """Raises OptionError where an option makes no sense."""
    require_count("repetitions", config.repetitions, most=MOST_REPETITIONS)
    for name, there in (
        ("parts", PARTS),
        ("families", tuple(dict.fromkeys(case.family for case in table.CASES))),
        ("places", table.PLACES),
        ("dtypes", DTYPES),
        ("operations", MAPS),
        ("methods", tuple(METHODS)),
    ):
        _check_names(name, getattr(config, name), there)
    for name in ("parts", "places", "dtypes", "operations"):
        if not getattr(config, name):
            raise OptionError(f"--{name} must have one at least")
    unknown = [part for part in config.cases if not any(part in case.id for case in table.CASES)]
    if unknown:
        raise OptionError(
            f"--cases has {_listed(unknown)}; there are"
            f" {_listed([case.id for case in table.CASES])}"
        )
    if "memory" in config.parts and "steps" not in config.parts:
        raise OptionError("--parts memory goes with steps: it is the memory of them")
    if "operations" in config.parts and not chosen_cases(config):
        raise OptionError("no case is left by --families, --cases, --maps and --places together")


def _check_names(option: str, came: Sequence[str], there: Sequence[str]) -> None:
    unknown = [name for name in came if name not in there]
    if unknown:
        raise OptionError(f"--{option} has {_listed(unknown)}; there are {_listed(there)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{shown(name)}"' if " " in name else shown(name) for name in names)


def chosen_cases(config: Config) -> list[table.Case]:
    return [
        case
        for case in table.CASES
        if (not config.families or case.family in config.families)
        and (not config.cases or any(part in case.id for part in config.cases))
        and any(name in config.maps for name in case.maps)
        and any(place in config.places for place in case.places)
    ]
