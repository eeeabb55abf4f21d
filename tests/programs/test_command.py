"""The command `jaxcnn`: what it says, what it refuses, and that it runs anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import jaxcnn
from jaxcnn.programs.command import EXTRA, PROGRAMS, main, run, usage

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMAND = [sys.executable, "-m", "jaxcnn"]


def started(
    command: list[str], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command as a person starts it, in that folder."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


# What it says.


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["-h"]], ids=" ".join)
def test_the_help_fits_a_screen_and_has_every_command(words, capsys):
    assert run(words) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert printed.err == ""
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    for name, program in PROGRAMS.items():
        assert program.sentence in printed.out
        assert program.example.startswith(f"jaxcnn {name} ")
    assert "--version" in printed.out


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_command_has_a_help(name, capsys):
    for words in ([name, "--help"], ["help", name]):
        with pytest.raises(SystemExit, match="0"):
            run(words)
        assert f"usage: jaxcnn {name} [-h] " in " ".join(capsys.readouterr().out.split())


def test_the_version_is_the_packages(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxcnn {jaxcnn.__version__}\n"


# What it refuses.


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trian", "'trian': did you mean train?"),
        ("receptive_field", "'receptive_field': did you mean receptive-field?"),
        ("x", "'x'."),
        ("--epochs", "'--epochs': options follow the command."),
        ("a\nb", r"'a\nb'."),
    ],
)
def test_an_unknown_command_is_one_line_with_the_likely_slip(word, said, capsys):
    assert run([word]) == 2
    assert capsys.readouterr() == (
        "",
        f"jaxcnn: there is no command {said} The commands are train, evaluate, predict, filters,"
        " export, certify, summary, tune, onednn, receptive-field, derive, explore, cost\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("missing", ["tyro", "rich"])
def test_without_the_extra_it_is_named_in_one_line(name, missing, tmp_path):
    program = (
        f"import sys; sys.modules[{missing!r}] = None;"
        "from jaxcnn.programs.command import run; sys.exit(run(sys.argv[1:]))"
    )
    result = started([sys.executable, "-c", program, name], tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f'jaxcnn {name}: needs {missing}, which is not installed: pip install "jaxcnn[programs]"\n'
    )


def test_the_help_needs_no_extra(tmp_path):
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(EXTRA)!r}));"
        "from jaxcnn.programs.command import run; sys.exit(run([]))"
    )
    result = started([sys.executable, "-c", program], tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{usage()}\n", "")


def test_an_import_that_fails_otherwise_is_not_taken_for_a_missing_extra(monkeypatch):
    monkeypatch.setitem(PROGRAMS, "train", PROGRAMS["train"]._replace(module="jaxcnn.nowhere"))
    with pytest.raises(ModuleNotFoundError, match=r"jaxcnn\.nowhere"):
        run(["train"])


def test_the_extra_is_that_of_the_project():
    names = {
        requirement.partition(">=")[0]
        for requirement in PROJECT["optional-dependencies"]["programs"]
    }
    imported = {
        "absl-py": "absl",
        "orbax-checkpoint": "orbax",
        "pillow": "PIL",
        "scikit-learn": "sklearn",
    }
    assert {imported.get(name, name) for name in names} == EXTRA


# That it runs.


def test_the_script_is_this_command():
    assert PROJECT["scripts"] == {"jaxcnn": f"{main.__module__}:{main.__name__}"}
    for script in entry_points(group="console_scripts", name="jaxcnn"):
        assert script.load() is main


def test_only_the_chosen_program_is_imported(tmp_path):
    program = (
        "import sys; from jaxcnn.programs.command import run; run(['summary', 'lenet']);"
        "print(*sorted(sys.modules))"
    )
    imported = started([sys.executable, "-c", program], tmp_path).stdout.split()
    assert "jaxcnn.programs.summary.program" in imported
    others = ("jaxcnn.programs.train", "jaxcnn.programs.certify", "matplotlib", "sklearn")
    assert not [name for name in imported if name.startswith(others)]


@pytest.mark.slow
def test_a_training_from_another_folder(tmp_path):
    result = started([*COMMAND, "train", "--epochs", "1"], tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    folder = tmp_path / "runs" / "digits-lenet-explicit-seed0"
    assert json.loads((folder / "config.json").read_text())["epochs"] == 1
    assert "test accuracy" in result.stdout


@pytest.mark.slow
def test_a_wrong_option_of_a_recipe_by_name_from_another_folder(tmp_path):
    result = started([*COMMAND, "train", "--recipe", "mnist", "--batch-size", "0"], tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (
        2,
        "",
        "jaxcnn train: --batch-size must be at least 1, got 0\n",
    )
    assert list(tmp_path.iterdir()) == []


STARTS = """
import os, sys
from pathlib import Path
from jaxcnn.programs import command, huge_pages

huge_pages.LINUX_SETTING = Path({setting!r})
print("start", os.getpid(), flush=True)
command.run = lambda words: print(os.environ.get("GLIBC_TUNABLES"), words) or 0
command.main()
"""


@pytest.mark.parametrize("how", ["script", "module"])
@pytest.mark.parametrize(("name", "starts"), [("train", 2), ("summary", 1)])
def test_a_training_starts_again_with_huge_pages_and_the_same_words(how, name, starts, tmp_path):
    """As a script in a folder of programs, and with -m."""
    (tmp_path / "enabled").write_text("always [madvise] never\n")
    (tmp_path / "started.py").write_text(STARTS.format(setting=str(tmp_path / "enabled")))
    command = [str(tmp_path / "started.py")] if how == "script" else ["-m", "started"]
    result = started(
        [sys.executable, *command, name, "--two words", "3"],
        tmp_path,
        GLIBC_TUNABLES="glibc.malloc.arena_max=2",
    )
    assert result.stderr == ""
    *begun, last = result.stdout.splitlines()
    assert len(begun) == starts
    assert len(set(begun)) == 1
    more = ":glibc.malloc.hugetlb=1" if name == "train" else ""
    assert last == f"glibc.malloc.arena_max=2{more} ['{name}', '--two words', '3']"
