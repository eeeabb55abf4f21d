"""What can be wrong with images, as exceptions of one line."""

from __future__ import annotations


class DataError(ValueError):
    """A data set is not to be had: its files are missing, are not what they should be,
    or could not be downloaded."""


class PictureError(DataError):
    """One file is no image that can be read; the message begins with its name."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} {reason}")
        self.name, self.reason = name, reason
