"""Checkpoints on the disk: which are kept, what of them is believed, and what is put in
order."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.programs.options import ConfigError
from jaxcnn.programs.train.checkpoints import Checkpoints, has_any, newest

ARRAYS = {
    "['w']": np.arange(6, dtype=np.float32).reshape(2, 3),
    "['step']": np.array(3, np.int32),
    "['none']": np.zeros((0, 3), np.float32),
    "['key']": np.array([1, 2**32 - 1], np.uint32),
    "['nan']": np.array([np.nan, -0.0, 1e-45], np.float32),
}


def changed(number: int) -> dict[str, np.ndarray]:
    return {n: np.asarray(array + array.dtype.type(number)) for n, array in ARRAYS.items()}


def write(output: Path, *accuracies: float) -> Path:
    """A checkpoint of each accuracy, numbered from 1."""
    with Checkpoints(output) as checkpoints:
        for number, accuracy in enumerate(accuracies, 1):
            checkpoints.save(number, changed(number), {"rows": [number, 0.1]}, accuracy)
    return output


def there(output: Path) -> list[str]:
    return sorted(os.listdir(output / "checkpoints"))


def whole(*numbers: int) -> list[str]:
    return sorted(f"{number}{end}" for number in numbers for end in ("", ".sha256.json"))


def files(output: Path, number: int) -> list[str]:
    """Of a checkpoint, each by its path in the folder."""
    folder = output / "checkpoints"
    inside = (path for path in (folder / str(number)).rglob("*") if path.is_file())
    return [*(path.relative_to(folder).as_posix() for path in inside), f"{number}.sha256.json"]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run's folder with two checkpoints, for all to copy."""
    return write(tmp_path_factory.mktemp("two"), 0.5, -1.0)


@pytest.fixture
def output(two, tmp_path):
    return Path(shutil.copytree(two, tmp_path / "run"))


# What is kept.


def test_what_was_saved_comes_back_bit_for_bit(output):
    found = newest(output, ARRAYS, pytest.fail)
    assert found is not None
    assert (found.number, found.place) == (2, {"rows": [2, 0.1]})
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in changed(2).items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        assert found.arrays[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize(
    ("accuracies", "kept"),
    [
        pytest.param((0.2, 0.9, -1, 0.5, 0.6, -1, 0.3), (2, 5, 6, 7), id="the best is old"),
        pytest.param((-1, -1, -1, -1, -1), (3, 4, 5), id="no test", marks=pytest.mark.slow),
        pytest.param(
            (0.2, 0.3, 0.4, 0.5, 0.6), (3, 4, 5), id="the best is new", marks=pytest.mark.slow
        ),
    ],
)
def test_the_last_three_and_the_best_are_kept(accuracies, kept, tmp_path):
    write(tmp_path, *accuracies)
    assert there(tmp_path) == whole(*kept)


def test_there_is_none_without_a_folder_or_in_an_empty_one(tmp_path):
    for _ in range(2):
        assert newest(tmp_path, ARRAYS, pytest.fail) is None
        assert not has_any(tmp_path)
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "checkpoints").rmdir()
    (tmp_path / "checkpoints").write_text("a file")
    assert newest(tmp_path, ARRAYS, pytest.fail) is None


# What is damaged.


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def is_seen(name: str) -> bool:
    return not name.endswith("_CHECKPOINT_METADATA")  # of which nothing is used


@pytest.mark.parametrize("how", ["gone", "cut", "flipped"])
def test_damage_to_any_file_is_found_out_and_the_one_before_is_used(how, two, tmp_path):
    names = files(two, 2)
    assert len(names) >= 12
    for index, name in enumerate(names):
        output = Path(shutil.copytree(two, tmp_path / str(index)))
        damage(output / "checkpoints" / name, how)
        told: list[str] = []
        found = newest(output, ARRAYS, told.append)
        assert found is not None
        if not is_seen(name):
            assert (found.number, told) == (2, [])
            continue
        assert (found.number, found.place) == (1, {"rows": [1, 0.1]}), name
        hashes = name == "2.sha256.json"
        reason = (
            ("was not written to the end" if how == "gone" else "has damaged hashes")
            if hashes and how != "flipped"
            else None
        )
        (line,) = told
        assert line.startswith(f"checkpoint {output}/checkpoints/2 ")
        assert line.endswith(": the one before it is used")
        assert reason is None or reason in line
        file = name.partition("/")[2]
        assert hashes or (f"has lost {file}" if how == "gone" else f"is damaged ({file})") in line
        left = [] if reason == "was not written to the end" else ["2.damaged"]
        assert there(output) == sorted([*whole(1), *left])


