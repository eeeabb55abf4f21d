"""Event files, read record by record as TensorBoard reads them."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c


def events(file: Path) -> Iterator[Event]:
    """The whole records of a file: length, its checksum, data, its checksum. A record
    that was cut off ends it."""
    content = file.read_bytes()
    at = 0
    while at + 12 <= len(content):
        length, checksum = struct.unpack_from("<QI", content, at)
        assert checksum == masked_crc32c(content[at : at + 8])
        data = content[at + 12 : at + 12 + length]
        end = at + 12 + length + 4
        if end > len(content):
            return
        assert struct.unpack_from("<I", content, end - 4) == (masked_crc32c(data),)
        yield Event.FromString(data)
        at = end


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """Value by step of each curve: files in the order of their names, and a session's
    start drops what is older and not before its step."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in events(file):
            if event.session_log.status == SessionLog.START:
                for curve in found.values():
                    for step in [step for step in curve if step >= event.step]:
                        del curve[step]
            for value in event.summary.value:
                found[value.tag][event.step] = value.simple_value
    return dict(found)
