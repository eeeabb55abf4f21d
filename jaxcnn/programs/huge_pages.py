"""Huge pages for the arrays of a CPU: 2 MB of memory at a time, not 4 kB.

XLA takes its temporary memory anew for each call, and Linux hands it out page by page
as it is touched. Fewer pages mean fewer of these faults, and fewer TLB misses: a step
of MobileNet on two cores took 97 ms without huge pages and 50 ms with them. Linux gives
huge pages always, never, or to programs that ask ("madvise"). glibc's malloc asks if an
environment variable says so; it reads that variable once, when a program starts.
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
    """The environment to start again with, or None where that would change nothing:
    Linux does not wait to be asked, or malloc has been told already.

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

    For a program that is run from a shell, before its slow imports. Outside Linux, and
    where `environment_with_huge_pages` has nothing to change, it does nothing. Signals
    wait from before the new start until this function is reached again, because an
    interruption while Python itself starts would be a traceback.
    """
    setting = LINUX_SETTING.read_text(encoding="ascii") if LINUX_SETTING.is_file() else ""
    environment = environment_with_huge_pages(os.environ, setting)
    if environment is not None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        with suppress(OSError):  # then it goes on without huge pages
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
