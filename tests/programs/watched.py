"""A process that is watched, without JAX: one of them does what `--act` says, the
others sleep in the meantime."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from jaxcnn.programs.interruption import as_exceptions, ignored, word_and_status
from jaxcnn.programs.machines.meeting import reach_first, receive_others
from jaxcnn.programs.machines.place import MachineOptions, find_place
from jaxcnn.programs.machines.watch import Watch


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("processes", "process_id", "who"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    for name in ("coordinator", "act"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()

    place = find_place(
        MachineOptions(options.coordinator, options.processes, options.process_id), {}
    )
    assert place is not None
    peers = {0: reach_first(place, 20.0)[0]} if place.index else receive_others(place, 20.0)[0]
    watch = Watch(place, peers, "watched", "; so there", silence=5.0)
    if options.act == "finish":
        time.sleep(0.3 * place.index)
        print("done")
        watch.finish()
        watch.close()
        sys.exit(0)
    if place.index != options.who:
        try:
            with as_exceptions():
                time.sleep(30)
        except KeyboardInterrupt as error:
            print(f"saves: {word_and_status(error)}")
            with ignored():
                watch.tell_interruption("terminated", signal.SIGTERM)
            sys.exit(143)
        sys.exit(3)
    time.sleep(0.3)
    if options.act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if options.act == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if options.act == "interrupt":
        watch.tell_interruption("terminated", signal.SIGTERM)
        sys.exit(143)
    if options.act == "refuse":
        watch.tell_failure("ended (--seed must be a number)", 2)
        sys.exit(2)


if __name__ == "__main__":
    main()
