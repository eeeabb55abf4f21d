"""Where compiled programs are kept, and what is removed of them."""

from __future__ import annotations

import os
import time

import jax
import pytest

from tests import compilation_cache


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(compilation_cache.SWITCH, raising=False)
    return tmp_path / "jaxcnn" / "tests"


def test_the_folder_is_the_users_and_of_this_version(home, monkeypatch):
    assert compilation_cache.root() == home
    assert compilation_cache.folder().parent == home
    assert compilation_cache.folder().name.startswith(f"{jax.__version__}-")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(compilation_cache.root()) == "/somewhere/.cache/jaxcnn/tests"


def test_what_is_long_unused_is_removed(home):
    """Of all versions, with the folders that are left empty."""
    now, day = time.time(), 24 * 3600
    for name, days in (("a/new", 1), ("a/old", 20), ("b/old", 20)):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("")
        os.utime(home / name, (now - days * day, now - days * day))
    os.utime(home / "a", (now, now))
    compilation_cache.clean()
    assert {str(path.relative_to(home)) for path in home.rglob("*")} == {"a", "a/new"}


def test_an_entry_is_used_when_it_is_read(home):
    old = time.time() - 30 * 24 * 3600
    home.mkdir(parents=True)
    (home / "entry").write_text("")
    os.utime(home / "entry", (time.time(), old))
    compilation_cache.clean()
    assert (home / "entry").exists()


@pytest.mark.parametrize("word", ["off", "OFF", "0"])
def test_it_can_be_turned_off(home, monkeypatch, word):
    monkeypatch.setenv(compilation_cache.SWITCH, word)
    home.mkdir(parents=True)
    (home / "entry").write_text("")
    os.utime(home / "entry", (0, 0))
    before = jax.config.jax_compilation_cache_dir
    compilation_cache.clean()
    compilation_cache.use()
    assert (home / "entry").exists()
    assert jax.config.jax_compilation_cache_dir == before


def test_no_folder_is_no_trouble(home):
    compilation_cache.clean()
    assert not home.exists()
