"""Huge pages are asked for where Linux gives them to who asks, and nowhere else."""

import os
import subprocess
import sys

import pytest

from jaxcnn.programs import huge_pages
from jaxcnn.programs.huge_pages import environment_with_huge_pages, use_huge_pages

ON_DEMAND = "always [madvise] never\n"


@pytest.mark.parametrize(
    ("told", "setting", "variable"),
    [
        (None, ON_DEMAND, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.arena_max=2", ON_DEMAND, "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", ON_DEMAND, None),
        (None, "[always] madvise never\n", None),
        (None, "always madvise [never]\n", None),
        (None, "", None),
    ],
)
def test_environment(told, setting, variable):
    before = {"HOME": "/root"} | ({} if told is None else {"GLIBC_TUNABLES": told})
    after = environment_with_huge_pages(before, setting)
    assert after == (None if variable is None else {"HOME": "/root", "GLIBC_TUNABLES": variable})


def test_the_program_starts_again_with_its_arguments(tmp_path):
    """Once, in the same process, under the same name; what it is told already it does
    not ask for."""
    (tmp_path / "enabled").write_text(ON_DEMAND)
    program = (
        "import os, sys; from pathlib import Path; from jaxcnn.programs import huge_pages;"
        f"huge_pages.LINUX_SETTING = Path({str(tmp_path / 'enabled')!r});"
        "print('start', os.getpid(), flush=True); huge_pages.use_huge_pages();"
        "print(os.environ['GLIBC_TUNABLES'], sys.argv[1:])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    run = subprocess.run(
        [sys.executable, "-c", program, "--two words", "3"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, last = run.stdout.splitlines()
    assert first == second
    assert last == "glibc.malloc.hugetlb=1 ['--two words', '3']"


def test_nothing_happens_where_linux_has_no_such_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(huge_pages, "LINUX_SETTING", tmp_path / "enabled")
    monkeypatch.setattr(os, "execve", lambda *args: pytest.fail("started again"))
    use_huge_pages()
