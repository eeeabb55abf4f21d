"""Huge pages for the arrays of a CPU: 2 MB of memory at a time, not 4 kB.

XLA takes its temporary memory anew for each call, and Linux hands it out page by page
as it is touched; and the fewer pages there are, the more of them a core knows where to
find. A step of MobileNet took 97 ms on two cores without, 50 with. Linux gives huge
pages always, never, or to programs that ask ("madvise"); glibc's malloc asks if told so
by a variable of the environment that it reads once, when a program starts.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from jaxcnn.programs.interruption import SIGNALS

LINUX_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
VARIABLE, ASK = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"


def environment_with_huge_pages(
    environment: Mapping[str, str], setting: str
) -> dict[str, str] | None:
    """The environment to start with, or None where Linux's setting leaves nothing to
    ask for, or malloc was told already.

    >>> environment_with_huge_pages({}, "always [madvise] never")
    {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1'}
    >>> environment_with_huge_pages({}, "[always] madvise never")
    """
    told = environment.get(VARIABLE, "")
    if "[madvise]" not in setting or "glibc.malloc.hugetlb" in told:
        return None
    return {**environment, VARIABLE: f"{told}:{ASK}" if told else ASK}


def use_huge_pages() -> None:
    """Start this program again, with the same arguments, in an environment in which
    malloc asks for huge pages.

    To be called first of all, before the slow imports, by a program that is run from a
    shell. Elsewhere than on Linux, and where `environment_with_huge_pages` has nothing
    to change, it does nothing. Signals wait from before the start to after it: while
    Python itself starts, an interruption would be a traceback.
    """
    setting = LINUX_SETTING.read_text(encoding="ascii") if LINUX_SETTING.is_file() else ""
    environment = environment_with_huge_pages(os.environ, setting)
    if environment is not None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        with suppress(OSError):  # then it goes on without
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
