"""Build the site and check it.

    pip install -e ".[docs]"
    python -m docs.site                     # to build/site/html
    python -m docs.site --output FOLDER     # to FOLDER/html

A warning is an error.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from docs.site.llms import llms_text
from docs.site.pages import ROOT
from docs.site.staging import COMPUTED, stage
from docs.site.verify import faults


def build(output: Path) -> int:
    """The site in `output`/html; the exit status."""
    source, html, doctrees = (output / name for name in ("source", "html", "doctrees"))
    for folder in (source, html, doctrees):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    stage(source)
    options = ["-b", "html", "-W", "--keep-going", "-q", "-d", doctrees, "-c", ROOT / "docs/site"]
    if status := sphinx([str(option) for option in (*options, source, html)]):
        return status
    (html / "llms.txt").write_text(llms_text(), encoding="utf-8")
    for name, page in COMPUTED.items():
        (html / name).write_text(page(), encoding="utf-8")
    (html / ".nojekyll").touch()  # GitHub's pages would leave out folders such as _static
    found = list(faults(html))
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        print(f"{len(list(html.rglob('*.html')))} pages: {html / 'index.html'}")
    return 1 if found else 0


def main() -> int:
    """Build with the options of the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description="Build the site.")
    parser.add_argument("--output", type=Path, default=Path("build/site"), help="a folder")
    return build(parser.parse_args().output)


if __name__ == "__main__":
    sys.exit(main())
