"""The wording that all programs share: counts, sizes, and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress


def plural(count: int, noun: str, several: str | None = None) -> str:
    """1 image, 2 images.

    >>> plural(2, "batch", "batches")
    '2 batches'
    """
    return f"{count} {noun}" if count == 1 else f"{count} {several or f'{noun}s'}"


def times(sizes: Sequence[int]) -> str:
    """28x28x1."""
    return "x".join(map(str, sizes))


def image_name(files: Sequence[str] | None, index: int) -> str:
    """An image's file, or its number where images have no files.

    >>> image_name(("cat/7.png",), 0), image_name(None, 7)
    ('cat/7.png', 'image 7')
    """
    return files[index] if files else f"image {index}"


def fail(program: str, message: object, status: int) -> int:
    """Write what went wrong to stderr, in one line; returns the exit status.

    An error of the file system is shown as the file and what is wrong with it.
    """
    if isinstance(message, OSError) and message.filename is not None:
        message = f"{message.filename}: {message.strerror}"
    with suppress(OSError):  # the terminal may be gone
        print(f"{program}: {' '.join(str(message).splitlines())}", file=sys.stderr)
    return status
