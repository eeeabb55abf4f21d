"""What orbax raises while it writes, as an OSError that names the folder."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 300  # characters of a message that is shown as it came


@contextmanager
def telling(folder: Path) -> Iterator[None]:
    """Make any error from inside an OSError that names the folder.

    >>> with telling(Path("run/checkpoints")):
    ...     raise ValueError("Failed to write 9 bytes [os_error_code='27']")
    Traceback (most recent call last):
    OSError: [Errno 27] a checkpoint could not be written (File too large); earlier ones
    are whole: 'run/checkpoints'
    """
    try:
        yield
    except Exception as error:
        number, reason = _reason(error)
        words = f"a checkpoint could not be written ({reason}); earlier ones are whole"
        raise OSError(number, words, str(folder)) from error


def _reason(error: Exception) -> tuple[int, str]:
    """The number and the words of the system's error, which TensorStore has at the end
    of a long message."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        return error.errno, error.strerror
    words = " ".join(str(error).split())
    found = re.search(r"os_error_code='(\d+)'", words)
    if found:
        return int(found[1]), os.strerror(int(found[1]))
    return errno.EIO, words[:LONGEST] or type(error).__name__
