"""Pictures of many kinds, made for the tests: from their definition, or by Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

GREY = np.linspace(0, 255, 24 * 32).reshape(24, 32).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    """The file of an image, by Pillow."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, more: tuple[bytes, ...] = ()
) -> bytes:
    """A PNG file from the definition of the format, its header truthful or not."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *more, body, chunk(b"IEND", b""))
    )


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def gif_of_size(width: int, height: int) -> bytes:
    """One pixel on a canvas of any size."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\x00"
    return b"GIF89a" + screen + frame + b";"


def plain(colour: int, size: tuple[int, int] = (12, 16)) -> np.ndarray:
    """An image of one class: (h, w, 3), bright in one of three colours, with noise."""
    height, width = size
    image = np.random.default_rng((colour, height, width)).integers(0, 60, (height, width, 3))
    image[..., colour % 3] += 150
    return image.astype(np.uint8)


def write_classes(
    folder: Path, classes: dict[str, int], size: tuple[int, int] = (12, 16), kind: str = "png"
) -> Path:
    """A folder for each class, with so many images, each another one."""
    for label, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = plain(label, size)
            image[0, 0] = number
            (folder / name / f"{number}.{kind}").write_bytes(encoded(image, kind))
    return folder
