"""HTTP with a least rate and a most size, which count everything that a server sends,
headers and redirections too.

`urllib` itself limits only how long it waits for each piece. A server that sends a byte
now and then, or never stops, meets no limit, not even in its headers. So bytes are
counted here as they leave the socket.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.error import HTTPError
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)


class SlowError(TimeoutError):
    """Something arrives, but too slowly."""


class Pace:
    """How many bytes must arrive in a time, and how many may arrive in all.

    Args:
      least: bytes per second, on average over each `seconds` from the first byte of an
        answer.
      seconds: the length of time over which the average is taken.
      most: bytes in all.
    """

    def __init__(self, least: float, seconds: float, most: int):
        self.least, self.seconds, self.most = least, seconds, most
        self._all = 0
        self.begin()

    def begin(self) -> None:
        """Start to wait for another answer; its socket limits for how long."""
        self._start: float | None = None
        self._came = 0

    def count(self, size: int) -> None:
        """Count bytes that arrived.

        Raises:
          ValueError, SlowError: when there are too many, or too few.
        """
        now = time.monotonic()
        self._all += size
        if self._all > self.most:
            raise ValueError(
                f"the server sends more than {self.most:,} bytes, headers and redirections included"
            )
        if self._start is None:
            self._start = now
        self._came += size
        passed = now - self._start
        if passed >= self.seconds:
            if self._came < self.least * passed:
                raise SlowError(f"only {self._came:,} bytes in {passed:.3g} s")
            self._start, self._came = now, 0


def opener(pace: Pace) -> OpenerDirector:
    """The opener of `urllib.request.urlopen`, at this pace and for HTTP alone."""

    class Response(HTTPResponse):
        def __init__(self, *args: Any, **options: Any):
            super().__init__(*args, **options)
            pace.begin()
            self.fp = io.BufferedReader(_Counted(self.fp.detach(), pace))

    class Connection(HTTPConnection):
        response_class = Response

    class SecureConnection(HTTPSConnection):
        response_class = Response

    class Handler(HTTPHandler):
        def http_open(self, request: Request) -> HTTPResponse:
            return self.do_open(Connection, request)

    class SecureHandler(HTTPSHandler):
        def https_open(self, request: Request) -> HTTPResponse:
            return self.do_open(SecureConnection, request)

    return build_opener(Handler, SecureHandler, _Redirections)


class _Counted(io.RawIOBase):
    """A socket's file that counts what is read from it."""

    def __init__(self, raw: io.RawIOBase, pace: Pace):
        self._raw, self._pace = raw, pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        size = self._raw.readinto(buffer)
        if size:
            self._pace.count(size)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Redirections(HTTPRedirectHandler):
    """Redirections to HTTP only, since nothing else is counted."""

    def redirect_request(
        self, request: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if not newurl.lower().startswith(("http://", "https://")):
            raise HTTPError(newurl, code, f"{msg}: it redirects to {newurl}", headers, fp)
        return super().redirect_request(request, fp, code, msg, headers, newurl)
