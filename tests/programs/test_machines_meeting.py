"""How the processes of a run find one another, here as threads of one."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import free_port

from jaxcnn import __version__
from jaxcnn.programs.machines.lines import LONGEST, Lines
from jaxcnn.programs.machines.meeting import LostError, reach_first, receive_others
from jaxcnn.programs.machines.place import Place
from jaxcnn.programs.options import ConfigError


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def at(index: int, count: int, port: int) -> Place:
    return Place(index, count, "127.0.0.1", port)


def connected(port: int) -> socket.socket:
    """A connection with process 0, once it listens."""
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def close(*connections: Lines) -> None:
    for lines in connections:
        lines.close()


def test_all_come_whoever_is_first(port, threads):
    others = [threads.submit(reach_first, at(index, 4, port), 10) for index in (3, 1)]
    time.sleep(0.3)
    first = threads.submit(receive_others, at(0, 4, port), 10)
    others.insert(1, threads.submit(reach_first, at(2, 4, port), 10))
    there, jax_port = first.result()
    assert sorted(there) == [1, 2, 3]
    told = [other.result() for other in others]
    assert [number for _, number in told] == [jax_port] * 3
    there[2].send({"for": "two"})
    assert told[1][0].receive() == [{"for": "two"}]
    close(*there.values(), *(lines for lines, _ in told))


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b"\xff\xfe\n", b"", b"x" * (LONGEST + 1), b"{"]
)
def test_what_is_none_of_the_run_is_left_alone(noise, port, threads):
    first = threads.submit(receive_others, at(0, 2, port), 10)
    with connected(port) as stranger:
        stranger.sendall(noise)
        other = threads.submit(reach_first, at(1, 2, port), 10)
        there, _ = first.result()
    assert sorted(there) == [1]
    close(*there.values(), other.result()[0])


@pytest.mark.parametrize(
    ("other", "refusal"),
    [
        (at(1, 4, 0), "--processes must be the same in every process, got 3 and 4"),
        (at(1, 3, 0), "--process-id must be another one in every process, got 1 twice"),
        (at(0, 3, 0), "--process-id must be another one in every process, got 0 twice"),
    ],
)
def test_different_numbers_are_refused_by_all(other, refusal, port, threads):
    first = threads.submit(receive_others, at(0, 3, port), 10)
    there = threads.submit(reach_first, at(1, 3, port), 10)
    time.sleep(0.3)
    wrong = threads.submit(reach_first, Place(other.index, other.count, "127.0.0.1", port), 10)
    for each in (first, there, wrong):
        with pytest.raises(ConfigError, match=re.escape(refusal)):
            each.result()


def test_another_version_is_refused(port, threads):
    first = threads.submit(receive_others, at(0, 2, port), 10)
    lines = Lines(connected(port))
    lines.send({"jaxcnn": "0.0.9", "index": 1, "count": 2})
    message = f"every process must run jaxcnn {__version__}, as process 0 does, got 0.0.9"
    with pytest.raises(ConfigError, match=re.escape(message)):
        first.result()
    assert lines.receive() == [{"refused": message}]
    close(lines)


def test_those_that_do_not_come_are_named(port, threads):
    first = threads.submit(receive_others, at(0, 4, port), 1.0)
    other = threads.submit(reach_first, at(2, 4, port), 5.0)
    message = rf"processes 1, 3 of 4 did not come to 127.0.0.1:{port} in 1 s"
    with pytest.raises(LostError, match=message):
        first.result()
    with pytest.raises(LostError, match=rf"process 0 at 127.0.0.1:{port} ended before all had"):
        other.result()


def test_one_that_leaves_early_is_named(port, threads):
    first = threads.submit(receive_others, at(0, 3, port), 10)
    lines = Lines(connected(port))
    lines.send({"jaxcnn": __version__, "index": 2, "count": 3})
    close(lines)
    with pytest.raises(LostError, match="process 2 of 3 left before all had come"):
        first.result()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_no_process_0(host, port):
    message = rf"process 0 cannot be reached at {host}:{port}, tried for 0.3 s: \w+"
    with pytest.raises(LostError, match=message):
        reach_first(Place(1, 2, host, port), 0.3)


def test_something_else_listens(threads):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            return connection

        answered = threads.submit(answer)
        message = f"what listens at 127.0.0.1:{port} does not answer as process 0 of a run does"
        with pytest.raises(LostError, match=message):
            reach_first(at(1, 2, port), 5)
        answered.result().close()


def test_a_port_that_is_taken(threads):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        message = f"--coordinator must have a port that is free in process 0, got {port}: .*in use"
        with pytest.raises(ConfigError, match=message):
            receive_others(at(0, 2, port), 5)
