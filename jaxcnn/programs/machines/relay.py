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
from contextlib import suppress

CONNECT = 30.0
"""Seconds in which process 0 must answer."""


class Relay:
    """Takes connections on a port of the loopback, and passes each on to `address`
    until the process ends.

    When the other side closes, this side stays open. Bytes go through unchanged: few of
    them, since arrays travel by other ways.
    """

    def __init__(self, address: tuple[str, int]):
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        _in_background(self._accept)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._address, timeout=CONNECT)
            except OSError:  # closed, or process 0 is gone: the watch says so
                return
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _in_background(_pump, near, far, True)
            _in_background(_pump, far, near, False)


def _pump(source: socket.socket, target: socket.socket, tell: bool) -> None:
    """Pass on what comes, and the end of it if `tell`."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    if tell:
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _in_background(function, *args) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()
