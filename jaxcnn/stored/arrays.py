"""Nested dicts of arrays as safetensors files, with names such as "0_conv.w"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save

from jaxcnn.stored.errors import StoredError
from jaxcnn.stored.files import write_whole

_FLOATS: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu,
    "C64": np.complex64,
}
_DTYPES: dict[str, np.dtype] = {code: np.dtype(dtype) for code, dtype in _FLOATS.items()} | {
    code: np.dtype(name)
    for code, name in zip(
        ("BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64"),
        ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        strict=True,
    )
}
"""NumPy's dtype for each dtype code of the format."""

RESERVED = "__metadata__"  # a name that the format keeps for itself
MOST = 2**32  # bytes of a file that are read
MOST_DIMENSIONS = 64  # of a NumPy array
SHOWN = 3  # faults that a message lists
LONGEST = 60  # characters of a name in a message
LONGEST_REASON = 200


class CheckpointError(StoredError, SafetensorError):
    """A file has no arrays, or not those that were asked for."""


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write nested dicts of arrays to `path`, whole or not at all. Empty dicts are not
    saved.

    Raises:
      ValueError: if a key is no string, is reserved, or has a dot, which separates keys
        in the file; or if a value is no array, or has a dtype that the format lacks.
    """
    try:
        content = save(flat(arrays))
    except SafetensorError as error:  # an older version knows fewer dtypes
        raise ValueError(f"these arrays cannot be saved: {error}") from error
    write_whole(path, lambda partial: partial.write_bytes(content))


def load_arrays(path: Path, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The nested dicts that `save_arrays` wrote, as NumPy arrays.

    Args:
      path: of the file.
      like: nested dicts of arrays, or of anything with a shape and a dtype. The file
        must have the same names, shapes and dtypes, or none of its arrays is read.

    Raises:
      CheckpointError: if it is no whole file of this kind, contains NaN or infinity, or
        has other arrays than `like`.
      OSError: if it cannot be read.
    """
    specs = _specs(path)
    if like is not None:
        _check_same(
            {name: (_DTYPES[code].name, shape) for name, (code, shape) in specs.items()},
            _wanted(like),
            f"{path} has",
        )
    with _telling(path):
        entries = {name: entry["data"] for name, entry in deserialize(path.read_bytes())}
    arrays: dict[str, Any] = {}
    for name, (code, shape) in specs.items():
        array = np.frombuffer(entries[name], _DTYPES[code]).reshape(shape)
        if code in _FLOATS and not np.all(np.isfinite(array)):
            wrong = np.count_nonzero(~np.isfinite(array))
            raise CheckpointError(
                f"{path} is of no use: {wrong:,} of the {array.size:,} numbers of {_shown(name)}"
                " are not finite"
            )
        *parents, last = name.split(".")
        level = arrays
        for parent in parents:
            level = level.setdefault(parent, {})
        level[last] = array
    return arrays


def flat(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of nested dicts by their names in a file, "0_conv.w".

    Raises:
      ValueError: as `save_arrays`.

    >>> flat({"0_conv": {"w": np.ones(2)}})
    {'0_conv.w': array([1., 1.])}
    """
    return dict(_flatten(arrays))


def check_arrays(
    arrays: Mapping[str, Any], like: Mapping[str, Any], what: str = "the arrays have"
) -> None:
    """Refuse arrays whose names, shapes or dtypes differ from those of `like`. Both are
    nested dicts; empty dicts do not count.

    Raises:
      CheckpointError: with the first differences; the message begins with `what`.
    """
    _check_same(_wanted(arrays), _wanted(like), what)


def _specs(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The dtype code and shape of each array, from the header alone, which is checked
    against the size of the file."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, and no file of arrays")
    size = path.stat().st_size
    if size > MOST:
        raise CheckpointError(f"{path} has {size:,} bytes, and {MOST:,} are read at most")
    with _telling(path), safe_open(path, framework="np") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
        specs = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    for name, (code, shape) in specs.items():
        if code not in _DTYPES:
            raise CheckpointError(f"{path} has {_shown(name)} in {code}, which NumPy has not")
        if len(shape) > MOST_DIMENSIONS:
            raise CheckpointError(
                f"{path} has {_shown(name)} with {len(shape)} dimensions, and {MOST_DIMENSIONS} are"
                " the most"
            )
        if 0 in shape and np.prod([n for n in shape if n], dtype=np.float64) > 2**40:
            raise CheckpointError(f"{path} has {_shown(name)} of a shape that no array can have")
        first, *rest = name.split(".")
        for part in rest:
            if first in specs:
                raise CheckpointError(
                    f"{path} has both {_shown(first)} and {_shown(name)}: an array, and one inside"
                    " of it"
                )
            first = f"{first}.{part}"
    return specs


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        words = " ".join(str(error).split()).removeprefix("Error while deserializing header: ")
        words = (words if words.isprintable() else ascii(words))[:LONGEST_REASON]
        raise CheckpointError(
            f"{path} is no whole file of arrays ({words}): it was cut off, or is something else"
        ) from error


def _wanted(arrays: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (str(a.dtype), tuple(a.shape)) for name, a in _leaves(arrays)}


def _check_same(found: Mapping[str, tuple], wanted: Mapping[str, tuple], what: str) -> None:
    faults = [f"no {_shown(name)}" for name in wanted if name not in found]
    faults += [f"{_shown(name)} beside what was asked for" for name in found if name not in wanted]
    for name in wanted:
        if name in found and found[name] != wanted[name]:
            (dtype, shape), (other, needed) = found[name], wanted[name]
            faults.append(
                f"{_shown(name)} in {dtype} of shape {shape}, where {other} of shape {needed} is"
                " needed"
            )
    if faults:
        more = f", and {len(faults) - SHOWN} differences more" if len(faults) > SHOWN else ""
        raise CheckpointError(f"{what} {', '.join(faults[:SHOWN])}{more}")


def _leaves(arrays: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in arrays.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _flatten(arrays: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for key, value in arrays.items():
        if not isinstance(key, str):
            raise ValueError(
                f"keys must be strings, got {key!r} in {prefix.rstrip('.') or 'the outermost dict'}"
            )
        if "." in key:
            raise ValueError(
                f"keys must have no dot, which separates them in the file, got {key!r}"
            )
        try:
            key.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"keys must be of characters that UTF-8 has, got {key!a}") from error
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.")
            continue
        if name == RESERVED:
            raise ValueError(
                f"no array can have the name {RESERVED}, which the format has for itself"
            )
        yield name, _savable(name, value)


def _savable(name: str, value: Any) -> np.ndarray:
    """The value as a C-contiguous array of its own shape; `np.ascontiguousarray` would
    give a number an axis."""
    try:
        array = (
            None
            if isinstance(value, (list, tuple, np.ma.MaskedArray))
            else np.asarray(value, order="C")
        )
    except (TypeError, ValueError):
        array = None
    if array is None:
        raise ValueError(f"{name} must be an array, got {type(value).__name__}")
    if array.dtype.newbyteorder("=") not in _DTYPES.values():
        raise ValueError(
            f"{name} must be an array of a dtype that the format has,"
            f" {', '.join(d.name for d in _DTYPES.values())}: got"
            f" {array.dtype if array.dtype != object else type(value).__name__}"
        )
    return array


def _shown(name: str) -> str:
    name = name if name.isprintable() and name else repr(name)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
