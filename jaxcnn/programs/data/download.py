"""Published files, downloaded once, from the first mirror that has them, and verified.

A file is held in memory until its SHA-256 is right, and only then written, whole or not
at all. Each use verifies it again, because disks and people damage files. Since the
size of a file is published too, no server and no gzip file is read beyond it, and a
server that sends too slowly to finish is given up.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from urllib.error import HTTPError, URLError

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.idx import unpacked_chunks
from jaxcnn.programs.data.sources import File, Source
from jaxcnn.programs.pace import Pace, SlowError, opener
from jaxcnn.stored.files import write_whole

TIMEOUT = 30.0  # seconds without a byte after which a mirror is given up
# Least bytes per second, on average over each TIMEOUT: ten megabytes take at most 40
# minutes.
LEAST_RATE = 4096
LONGEST_REASON = 300  # characters of what a server says


def cache_base() -> Path:
    """The folder of all that is kept: `jaxcnn` in $XDG_CACHE_HOME or, if that is not
    set, in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is ignored.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "jaxcnn"


def cache_folder(source: Source) -> Path:
    """The folder of a data set's files."""
    return cache_base() / source.name


def download(
    source: Source, *, say: Callable[[str], object] = print, timeout: float = TIMEOUT
) -> Path:
    """The cache folder of a data set, with its files in it; those that are missing or
    damaged are downloaded first.

    Args:
      source: the data set.
      say: is told of each download and each failure, in a line.
      timeout: seconds without a byte, or with fewer than `LEAST_RATE` bytes per second,
        after which the next mirror is tried.

    Raises:
      DataError: if no mirror has a file as it was published, or the folder cannot be
        written to. No part of a file is left there.
    """
    folder = cache_folder(source)
    mirrors = source.mirrors
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            path = folder / file.packed
            if _is_whole(file, path, say):
                continue
            content, mirror = _download_file(source, file, mirrors, say, timeout)
            _write(path, content)
            # The one that worked is tried first for the other files, so that nobody
            # waits again for a mirror that is down.
            mirrors = (mirror, *(other for other in mirrors if other != mirror))
    except OSError as error:  # of the disk; those of the network were handled below
        raise DataError(
            f"{source.name} cannot be kept in {folder}: {error.strerror or error}. Set"
            " XDG_CACHE_HOME to a folder that can be written, or pass the folder with the files as"
            " --data-dir"
        ) from error
    return folder


def _is_whole(file: File, path: Path, say: Callable[[str], object]) -> bool:
    if not path.exists():
        return False
    size = path.stat().st_size
    fault = (
        _fault(file, path.read_bytes())
        if size <= file.most
        else f"{size:,} bytes: {_too_many(file)}"
    )
    if fault:
        say(f"{path} is damaged, {fault}: downloading it again")
    return fault is None


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda partial: partial.write_bytes(content))


def _download_file(
    source: Source, file: File, mirrors: Sequence[str], say: Callable[[str], object], timeout: float
) -> tuple[bytes, str]:
    """The verified archive, and the mirror that had it."""
    failures: list[str] = []
    for mirror in mirrors:
        url = f"{mirror}{file.packed}"
        say(
            f"trying the next mirror: {url}"
            if failures
            else f"downloading {url} to {cache_folder(source)}"
        )
        try:
            content = _get(url, timeout, Console(stderr=True), file.most)
            fault = _fault(file, content)
        except (OSError, HTTPException, ValueError) as error:
            # ValueError: a server redirects to something that is no address.
            fault = _reason(error, timeout)
        if fault is None:
            return content, mirror
        say(f"failed: {fault}")
        failures.append(f"{url}: {fault}")
    names = ", ".join(each.packed for each in source.files)
    raise DataError(
        f"{source.name} could not be downloaded. {'; '.join(failures)}. "
        f"To do it by hand, put {names} into a folder and pass it as --data-dir"
    )


def _get(
    url: str, timeout: float, console: Console, most: int = File("", "archive", "").most
) -> bytes:
    """The content at the address; a console that is a terminal shows a bar.

    Raises:
      OSError, HTTPException, ValueError: if the content does not arrive, is larger than
        `most`, or arrives too slowly.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    # Redirections and headers count too.
    pace = Pace(LEAST_RATE, timeout, most + most // 8 + 2**20)
    with opener(pace).open(url, timeout=timeout) as response, bar:
        length = response.length  # None if the server does not tell
        if length is not None and length > most:
            raise ValueError(
                f"the server announces {length:,} bytes, more than the {most:,} that the file can"
                " have"
            )
        task = bar.add_task(url.rpartition("/")[2], total=length)
        content = bytearray()
        while chunk := response.read(min(1 << 16, most + 1 - len(content))):
            content += chunk
            bar.advance(task, len(chunk))
            if len(content) > most:
                raise ValueError(
                    f"the server sends more than the {most:,} bytes that the file can have"
                )
    # Not every version of Python raises this by itself.
    if length is not None and len(content) < length:
        raise IncompleteRead(bytes(content), length - len(content))
    return bytes(content)


def _fault(file: File, archive: bytes) -> str | None:
    """Why `archive` is not the published file, or None if it is."""
    if len(archive) > file.most:
        return f"{len(archive):,} bytes: {_too_many(file)}"
    digest = hashlib.sha256()
    try:
        for chunk in unpacked_chunks(archive, file.size) if file.of == "content" else [archive]:
            digest.update(chunk)
    except DataError as error:
        return str(error)
    if digest.hexdigest() == file.sha256:
        return None
    found = f"the {file.of} has SHA-256 {digest.hexdigest()}, expected {file.sha256}"
    return f"{len(archive):,} bytes that begin with {archive[:10]!r} ({found})"


def _too_many(file: File) -> str:
    return f"more than the {file.most:,} that the file can have"


def _reason(error: OSError | HTTPException | ValueError, timeout: float) -> str:
    """The error in one line that is not too long, whatever a server says."""
    if isinstance(error, HTTPError):
        error.close()  # it holds the connection
        reason = f"HTTP {error.code} {error.reason}"
    else:
        cause = error.reason if isinstance(error, URLError) else error
        silent = isinstance(cause, TimeoutError) and not isinstance(cause, SlowError)
        reason = f"no answer for {timeout:g} s" if silent else str(cause)
    words = " ".join(reason.split())
    words = words if words.isprintable() else ascii(words)
    return words if len(words) <= LONGEST_REASON else f"{words[:LONGEST_REASON]}..."
