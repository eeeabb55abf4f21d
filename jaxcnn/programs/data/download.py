"""The published files of MNIST and Fashion-MNIST, downloaded once, from the first
mirror that has them, and verified.

A file is held in memory until its SHA-256 is right, and only then written, whole or not
at all. Each use verifies it again: disks and people damage files. How large a file is
has been published too, so that no server, and no gzip file that unpacks to far more
than it is, is followed beyond that; nor one that sends too slowly to come to an end.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.error import HTTPError, URLError

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from jaxcnn.programs.data.idx import DataError, unpacked_chunks
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.pace import Pace, SlowError, opener

TIMEOUT = 30.0  # seconds without a byte, after which a mirror is given up
# Bytes a second, on average over each TIMEOUT: ten megabytes come within 40 minutes, or
# not at all.
LEAST_RATE = 4096
LONGEST_REASON = 300  # characters of what a server says


class File(NamedTuple):
    """A published file: its name without ".gz", and a SHA-256, either of the .gz
    archive or of the content that is packed in it.

    The content is the better choice where copies were packed anew, and so differ as
    archives. `size` is that of the content in bytes, or at least no less.
    """

    name: str
    of: Literal["archive", "content"]
    sha256: str
    size: int = 2**26

    @property
    def most(self) -> int:
        """Bytes that the archive may have: what deflate cannot make smaller it makes
        larger by less."""
        return self.size + self.size // 64 + 4096


class Source(NamedTuple):
    """A data set's name, its four files, and the addresses that have them, each with
    ".gz" behind its name, in order of trial."""

    name: str
    mirrors: tuple[str, ...]
    files: tuple[File, ...]


MNIST = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (
        File(
            "train-images-idx3-ubyte",
            "content",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            47_040_016,
        ),
        File(
            "train-labels-idx1-ubyte",
            "content",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            60_008,
        ),
        File(
            "t10k-images-idx3-ubyte",
            "content",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            7_840_016,
        ),
        File(
            "t10k-labels-idx1-ubyte",
            "content",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            10_008,
        ),
    ),
)

# The hashes are those that TensorFlow Datasets has for fashion_mnist.
FASHION_MNIST = Source(
    "fashion_mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    (
        File(
            "train-images-idx3-ubyte",
            "archive",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            47_040_016,
        ),
        File(
            "train-labels-idx1-ubyte",
            "archive",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            60_008,
        ),
        File(
            "t10k-images-idx3-ubyte",
            "archive",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            7_840_016,
        ),
        File(
            "t10k-labels-idx1-ubyte",
            "archive",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            10_008,
        ),
    ),
)


def cache_folder(source: Source) -> Path:
    """Where the files of a data set are kept: in $XDG_CACHE_HOME, or in ~/.cache where
    that is not set."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has a relative path there ignored.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "jaxcnn" / source.name


def download(
    source: Source, *, say: Callable[[str], object] = print, timeout: float = TIMEOUT
) -> Path:
    """The cache folder of a data set, with its four files in it: those that are missing
    or damaged are downloaded.

    Args:
      source: the data set.
      say: is told, in a line, of each download and of what goes wrong.
      timeout: seconds without a byte, or with fewer than `LEAST_RATE` bytes each, after
        which the next mirror is tried.

    Raises:
      DataError: if no mirror has a file as it was published, or the folder cannot be
        written. No part of a file is left there.
    """
    folder = cache_folder(source)
    mirrors = source.mirrors
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            path = folder / f"{file.name}.gz"
            if _is_whole(file, path, say):
                continue
            content, mirror = _download_file(source, file, mirrors, say, timeout)
            _write(path, content)
            # The one that worked goes first: nobody waits four times for a mirror that
            # is down.
            mirrors = (mirror, *(other for other in mirrors if other != mirror))
    except OSError as error:  # of the disk: those of the network have been dealt with
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
        url = f"{mirror}{file.name}.gz"
        say(
            f"trying the next mirror: {url}"
            if failures
            else f"downloading {url} to {cache_folder(source)}"
        )
        try:
            content = _get(url, timeout, Console(stderr=True), file.most)
            fault = _fault(file, content)
        except (
            OSError,
            HTTPException,
            ValueError,
        ) as error:  # ValueError: of an address to which a server redirects
            fault = _reason(error, timeout)
        if fault is None:
            return content, mirror
        say(f"failed: {fault}")
        failures.append(f"{url}: {fault}")
    names = ", ".join(f"{each.name}.gz" for each in source.files)
    raise DataError(
        f"{source.name} could not be downloaded. {'; '.join(failures)}. "
        f"To do it by hand, put {names} into a folder and pass it as --data-dir"
    )


def _get(
    url: str, timeout: float, console: Console, most: int = File("", "archive", "").most
) -> bytes:
    """What is at the address; a bar tells how far it is if the console is a terminal.

    Raises:
      OSError, HTTPException, ValueError: if it cannot be had, is larger than `most`, or
        comes too slowly.
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
    """In one line, and not too long, whatever a server says."""
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
