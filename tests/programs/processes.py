"""Several processes on this machine, each a Python program, that find one another over
the loopback.

By hand, to see `jaxcnn train` in two processes:

    PYTHONPATH=tests/programs python -m processes 2 -m jaxcnn train --output runs/two
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """A process that has ended: its exit status, negative for a signal; what it wrote;
    when it ended, in seconds of `time.monotonic`."""

    status: int
    stdout: str
    stderr: str
    when: float


class Processes:
    """`count` processes of one command, each told where process 0 is, how many there
    are and which it is, by the options of `MachineOptions`.

    Args:
      count: how many.
      command: the words behind `python`.
      environment: variables that are added or replaced.
    """

    def __init__(
        self, count: int, command: Sequence[str], environment: Mapping[str, str] | None = None
    ):
        self._folder = tempfile.TemporaryDirectory()
        address = f"127.0.0.1:{free_port()}"
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.running = []
        for index in range(count):
            options = ["--coordinator", address, "--processes", str(count)]
            with self._file(index, "out").open("w") as out, self._file(index, "err").open("w") as e:
                self.running.append(
                    subprocess.Popen(
                        [sys.executable, *command, *options, "--process-id", str(index)],
                        env=variables,
                        stdout=out,
                        stderr=e,
                    )
                )

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        self._folder.cleanup()

    def signal(self, index: int, number: signal.Signals) -> float:
        """Send a signal to one of them; the time."""
        self.running[index].send_signal(number)
        return time.monotonic()

    def until(self, path: Path, seconds: float) -> None:
        """Wait until there is such a file, while all of them run."""
        deadline = time.monotonic() + seconds
        while not path.exists():
            told = [self.text(index, "err") for index in range(len(self.running))]
            assert all(process.poll() is None for process in self.running), told
            assert time.monotonic() < deadline, f"{path} is not there; {told}"
            time.sleep(0.05)

    def ended(self, seconds: float) -> list[Ended]:
        """All of them, once they have ended, which takes them at most so long."""
        deadline, ends = time.monotonic() + seconds, {}
        while len(ends) < len(self.running):
            for index, process in enumerate(self.running):
                if index not in ends and process.poll() is not None:
                    ends[index] = time.monotonic()
            assert time.monotonic() < deadline, (
                f"{[process.poll() for process in self.running]} after {seconds} s:"
                f" {[self.text(index, 'err') for index in range(len(self.running))]}"
            )
            time.sleep(0.02)
        return [
            Ended(process.returncode, self.text(i, "out"), self.text(i, "err"), ends[i])
            for i, process in enumerate(self.running)
        ]

    def text(self, index: int, stream: str) -> str:
        return self._file(index, stream).read_text()

    def _file(self, index: int, stream: str) -> Path:
        return Path(self._folder.name) / f"{index}.{stream}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    with Processes(int(sys.argv[1]), sys.argv[2:]) as processes:
        for each in processes.ended(24 * 3600.0):
            print(each.stdout + each.stderr, f"status {each.status}", sep="")