@pytest.mark.parametrize(
    "how", ["cut", *(pytest.param(how, marks=pytest.mark.slow) for how in ("gone", "flipped"))]
)
def test_damage_to_an_older_one_does_not_stop_the_run(how, two, tmp_path):
    """Orbax reads the accuracies of all checkpoints, and stops at one that it cannot
    read."""
    for index, name in enumerate(files(two, 1)):
        output = Path(shutil.copytree(two, tmp_path / str(index)))
        damage(output / "checkpoints" / name, how)
        told: list[str] = []
        found = newest(output, ARRAYS, told.append)
        assert found is not None
        assert found.number == 2, name
        lost = how == "gone" and not name.endswith("json")
        assert len(told) == (is_seen(name) and not lost)
        assert all(": it is left out" in line for line in told)
        with Checkpoints(output) as checkpoints:
            checkpoints.save(3, changed(3), {}, 0.7)
        assert set(there(output)) >= set(whole(2, 3))


def test_where_all_are_damaged_there_is_none_and_nothing_is_thrown_away(output):
    for number in (1, 2):
        damage(output / "checkpoints" / str(number) / "place" / "metadata", "flipped")
    told: list[str] = []
    assert newest(output, ARRAYS, told.append) is None
    assert len(told) == 2
    assert there(output) == ["1.damaged", "2.damaged"]


def test_a_number_that_was_damaged_is_written_again(output):
    for _ in range(2):
        damage(output / "checkpoints" / "2" / "place" / "metadata", "cut")
        found = newest(output, ARRAYS, lambda line: None)
        assert found is not None
        assert found.number == 1
        with Checkpoints(output) as checkpoints:
            checkpoints.save(2, changed(9), {"again": True}, 0.1)
        found = newest(output, ARRAYS, pytest.fail)
        assert found is not None
        assert found.place == {"again": True}
        np.testing.assert_array_equal(found.arrays["['w']"], changed(9)["['w']"])
    assert there(output) == sorted([*whole(1, 2), "2.damaged"])


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({**ARRAYS, "['b']": np.zeros(3, np.float32)}, r"\['b'\] as nothing, .* float32 \(3,\)"),
        (
            {**ARRAYS, "['w']": np.zeros((3, 2), np.float32)},
            r"\['w'\] as float32 \(2, 3\), where the run has float32 \(3, 2\)",
        ),
        (
            {**ARRAYS, "['step']": np.zeros((), np.int64)},
            r"\['step'\] as int32 \(\), where the run has int64 \(\)",
        ),
        (
            {name: array for name, array in ARRAYS.items() if name != "['key']"},
            r"\['key'\] as uint32 \(2,\), where the run has nothing",
        ),
    ],
    ids=["one more", "another shape", "another dtype", "one less"],
)
def test_one_of_another_network_is_refused_and_kept(shapes, message, output):
    with pytest.raises(ConfigError, match=f"/checkpoints/2 has {message}: is it another network"):
        newest(output, shapes, pytest.fail)
    assert there(output) == whole(1, 2)


# What killed processes leave.


def test_an_old_one_that_was_being_removed_is_removed(output):
    """It lacks files; nothing is wrong with the run, so nothing is said."""
    shutil.rmtree(output / "checkpoints" / "1" / "arrays")
    found = newest(output, ARRAYS, pytest.fail)
    assert found is not None
    assert found.number == 2
    assert there(output) == whole(2)


def test_leftovers_of_a_killed_process_are_no_checkpoints_and_go(output):
    """Killed while orbax wrote; before the hashes; and while they were written."""
    folder = output / "checkpoints"
    shutil.copytree(folder / "2", folder / "3.orbax-checkpoint-tmp")
    shutil.copytree(folder / "2", folder / "4")
    (folder / ".4.sha256.json.123456.partial").write_text("{")
    told: list[str] = []
    found = newest(output, ARRAYS, told.append)
    assert found is not None
    assert found.number == 2
    assert told == [f"checkpoint {folder}/4 was not written to the end: the one before it is used"]
    with Checkpoints(output) as checkpoints:
        checkpoints.save(3, changed(3), {}, -1)
    assert there(output) == whole(1, 2, 3)
