"""A process that is gone ends the others, in bounded time and with a line that says
what happened.

Process 0 has a connection with each of the others. A process that is killed closes it
at once, whatever it was doing, because the operating system does. A machine that lost
its power or its network closes nothing, so every process sends a line every few
seconds. Process 0 tells the others of the first end that it sees.

A computation that waits for a process that is gone may wait for ever, in C++ where no
Python exception reaches it. So the watch is a thread, and ends the process itself, with
what has been written until then. JAX's own detection of such ends is switched off by
`together`, because it aborts the process with a dump.

A process that a signal ends is another matter: the others get the same signal, so that
they can save what they have, and have some time for it.
"""

from __future__ import annotations

import _thread
import os
import selectors
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from jaxcnn.programs.machines.lines import ForeignError, Lines
from jaxcnn.programs.machines.place import Place
from jaxcnn.programs.messages import fail

BEAT = 3.0
"""Seconds between two signs of life."""
SILENCE = 60.0
"""Seconds without a sign of life after which a process counts as gone."""
INTERRUPTION = 60.0
"""Seconds that the others have to end, after a signal ended one."""
LINGER = 2.0
"""Seconds in which a process that ends waits for the others to hear of it."""


class Watch:
    """The thread that watches, from when it is made until `close`.

    Args:
      place: which process this is.
      peers: the connections: in process 0 with all others, in the others with 0.
      program: its name in front of the line, "jaxcnn train".
      advice: what follows in the line, such as how to go on.
    """

    def __init__(
        self,
        place: Place,
        peers: dict[int, Lines],
        program: str,
        advice: str = "",
        *,
        silence: float = SILENCE,
    ):
        self._place, self._peers, self._advice, self._silence = place, peers, advice, silence
        self._name = f"{program} (process {place.index} of {place.count})"
        self._sending = threading.Lock()
        self._done: set[int] = set()
        self._interrupted: set[int] = set()
        self._last: tuple[float, int, str] | None = None
        self._heard = threading.Event()
        self._all_done = threading.Event()
        self._over = False
        self._deciding = threading.Lock()
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Say that this process is done, and wait until all are."""
        self._send({"done": True})
        self._mark_done(self._place.index)
        while not self._all_done.wait(1.0):  # signals are seen in between
            pass

    def tell_failure(self, why: str, status: int) -> None:
        """Say that this process ends and why, so that the others end too."""
        self._end_first()
        self._send({"ended": self._place.index, "why": why, "status": status})
        self._linger()

    def tell_interruption(self, word: str, number: int) -> None:
        """Say that a signal ends this process, so that the others get it too."""
        self._end_first()
        self._send({"interrupted": self._place.index, "word": word, "number": number})
        self._linger()

    def verdict(self, seconds: float) -> str | None:
        """Why the others end, if that is heard in so many seconds. Mostly the watch has
        ended this process by then."""
        self._heard.wait(seconds)
        return f"process {self._last[1]} was {self._last[2]}" if self._last else None

    def close(self) -> None:
        """Stop to watch."""
        self._over = True
        self._thread.join()
        for lines in self._peers.values():
            lines.close()

    def _end_first(self) -> None:
        """From now on this process ends for its own reason. If the watch has begun to
        end it for another, it does so here."""
        if not self._decide():
            self._thread.join()

    def _decide(self) -> bool:
        """Whether nobody else has decided that this process ends."""
        with self._deciding:
            first, self._over = not self._over, True
        return first

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception as error:  # otherwise nobody would watch any more
            if not self._over:
                self._end(self._place.index, f"cannot watch the others: {error!r}", 1)

    def _run(self) -> None:
        heard = dict.fromkeys(self._peers, time.monotonic())
        beat = 0.0
        with selectors.DefaultSelector() as selector:
            for index, lines in self._peers.items():
                lines.socket.settimeout(LINGER)
                selector.register(lines, selectors.EVENT_READ, index)
            while not self._over:
                for key, _ in selector.select(0.1 if self._all_done.is_set() else 1.0):
                    heard[key.data] = time.monotonic()
                    if not self._hear(key.data):
                        selector.unregister(key.fileobj)
                        del heard[key.data]
                now = time.monotonic()
                if now - beat >= BEAT:
                    self._send({})
                    beat = now
                if self._last and now > self._last[0]:
                    self._end(self._last[1], f"was {self._last[2]}", 1)
                for index, last in heard.items():
                    if now - last > self._silence:
                        self._end(index, f"was not heard of for {self._silence:g} s", 1)

    def _hear(self, index: int) -> bool:
        """Do what a connection says; False when it has ended as it should."""
        try:
            messages = self._peers[index].receive()
        except (ForeignError, TimeoutError):
            messages = None
        if messages is None:
            if index in self._done | self._interrupted or self._all_done.is_set():
                return False
            self._end(index, "ended without a word", 1)
        for message in messages or ():
            if "ended" in message:
                self._end(int(message["ended"]), str(message["why"]), int(message["status"]))
            if "interrupted" in message:
                self._interrupt(message)
            if "done" in message:
                self._mark_done(index)
            if "all_done" in message:
                self._all_done.set()
        return True

    def _mark_done(self, index: int) -> None:
        with self._sending:
            self._done.add(index)
            everyone = len(self._done) == self._place.count
        if everyone and self._place.index == 0 and not self._all_done.is_set():
            self._send({"all_done": True})
            self._all_done.set()

    def _interrupt(self, message: dict[str, Any]) -> None:
        """Have the main thread get the signal that another process got."""
        index = int(message["interrupted"])
        self._interrupted |= {index, 0} if self._place.index else {index}
        if self._last is not None or self._over:
            return
        self._last = (time.monotonic() + INTERRUPTION, index, str(message["word"]))
        self._heard.set()
        if self._place.index == 0:
            self._send(message)
        number = signal.Signals(message["number"])
        if sys.platform == "win32":
            _thread.interrupt_main(number)
        else:
            # A real signal: it ends a system call that the main thread waits in.
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _end(self, index: int, why: str, status: int) -> None:
        """End this process, because that one has; process 0 tells the others first."""
        if not self._decide():
            return
        who = f"process {index}" if index != self._place.index else "this process"
        fail(self._name, f"{who} {why}, and no other can go on without it{self._advice}", status)
        if self._place.index == 0:
            self._send({"ended": index, "why": why, "status": status})
            self._linger()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)

    def _send(self, message: dict[str, Any]) -> None:
        with self._sending:
            for lines in self._peers.values():
                lines.try_send(message)

    def _linger(self) -> None:
        """Wait a moment for the others to hear of the end and to end themselves: a
        connection with unread bytes that is closed can lose what was sent on it."""
        until = time.monotonic() + LINGER
        for lines in self._peers.values():
            with suppress(OSError, ForeignError):
                while time.monotonic() < until:
                    lines.socket.settimeout(max(0.01, until - time.monotonic()))
                    if lines.receive() is None:
                        break
