"""Decoded images in the cache folder, so that they are decoded once.

An entry is one file of NumPy's .npz format, not packed. Its name is a hash of all that
the pixels depend on: the files' names, sizes and times, the size and the channels asked
for, the version of Pillow. The format has a checksum of each array, so that a damaged
entry is found out; it is then written anew. Entries can be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL

from jaxcnn.programs.data.class_folders import relative
from jaxcnn.programs.data.decoded import Decoded, Wanted
from jaxcnn.programs.data.decoding import DECODER
from jaxcnn.programs.data.download import cache_base
from jaxcnn.programs.data.statistics import DIGEST
from jaxcnn.stored.files import write_whole

DAYS = 30
"""Entries that nobody has read for so long are removed when another is written."""
LEAST_FREE = 2 * 10**9  # bytes that an entry must leave on the disk


def folder() -> Path:
    """Where the entries are: in the cache folder, `decoded`."""
    return cache_base() / "decoded"


def key_of(files: Sequence[Path], root: Path, wanted: Wanted, keep: bool) -> str:
    """The name of the entry of these files; a root that was moved keeps it."""
    about = [DECODER, PIL.__version__, *wanted, keep]
    found = hashlib.sha256(json.dumps(about).encode())
    for file in files:
        try:
            status = file.stat()
            times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        except OSError:
            times = (0, 0, 0)
        found.update(repr((relative(file, root), times)).encode())
    return found.hexdigest()[:32]


def read(key: str, count: int, say: Callable[[str], object]) -> Decoded | None:
    """The entry of `count` files, or None if there is none that is whole."""
    path = folder() / f"{key}.npz"
    try:
        # Opened here, because np.load leaves a file open that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            decoded = Decoded(
                arrays.get("images"),
                tuple(about["image_shape"]),
                arrays["whole"],
                arrays["digests"],
                arrays["sums"],
                {int(index): reason for index, reason in about["reasons"].items()},
            )
        _check(decoded, count)
    except FileNotFoundError:
        return None
    except (
        OSError,
        EOFError,
        KeyError,
        MemoryError,
        NotImplementedError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        say(f"{path} is damaged ({' '.join(str(error).split())}): decoding again")
        return None
    with suppress(OSError):
        os.utime(path)
    return decoded


def write(key: str, decoded: Decoded, say: Callable[[str], object]) -> None:
    """Keep an entry, whole or not at all. What cannot be kept is no error."""
    about = {"image_shape": decoded.image_shape, "reasons": decoded.reasons}
    arrays = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "whole": decoded.whole,
        "digests": decoded.digests,
        "sums": decoded.sums,
    }
    if decoded.images is not None:
        arrays["images"] = decoded.images
    size = sum(array.nbytes for array in arrays.values())
    try:
        folder().mkdir(parents=True, exist_ok=True)
        _remove_old()
        free = shutil.disk_usage(folder()).free
        if free < size + LEAST_FREE:
            say(
                f"the decoded images are not kept in {folder()}: they take {size / 1e9:.1f} GB of"
                f" {free / 1e9:.1f} GB that are free"
            )
            return
        write_whole(folder() / f"{key}.npz", lambda path: _save(path, arrays))
    except OSError as error:
        reason = error.strerror or error
        say(f"the decoded images are not kept in {folder()}: {reason}; they are decoded each time")


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _check(decoded: Decoded, count: int) -> None:
    """Raises ValueError if the arrays do not belong together."""
    shape, whole = decoded.image_shape, decoded.whole
    expectations = (
        (whole, (count,), bool),
        (decoded.digests, (count, DIGEST), np.uint8),
        (decoded.sums, (count, 2, shape[2]), np.int64),
    )
    for array, expected, dtype in expectations:
        if array.shape != expected or array.dtype != dtype:
            raise ValueError(f"it has {array.dtype} of {array.shape}, not {dtype} of {expected}")
    images = decoded.images
    if images is not None and (images.shape, images.dtype) != ((whole.sum(), *shape), np.uint8):
        raise ValueError(f"it has images of shape {images.shape}")


def _remove_old() -> None:
    for path in folder().iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DAYS * 24 * 3600:
                path.unlink()
