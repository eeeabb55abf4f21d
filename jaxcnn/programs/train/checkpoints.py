"""Checkpoints: all that a run goes on from, as orbax writes it, in the background.

A checkpoint is a folder `checkpoints/NUMBER` of arrays and of JSON, and beside it
`NUMBER.sha256.json` with the hash of each of its files, which is written last. One
without its hashes, or with others, was not written to the end or was damaged since. It
is told and passed over, and the run goes on from the one before.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orbax.checkpoint as orbax
from absl import logging as absl_logging
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from jaxcnn.programs.loading import in_one_line
from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.train.checkpoint_errors import telling
from jaxcnn.stored.files import keep, naming, remove_partial_files, write_whole
from jaxcnn.stored.saving import sha256_of

FOLDER = "checkpoints"
HASHES = ".sha256.json"
TIMES = "_CHECKPOINT_METADATA"
"""The file in which orbax notes when it wrote; it does so after the hashes."""
DAMAGED = ".damaged"
UNFINISHED = "was not written to the end"
LACKS = "has lost"
ALONE = orbax.options.MultiprocessingOptions(
    primary_host=0, active_processes={0}, barrier_sync_key_prefix="checkpoints"
)
"""Of several processes, number 0 alone reads and writes, and waits for no other."""
LATEST = 3
"""How many are kept, beside the one with the best accuracy."""
ACCURACY = "accuracy"

absl_logging.set_verbosity(absl_logging.FATAL)  # it tells of each step of its work


class Saved(NamedTuple):
    """What a checkpoint has.

    Attributes:
      number: of the checkpoint; a later one has a larger number.
      arrays: by their names.
      place: where the run was, as JSON has it.
    """

    number: int
    arrays: dict[str, np.ndarray]
    place: dict[str, Any]


class Checkpoints:
    """The checkpoints of a run that this process writes.

    Use it as a context: at its end all that was saved is on the disk.

    Args:
      output: the run's folder.
    """

    def __init__(self, output: Path):
        self.folder = output.resolve() / FOLDER
        with naming(self.folder):
            self.folder.mkdir(exist_ok=True)
            remove_partial_files(self.folder)
        self._thread = ThreadPoolExecutor(1)
        self._saving: Future[None] | None = None
        options = orbax.CheckpointManagerOptions(
            create=False,
            best_fn=_accuracy,
            preservation_policy=AnyPreservationPolicy(
                [LatestN(LATEST), BestN(get_metric_fn=_accuracy, n=1)]
            ),
            cleanup_tmp_directories=True,
            # In a thread of ours, because the hashes come when orbax is done.
            enable_async_checkpointing=False,
            multiprocessing_options=ALONE,
        )
        self._manager = orbax.CheckpointManager(self.folder, options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        try:
            self.wait()
        except OSError:
            if error is None:
                raise
        finally:
            self._thread.shutdown()
            self._manager.close()

    def save(
        self,
        number: int,
        arrays: Mapping[str, np.ndarray],
        place: Mapping[str, Any],
        accuracy: float,
    ) -> None:
        """Begin to write a checkpoint, after the one that is being written.

        Args:
          number: larger than all before.
          arrays: by their names. Nobody may change them afterwards.
          place: where the run is, for JSON.
          accuracy: by which the best checkpoint is known; -1 if nothing was tested.

        Raises:
          OSError: that names the folder, if the checkpoint before could not be written.
        """
        self.wait()
        args = orbax.args.Composite(
            arrays=orbax.args.PyTreeSave(
                {name: array for name, array in arrays.items() if array.size}
            ),
            place=orbax.args.JsonSave(dict(place)),
        )
        self._saving = self._thread.submit(self._write, number, args, accuracy)

    def wait(self) -> None:
        """Wait until all is on the disk.

        Raises:
          OSError: that names the folder, if it could not be written.
        """
        saving, self._saving = self._saving, None
        if saving is not None:
            with telling(self.folder):
                saving.result()

    def _write(self, number: int, args: orbax.args.Composite, accuracy: float) -> None:
        self._manager.save(number, args=args, metrics={ACCURACY: accuracy})
        folder = self.folder / str(number)
        for path in (*folder.rglob("*"), folder, self.folder):
            keep(path)
        content = json.dumps(_hashes(folder), indent=1)
        write_whole(_hashes_of(folder), lambda path: path.write_text(content))
        for path in self.folder.glob(f"*{HASHES}"):
            if not (self.folder / path.name.removesuffix(HASHES)).exists():
                path.unlink()


def newest(
    output: Path, shapes: Mapping[str, Any], say: Callable[[str], object] = print
) -> Saved | None:
    """The newest whole checkpoint of a run; None if it has none.

    Those that are damaged are told and renamed to NUMBER.damaged, and those that were
    not written to the end are told and removed, older ones too: orbax reads them all.
    An older one that lacks files was being removed when the process was killed, which
    is done now.

    Args:
      output: the run's folder.
      shapes: something with a shape and a dtype for each of the arrays.
      say: is told of each damaged one, in a line.

    Raises:
      ConfigError: if it has other arrays, or this version of orbax does not read it.
      OSError: if it cannot be read.
    """
    folder = output.resolve() / FOLDER
    found = None
    for number in sorted(_numbers(folder), reverse=True):
        one = folder / str(number)
        fault = _fault(one)
        if fault is None:
            found = found or one
            continue
        half_removed = found is not None and fault.startswith(LACKS)
        what = "the one before it is used" if found is None else "it is left out"
        if not half_removed:
            say(f"checkpoint {output / FOLDER / str(number)} {fault}: {what}")
        _put_aside(one, keep_it=not half_removed and fault != UNFINISHED)
    return None if found is None else _read(found, shapes)


def _put_aside(folder: Path, *, keep_it: bool) -> None:
    aside = folder.with_name(folder.name + DAMAGED)
    with naming(folder):
        if aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
        if not keep_it:
            shutil.rmtree(aside)
        _hashes_of(folder).unlink(missing_ok=True)


def has_any(output: Path) -> bool:
    """Whether the run has something that looks like a checkpoint."""
    return bool(_numbers(output / FOLDER))


def _numbers(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [int(name) for name in names if name.isdigit() and (folder / name).is_dir()]


def _fault(folder: Path) -> str | None:
    """Why a checkpoint cannot be used; None if it can."""
    try:
        written = json.loads(_hashes_of(folder).read_text())
    except FileNotFoundError:
        return UNFINISHED
    except (OSError, ValueError):
        return "has damaged hashes"
    if not isinstance(written, dict):
        return "has damaged hashes"
    try:
        found = _hashes(folder)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    wrong = [name for name in sorted(found) if written.get(name) != found[name]]
    if wrong:
        return f"is damaged ({wrong[0]})"
    lost = sorted(written.keys() - found.keys())
    return f"{LACKS} {lost[0]}" if lost else None


def _read(folder: Path, shapes: Mapping[str, Any]) -> Saved:
    handlers = orbax.Checkpointer(
        orbax.CompositeCheckpointHandler(
            arrays=orbax.PyTreeCheckpointHandler(multiprocessing_options=ALONE),
            place=orbax.JsonCheckpointHandler(multiprocessing_options=ALONE),
        ),
        multiprocessing_options=ALONE,
    )
    args = orbax.args.Composite(arrays=orbax.args.PyTreeRestore(), place=orbax.args.JsonRestore())
    try:
        with handlers as reader:
            found = reader.restore(folder, args=args)
    except Exception as error:  # its hashes are right, so it is not damaged
        raise ConfigError(
            f"{folder} cannot be read by orbax {orbax.__version__}: {in_one_line(error)[:300]}"
        ) from error
    arrays = {name: np.asarray(array) for name, array in found["arrays"].items()}
    for name, spec in shapes.items():
        if 0 in spec.shape:
            arrays[name] = np.zeros(spec.shape, spec.dtype)
    for name in sorted({*shapes, *arrays}):
        wanted, got = (_described(each.get(name)) for each in (shapes, arrays))
        if wanted != got:
            raise ConfigError(
                f"{folder} has {name} as {got}, where the run has {wanted}: is it another network,"
                " or another version of jaxcnn or optax?"
            )
    return Saved(int(folder.name), arrays, found["place"])


def _hashes_of(folder: Path) -> Path:
    return folder.with_name(folder.name + HASHES)


def _hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != TIMES
    }


def _described(array: Any) -> str:
    return "nothing" if array is None else f"{array.dtype} {tuple(array.shape)}"


def _accuracy(metrics: Mapping[str, float]) -> float:
    return metrics[ACCURACY]
