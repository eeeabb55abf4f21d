"""A page in a real browser, without a window: what its scripts have made of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "explore_scripts"
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser() -> str:
    """The browser's program. Without one the test is skipped; in CI it fails."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if os.environ.get("CI"):
        pytest.fail(f"CI needs a browser: {', '.join(NAMES)}")
    pytest.skip(f"there is no browser: {', '.join(NAMES)}")


def opened(page: Path, address: str, folder: Path, *options: str) -> str:
    """The page's HTML after some seconds of the browser's own time.

    Args:
      page: the file.
      address: what stands behind the file's name, "#..." or nothing.
      folder: an empty one for the browser's files.
      options: more of the browser's.
    """
    done = subprocess.run(
        [
            browser(),
            *QUIET,
            f"--user-data-dir={folder}",
            "--virtual-time-budget=5000",
            *options,
            "--dump-dom",
            f"{page.resolve().as_uri()}{address}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def acted(
    html: str, folder: Path, names: Sequence[str], address: str = "", *options: str
) -> dict[str, Any]:
    """What scripts of `explore_scripts` that run in a page say.

    Args:
      html: the page, with an element `results` for what is said.
      folder: an empty one.
      names: of the scripts, without .js; they become one.
      address, *options: as in `opened`.
    """
    script = "\n".join((SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in names)
    keep = '$("results").textContent = JSON.stringify(said);'
    whole = f"<script>(async () => {{\n{script}\n{keep}\n}})();</script>"
    page = folder / "page.html"
    page.write_text(html.replace("</body>", f"{whole}</body>"), encoding="utf-8")
    return json.loads(inside(opened(page, address, folder / "browser", *options), "results"))


def inside(html: str, name: str) -> str:
    """The text of the element with this id, which is a script or holds text alone."""
    found = re.search(rf'<(\w+)[^>]*\bid="{name}"[^>]*>(.*?)</\1>', html, re.DOTALL)
    assert found, f"the page has no {name}"
    return unescape(found[2]) if found[1] != "script" else found[2]
