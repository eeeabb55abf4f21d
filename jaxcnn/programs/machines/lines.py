"""Short messages between the processes of a run: JSON objects, one a line."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

LONGEST = 20_000
"""Bytes of a line; a longer one comes from something else."""


class ForeignError(ValueError):
    """What came is no message of a process of jaxcnn."""


class Lines:
    """A connection on which lines come and go.

    Attributes:
      socket: the connection, blocking.
    """

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self._came = bytearray()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send it; OSError if the connection is broken."""
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def try_send(self, message: dict[str, Any]) -> None:
        """Send it if that is possible; a broken connection is found by `receive`."""
        with suppress(OSError):
            self.send(message)

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that are complete once more bytes have come, or None at the end
        of the connection. It waits if there are no bytes.

        Raises:
          ForeignError: if something else than messages came.
          TimeoutError: as the socket's timeout says.
        """
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            return None
        self._came += data
        *complete, rest = bytes(self._came).split(b"\n")
        self._came = bytearray(rest)
        if len(rest) > LONGEST:
            raise ForeignError(f"a line of more than {LONGEST:,} bytes came")
        return [_message(line) for line in complete]

    def close(self) -> None:
        with suppress(OSError):
            self.socket.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:  # UnicodeDecodeError too
        message = None
    if not isinstance(message, dict):
        raise ForeignError(f"no message of jaxcnn: {line[:40]!r}")
    return message
