"""The options of `python -m experiments.benchmark`, and what makes sense among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.benchmark import cases
from experiments.benchmark.case import PASSES, PLACES, Case
from experiments.benchmark.columns import METHODS
from jaxcnn.programs.options import ConfigError, require_count, shown

PARTS = ("operations", "accuracy", "growth", "steps", "memory")
DTYPES = ("float32", "bfloat16")
MOST_REPETITIONS = 10_000


@dataclass(frozen=True)
class Config:
    """Time every operation, and whole training steps, beside plain JAX and PyTorch."""

    parts: tuple[str, ...] = PARTS
    """What to measure: operations (one by one), accuracy (of convolutions), growth
    (with batch, image and channels), steps (of training), memory (of these steps)."""
    families: tuple[str, ...] = ()
    """Families of cases, such as dense "few channels"; all by default."""
    cases: tuple[str, ...] = ()
    """Cases whose name contains one of these; all by default."""
    places: tuple[str, ...] = PLACES
    """Where an operation stands: at the top level of a program, in the body of a scan.
    """
    dtypes: tuple[str, ...] = DTYPES
    """Dtypes of the arguments."""
    passes: tuple[str, ...] = PASSES
    """Of convolutions forward, "input gradient" and "kernel gradient"; of other
    operations forward and gradient."""
    methods: tuple[str, ...] = ()
    """Further columns for convolutions: those of jaxcnn.methods, in small letters."""
    repetitions: int = 9
    """Timings of each pass by each column, in turns; 6 where a call takes more than
    half a second."""
    output: Path = Path("runs/benchmark")
    """Folder for the numbers (JSON), charts (PNG) and tables (README.md)."""
    summarise: Path | None = None
    """Measure nothing: print the tables of this folder, and write its README.md and
    charts anew."""
    readme: Path | None = None
    """A Markdown file whose text between <!-- speed --> and <!-- /speed --> is replaced
    by the short table. Goes with --summarise."""


def check(config: Config) -> None:
    """Raises ConfigError where an option makes no sense."""
    if config.readme is not None:
        raise ConfigError("--readme goes with --summarise: it takes the table of a folder")
    require_count("repetitions", config.repetitions, most=MOST_REPETITIONS)
    for name, there in (
        ("parts", PARTS),
        ("families", tuple(dict.fromkeys(case.family for case in cases.CASES))),
        ("places", PLACES),
        ("dtypes", DTYPES),
        ("passes", PASSES),
        ("methods", tuple(METHODS)),
    ):
        _check_names(name, getattr(config, name), there)
    for name in ("parts", "places", "dtypes", "passes"):
        if not getattr(config, name):
            raise ConfigError(f"--{name} must have one at least")
    unknown = [part for part in config.cases if not any(part in case.id for case in cases.CASES)]
    if unknown:
        raise ConfigError(
            f"--cases has {_listed(unknown)}; there are"
            f" {_listed([case.id for case in cases.CASES])}"
        )
    if "memory" in config.parts and "steps" not in config.parts:
        raise ConfigError("--parts memory goes with steps: it is the memory of them")
    if "operations" in config.parts and not chosen_cases(config):
        raise ConfigError("no case is left by --families, --cases, --passes and --places together")


def _check_names(option: str, came: Sequence[str], there: Sequence[str]) -> None:
    unknown = [name for name in came if name not in there]
    if unknown:
        raise ConfigError(f"--{option} has {_listed(unknown)}; there are {_listed(there)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{shown(name)}"' if " " in name else shown(name) for name in names)


def chosen_cases(config: Config) -> list[Case]:
    return [
        case
        for case in cases.CASES
        if (not config.families or case.family in config.families)
        and (not config.cases or any(part in case.id for part in config.cases))
        and any(name in config.passes for name in case.passes)
        and any(place in config.places for place in case.places)
    ]
