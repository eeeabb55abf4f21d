"""Reading a page of HTML: its words, links and ids."""

from __future__ import annotations

import base64
import gzip
import json
from html.parser import HTMLParser

VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
}


def spaced(words: str) -> str:
    """In ASCII as far as possible, with one space wherever there are any."""
    for sign, ascii_ in (
        ("\N{MULTIPLICATION SIGN}", "x"),
        ("\N{EN DASH}", "-"),
        ("\N{MINUS SIGN}", "-"),
    ):
        words = words.replace(sign, ascii_)
    return " ".join(words.split())


class Page(HTMLParser):
    """Text, links and ids of a page, whose tags must be balanced."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.parts: list[str] = []
        self.packed = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> at {self.getpos()} closes nothing"
        opened = self.open.pop()[0]
        assert opened == tag, f"</{tag}> at {self.getpos()} closes <{opened}>"

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if attributes.get("id") == "texts":
            self.packed += data
        elif tag not in ("script", "style"):
            self.parts.append(data)

    @property
    def text(self) -> str:
        return spaced(" ".join(self.parts))

    @property
    def ids(self) -> list[str | None]:
        return [value for _, key, value in self.attributes if key == "id"]

    @property
    def programs(self) -> list[str]:
        return json.loads(gzip.decompress(base64.b64decode(self.packed)))
