"""How the processes of a run find one another: process 0 listens, the others come, and
all are told where JAX's coordination service is."""

from __future__ import annotations

import selectors
import socket
import time
from typing import Any

from jaxcnn import __version__
from jaxcnn.programs.machines.lines import ForeignError, Lines
from jaxcnn.programs.machines.place import Place
from jaxcnn.programs.options import ConfigError, shown

PAUSE = 0.2
"""Seconds between two tries to reach process 0."""
CONNECT = 10.0
"""Seconds of one try."""


class LostError(RuntimeError):
    """Another process of the run did not come, or is gone."""


def receive_others(place: Place, seconds: float) -> tuple[dict[int, Lines], int]:
    """In process 0: wait for all the others.

    Returns:
      The connection with each of them, by its index, and a free port that they have
        been told, for JAX.

    Raises:
      ConfigError: if nobody can listen there, or a process was started with other
        numbers than this one.
      LostError: if one does not come in `seconds`, or is gone before all have come.
    """
    there: dict[int, Lines] = {}
    came: list[Lines] = []
    try:
        with _listener(place) as listener:
            _receive(listener, place, seconds, there, came)
        port = _free_port(place.host)
    except BaseException:
        there.clear()
        raise
    finally:
        for lines in came:
            if lines not in there.values():
                lines.close()
    for lines in there.values():
        lines.try_send({"jax_port": port})
    return there, port


def _receive(
    listener: socket.socket,
    place: Place,
    seconds: float,
    there: dict[int, Lines],
    came: list[Lines],
) -> None:
    """Accept connections until all others are `there`; `came` gets every connection."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while len(there) < place.count - 1:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise LostError(_missing(place, there, seconds))
            for key, _ in ready:
                if key.fileobj is listener:
                    came.append(Lines(listener.accept()[0]))
                    selector.register(came[-1], selectors.EVENT_READ)
                elif isinstance(key.fileobj, Lines) and not _came(key.fileobj, place, there):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def _came(lines: Lines, place: Place, there: dict[int, Lines]) -> bool:
    """Read what a connection says; False if it is none of a process of the run."""
    known = next((index for index, other in there.items() if other is lines), None)
    try:
        messages = lines.receive()
    except ForeignError:
        messages = None
    if messages is None and known is not None:
        raise LostError(f"process {known} of {place.count} left before all had come")
    for hello in messages or ():
        refusal = _refusal(hello, place, there)
        if refusal:
            for other in (lines, *there.values()):
                other.try_send({"refused": refusal})
            raise ConfigError(refusal)
        there[hello["index"]] = lines
    return messages is not None


def _refusal(hello: dict[str, Any], place: Place, there: dict[int, Lines]) -> str | None:
    index, count, version = (hello.get(name) for name in ("index", "count", "jaxcnn"))
    if version != __version__:
        return f"every process must run jaxcnn {__version__}, as process 0 does, got {version}"
    if count != place.count:
        return f"--processes must be the same in every process, got {place.count} and {count}"
    if not isinstance(index, int) or not 0 < index < place.count or index in there:
        return f"--process-id must be another one in every process, got {shown(index)} twice"
    return None


def reach_first(place: Place, seconds: float) -> tuple[Lines, int]:
    """In the others: the connection with process 0, and the port of JAX there.

    Raises:
      ConfigError: if process 0 refuses.
      LostError: if process 0 cannot be reached in `seconds`, or does not answer.
    """
    address = f"{place.host}:{place.port}"
    lines = Lines(_connection(place, seconds))
    lines.try_send({"jaxcnn": __version__, "index": place.index, "count": place.count})
    messages: list[dict[str, Any]] | None = []
    try:
        # Process 0 may have begun to wait later than this one.
        lines.socket.settimeout(2 * seconds)
        while messages == []:
            messages = lines.receive()
        lines.socket.settimeout(None)
    except (ForeignError, TimeoutError):
        messages = [{}]
    answer = {} if messages is None else messages[0]
    if isinstance(answer.get("jax_port"), int):
        return lines, answer["jax_port"]
    lines.close()
    if messages is None:
        raise LostError(f"process 0 at {address} ended before all had come")
    if "refused" in answer:
        raise ConfigError(str(answer["refused"]))
    raise LostError(f"what listens at {address} does not answer as process 0 of a run does")


def _connection(place: Place, seconds: float) -> socket.socket:
    deadline = time.monotonic() + seconds
    while True:
        why = "it answers itself"
        try:
            connection = socket.create_connection((place.host, place.port), timeout=CONNECT)
            # Two ports of one machine can meet where nobody listens.
            if connection.getsockname() != connection.getpeername():
                return connection
            connection.close()
        except OSError as error:  # not started yet, or a name that is not known yet
            why = error.strerror or str(error)
        if time.monotonic() > deadline:
            raise LostError(
                f"process 0 cannot be reached at {place.host}:{place.port}, tried for"
                f" {seconds:g} s: {why}"
            )
        time.sleep(PAUSE)


def bind_address(host: str) -> str:
    """Where process 0 listens: on the loopback if the others are told that, else on all
    addresses."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return "127.0.0.1" if host != "::1" else "::1"
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"


def _listener(place: Place) -> socket.socket:
    try:
        return _server(bind_address(place.host), place.port)
    except OSError as error:
        raise ConfigError(
            f"--coordinator must have a port that is free in process 0, got {place.port}:"
            f" {error.strerror or error}"
        ) from error


def _server(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(
        (host, port), family=family, dualstack_ipv6=host == "::", backlog=1024
    )


def _free_port(host: str) -> int:
    with _server(bind_address(host), 0) as server:
        return server.getsockname()[1]


def _missing(place: Place, there: dict[int, Lines], seconds: float) -> str:
    missing = [str(index) for index in range(1, place.count) if index not in there]
    who = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
    return (
        f"{'process' if len(missing) == 1 else 'processes'} {who} of {place.count} did not come to"
        f" {place.host}:{place.port} in {seconds:g} s"
    )
