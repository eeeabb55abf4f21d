"""How much memory decoded images may take."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

GIGABYTE = 10**9
UNKNOWN = 4 * GIGABYTE  # where a system does not tell


def budget(memory_gb: float | None) -> int:
    """Bytes for decoded images: those asked for, or else half of what is available."""
    return int(memory_gb * GIGABYTE) if memory_gb is not None else available() // 2


def available(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory that this process can still take without swapping: of the
    machine, or of its control group if that has less."""
    found = [_of_machine(proc)]
    for group in _groups(proc, cgroups):
        for limit, used, reclaimable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError):  # "max", or another version of cgroups
                most = int((group / limit).read_text())
                taken = int((group / used).read_text()) - _cache(group, reclaimable)
                found.append(most - taken)
    return max(0, min(found))


def _of_machine(proc: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN


def _groups(proc: Path, cgroups: Path) -> list[Path]:
    """The folders of this process's control group and of those above it, of cgroups 2
    and of the memory controller of cgroups 1. Inside a container its own group may be
    the root."""
    groups = [cgroups, cgroups / "memory"]
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                group = cgroups / controllers / path.lstrip("/")
                groups += [group, *(above for above in group.parents if above != cgroups)]
    return [group for group in groups if group.is_relative_to(cgroups)]


def _cache(group: Path, name: str) -> int:
    """Bytes of the group's files in memory, which the system gives up when it needs
    them."""
    with suppress(OSError, ValueError, IndexError):
        for line in (group / "memory.stat").read_text().splitlines():
            if line.split()[0] == name:
                return int(line.split()[1])
    return 0
