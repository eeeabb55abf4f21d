"""Which cases there are to judge. Processes pass keys of cases between them, because
functions do not travel."""

from __future__ import annotations

from fnmatch import fnmatch
from functools import cache
from typing import Literal, NamedTuple

from jaxcnn.programs.certify.cases import drawn, picked
from jaxcnn.programs.certify.cases.case import Case
from jaxcnn.programs.certify.cases.own import own_case
from jaxcnn.programs.certify.config import Config
from jaxcnn.programs.options import ConfigError, shown

Kind = Literal["table", "random", "sized", "own"]


class Key(NamedTuple):
    """A case and the dtype to judge it in: its place in the list of its kind."""

    kind: Kind
    number: int
    dtype: str


@cache
def table() -> list[Case]:
    """The small cases picked by hand."""
    return picked.table()


@cache
def sized() -> list[Case]:
    """The cases of real networks."""
    return picked.sized()


def case_of(key: Key, config: Config) -> Case:
    """The case of a key that `keys(config)` gave."""
    if key.kind == "own":
        return own_case(config)
    if key.kind == "random":
        return drawn.random_case(config.seed, key.number)
    return (table() if key.kind == "table" else sized())[key.number]


def keys(config: Config) -> list[Key]:
    """All cases that `config` asks for, in order.

    Cases picked by hand come in every dtype. Random cases take the dtypes in turns. The
    sized ones, which show what rounding does to long sums, leave float64 out: people do
    not train in it.

    Raises:
      ConfigError: if there are none, or the person's own pair makes no sense.
    """
    if config.pair:
        own_case(config)  # raises its errors before any work is begun
        return [Key("own", 0, dtype) for dtype in dict.fromkeys(config.dtypes)]
    dtypes = list(dict.fromkeys(config.dtypes))
    narrow = [dtype for dtype in dtypes if dtype != "float64"]
    found = [Key("table", i, dtype) for i in _asked(config, table()) for dtype in dtypes]
    random = list(drawn.random(config.seed, config.random))
    found += [Key("random", i, dtypes[i % len(dtypes)]) for i in _asked(config, random)]
    found += [Key("sized", i, dtype) for i in _asked(config, sized()) for dtype in narrow]
    if not found:
        raise ConfigError(
            f"no case of {', '.join(config.operations) or 'any operation'} has a name like"
            f" {shown(config.cases)!r}"
        )
    return found


def _asked(config: Config, cases: list[Case]) -> list[int]:
    """The numbers of the cases whose operation and name were asked for."""
    return [
        number
        for number, case in enumerate(cases)
        if (not config.operations or case.operation in config.operations)
        and fnmatch(case.name, config.cases)
    ]
