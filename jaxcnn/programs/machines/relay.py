"""A way from JAX in this process to JAX's coordination service in process 0 that does
not tell JAX when process 0 is gone.

JAX's client ends its process at the moment its connection breaks, by `abort` and with a
dump of C++ calls; jaxlib has no working callback for it (a Python function gets
`std::bad_cast`). The watch finds the same end, and says in one line what happened. For
that it has to be the only one to find it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PAUSE = 0.1
"""Seconds between two tries to reach the service, which may not be there yet."""


class Relay:
    """Takes connections on a port of the loopback, and passes each on to `address`
    until the process ends.

    When the other side closes, this side stays open. Bytes go through unchanged: few of
    them, since arrays travel by other ways.
    """

    def __init__(self, address: tuple[str, int]):
        self._address = address
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        _in_background(self._accept)

    def close(self) -> None:
        """Take no more connections."""
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                _in_background(self._connect, near)

    def _connect(self, near: socket.socket) -> None:
        while not self._closed:
            try:
                far = socket.create_connection(self._address)
                break
            except OSError:
                time.sleep(PAUSE)
        else:
            near.close()
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _in_background(_pump, far, near)
        _pump(near, far)
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, but not its end."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


def _in_background(function: Callable[..., object], *args: Any) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()
