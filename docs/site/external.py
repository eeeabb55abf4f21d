"""Asks every address of external.txt for an answer: `python -m docs.site.external`.

Needs a network.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from docs.site.verify import external

TIMEOUT = 20
"""Seconds."""


def answer(address: str) -> str:
    """Why there is no page at an address; "" if there is one."""
    request = urllib.request.Request(address, headers={"User-Agent": "jaxcnn-docs"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return ""
    except (urllib.error.URLError, TimeoutError) as error:
        return str(error)


def main() -> int:
    """Print a line for each address; 1 if one has no page."""
    failed = 0
    for address in external():
        why = answer(address)
        failed += bool(why)
        print(f"{'FAIL' if why else 'ok  '} {address} {why}".rstrip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
