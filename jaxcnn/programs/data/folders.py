"""A data set of one's own: a folder of images, in memory if they fit there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from jaxcnn.programs.data import cache
from jaxcnn.programs.data.class_folders import relative, short
from jaxcnn.programs.data.decoded import Decoded, Shape, Wanted, decode, shape_of
from jaxcnn.programs.data.errors import DataError
from jaxcnn.programs.data.layout import Listed, layout_for_test, layout_of
from jaxcnn.programs.data.memory import budget
from jaxcnn.programs.data.options import DataOptions
from jaxcnn.programs.data.splits import Broken, Dataset, Images, Split
from jaxcnn.programs.data.statistics import fingerprint_of, normalisation_of
from jaxcnn.programs.data.threads import cores
from jaxcnn.programs.messages import plural

STREAMING = "jaxcnn.programs.data.streaming"
MOST_NAMED = 10
"""Broken files that are named in a note, and classes."""
UNEVEN = 1.5
"""How many times the images of the smallest class the largest must have to be told."""
MANY = 5_000
"""Files whose decoding takes so long that it is told."""

Say = Callable[[str], object]


class Read(NamedTuple):
    """The splits of a folder after all files were decoded, and what was found."""

    splits: tuple[Split, ...]
    digests: tuple[np.ndarray, ...]
    sums: tuple[np.ndarray, ...]
    image_shape: Shape
    broken: tuple[Broken, ...]
    notes: tuple[str, ...]


def load_folder(options: DataOptions, *, say: Say, console: Console | None = None) -> Dataset:
    """The images in `options.data_dir`, with the split that the folder has, or a new
    one; arguments and errors as in `jaxcnn.programs.data.dataset.load`."""
    layout = layout_of(options)
    listed = [layout.train, layout.test]
    listed += [] if layout.final is layout.test else [layout.final]
    read = _read(options, listed, _wanted(options), layout.refused, say, console)
    train, test, *rest = read.splits
    for split, part in zip((test, *rest), listed[1:], strict=True):
        if not len(split):
            raise DataError(f"{options.data_dir}: none of {len(part.files)} test files is an image")
    counts = np.bincount(train.labels, minlength=len(layout.classes))
    if not counts.all():
        name = short(layout.classes[int(counts.argmin())])
        raise DataError(f"{options.data_dir} has no image of {name} to train with")
    height, width, _ = read.image_shape
    return Dataset(
        train=train,
        test=test,
        final=rest[0] if rest else test,
        classes=layout.classes,
        name=options.dataset,
        normalisation=normalisation_of(read.sums[0].sum(axis=0), len(train) * height * width),
        image_shape=read.image_shape,
        notes=(*layout.notes, *_on_classes(layout.classes, counts), *read.notes),
        fingerprint=fingerprint_of(
            read.image_shape,
            layout.classes,
            [
                (split.files or (), split.labels, digests)
                for split, digests in zip(read.splits, read.digests, strict=True)
            ],
        ),
        broken=read.broken,
    )


def load_test_folder(
    options: DataOptions,
    classes: tuple[str, ...],
    image_shape: Shape,
    *,
    held_out: bool,
    say: Say,
    console: Console | None = None,
) -> Split:
    """Arguments and errors as in `jaxcnn.programs.data.dataset.load_test`."""
    listed, refused, notes = layout_for_test(options, classes, held_out=held_out)
    height, width, channels = image_shape
    wanted = Wanted((height, width), channels, options.fit)
    read = _read(options, [listed], wanted, refused, say, console)
    for note in (*notes, *read.notes):
        say(note)
    return read.splits[0]


def _wanted(options: DataOptions) -> Wanted:
    size = None if options.image_size is None else (options.image_size,) * 2
    return Wanted(size, options.channels, options.fit)


def _read(
    options: DataOptions,
    listed: Sequence[Listed],
    wanted: Wanted,
    refused: tuple[Broken, ...],
    say: Say,
    console: Console | None,
) -> Read:
    root = options.data_dir
    assert root is not None, "check_data_options has seen to it"
    files = tuple(file for part in listed for file in part.files)
    shape = shape_of(files, wanted)
    needed, most = len(files) * int(np.prod(shape)), budget(options.memory_gb)
    keep = needed <= most
    decoded = _decoded(files, root, wanted, shape, keep, say, console)
    found = {relative(files[index], root): why for index, why in decoded.reasons.items()}
    broken = tuple(sorted((*refused, *(Broken(file, why) for file, why in found.items()))))
    _check_broken(root, broken, len(files) + len(refused), options.most_broken)
    splits, digests, sums = [], [], []
    first = done = 0
    for part in listed:
        here = slice(first, first + len(part.files))
        whole = decoded.whole[here]
        kept = [file for file, is_whole in zip(part.files, whole, strict=True) if is_whole]
        images = _images(decoded, slice(done, done + len(kept)), kept, shape[2], wanted)
        names = tuple(relative(file, root) for file in kept)
        splits.append(Split(images, part.labels[whole], names))
        digests.append(decoded.digests[here][whole])
        sums.append(decoded.sums[here][whole])
        first, done = here.stop, done + len(kept)
    notes = _on_broken(root, broken)
    if not keep:
        notes += (
            f"{len(files):,} images of {shape[0]}x{shape[1]} take {needed / 1e9:.2g} GB, and"
            f" {most / 1e9:.2g} GB may be used (--memory-gb): they are decoded again in each epoch,"
            f" by {plural(cores(), 'thread')}",
        )
    shape = decoded.image_shape
    return Read(tuple(splits), tuple(digests), tuple(sums), shape, broken, notes)


def _decoded(
    files: Sequence[Path],
    root: Path,
    wanted: Wanted,
    shape: Shape,
    keep: bool,
    say: Say,
    console: Console | None,
) -> Decoded:
    """From the cache, if they are there."""
    key = cache.key_of(files, root, wanted, keep)
    decoded = cache.read(key, len(files), say)
    if decoded is None:
        if len(files) >= MANY:
            say(f"decoding {len(files):,} files with {plural(cores(), 'thread')}, once")
        decoded = decode(files, wanted, shape, keep=keep, console=console)
        cache.write(key, decoded, say)
    return decoded


def _images(
    decoded: Decoded, chosen: slice, files: Sequence[Path], channels: int, wanted: Wanted
) -> Images:
    if decoded.images is not None:
        return decoded.images[chosen]
    # Not at the top: Grain takes a second to import, and few folders are so large.
    streaming = import_module(STREAMING)
    images: Images = streaming.StreamedImages(files, decoded.image_shape, channels, wanted.fit)
    return images


def _check_broken(root: Path, broken: Sequence[Broken], count: int, most: float) -> None:
    if len(broken) == count or len(broken) > most * count:
        what = "all" if len(broken) == count else f"{len(broken):,} of"
        raise DataError(
            f"{root}: {what} {count:,} files are broken or no images, and at most"
            f" {100 * most:.3g} % of them may be (--most-broken): {_named(broken)}"
        )


def _on_broken(root: Path, broken: Sequence[Broken]) -> tuple[str, ...]:
    if not broken:
        return ()
    return (f"left out, {plural(len(broken), 'file')} of {root}: {_named(broken)}",)


def _named(broken: Sequence[Broken]) -> str:
    names = "; ".join(f"{each.file} {each.reason}" for each in broken[:MOST_NAMED])
    more = len(broken) - MOST_NAMED
    return f"{names}; and {more:,} more" if more > 0 else names


def _on_classes(classes: Sequence[str], counts: np.ndarray) -> tuple[str, ...]:
    """The number of classes, and how uneven they are."""
    order = np.argsort(-counts, kind="stable")
    if len(classes) <= MOST_NAMED:
        each = ", ".join(f"{short(classes[label])} {counts[label]:,}" for label in order)
    else:
        most, least = (f"{counts[at]:,} ({short(classes[at])})" for at in order[[0, -1]])
        each = f"from {most} to {least}"
    note = f"{len(classes)} classes, images to train with: {each}"
    ratio = counts.max() / counts.min()
    if ratio >= UNEVEN:
        note += f"; the largest has {ratio:.1f} times the images of the smallest"
    return (note,)
