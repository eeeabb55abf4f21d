"""Images that do not fit in memory: decoded by Grain's threads ahead of their use, in
each epoch again.

Grain alone takes a second to import, so this module is imported where images are
streamed, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grain
import numpy as np

from jaxcnn.programs.data.decoded import Shape
from jaxcnn.programs.data.decoding import Fit, read_image
from jaxcnn.programs.data.threads import cores

MOST_AHEAD = 2**28  # bytes of images that are decoded before they are asked for
MOST_IMAGES_AHEAD = 512


class StreamedImages:
    """Images in files, with the methods of `jaxcnn.programs.data.splits.Images`. What
    they give is bit for bit what an array of the same images gives.

    Args:
      files: of the images, all of which were read before.
      image_shape: (h, w, c) of each image.
      channels: with which a file is decoded. There may be 3 where c is 1, if all images
        are grey.
      fit: as in `read_image`.
    """

    def __init__(self, files: Sequence[Path], image_shape: Shape, channels: int, fit: Fit):
        self._files, self._image_shape = files, image_shape
        self._channels, self._fit = channels, fit

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, h, w, c)."""
        return (len(self._files), *self._image_shape)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        """The images of some indices (m,), decoded now: (m, h, w, c), uint8.

        Raises:
          PictureError: if a file cannot be read any more.
        """
        if isinstance(chosen, slice):
            chosen = np.array(range(len(self))[chosen], int)
        with ThreadPoolExecutor(cores()) as pool:
            return self._stacked(list(pool.map(self._one, chosen.tolist())))

    def stream(self, order: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The images of each row of indices (batch,), decoded before they are needed.

        Raises:
          PictureError: if a file cannot be read any more.
        """
        rows = [np.asarray(row) for row in order]
        threads = cores()
        ahead = min(MOST_IMAGES_AHEAD, MOST_AHEAD // max(1, int(np.prod(self._image_shape))))
        images = grain.MapDataset.source(_Visited(self, np.concatenate([*rows, []]).astype(int)))
        options = grain.ReadOptions(threads, max(threads, ahead))
        iterator = iter(images.to_iter_dataset(options))
        try:
            for row in rows:
                yield self._stacked([next(iterator) for _ in row])
        finally:
            iterator.close()

    def _one(self, index: int) -> np.ndarray:
        height, width, channels = self._image_shape
        file, size = self._files[index], (height, width)
        image = read_image(file, size=size, channels=self._channels, fit=self._fit)
        return image[..., :channels]

    def _stacked(self, images: list[np.ndarray]) -> np.ndarray:
        return np.stack(images) if images else np.empty((0, *self._image_shape), np.uint8)


class _Visited:
    """The source that Grain reads: the images in the order of the visits."""

    def __init__(self, images: StreamedImages, order: np.ndarray):
        self._images, self._order = images, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, visit: int) -> np.ndarray:
        return self._images._one(int(self._order[visit]))
