"""Orders of an epoch, statistics, memory, options: what is computed without files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.programs.data.memory import GIGABYTE, available, budget
from jaxcnn.programs.data.options import DataOptions, check_data_options, recorded_options
from jaxcnn.programs.data.order import epoch_order
from jaxcnn.programs.data.splits import Split
from jaxcnn.programs.data.statistics import channel_sums, fingerprint_of, normalisation_of
from jaxcnn.programs.options import ConfigError

# The order.


def test_an_epoch_visits_an_image_at_most_once():
    order = epoch_order(seed=0, epoch=3, count=10, batch_size=3)
    assert order.shape == (3, 3)
    assert len(set(order.flat)) == 9
    assert set(order.flat) < set(range(10))


def test_an_order_is_that_of_its_seed_and_epoch():
    """Whatever was computed before: a run can be taken up anywhere."""
    orders = {
        (seed, epoch): epoch_order(seed, epoch, 50, 7).tobytes()
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(set(orders.values())) == 16
    for (seed, epoch), order in reversed(orders.items()):
        assert epoch_order(seed, epoch, 50, 7).tobytes() == order


def test_each_image_comes_at_each_place():
    """Of 300 epochs, a tenth each within five standard deviations."""
    places = np.stack([epoch_order(0, epoch, 10, 10)[0] for epoch in range(300)])
    counts = np.stack([np.bincount(column, minlength=10) for column in places.T])
    assert np.abs(counts - 30).max() < 5 * np.sqrt(300 * 0.1 * 0.9)


def test_too_few_images_are_no_batch():
    assert epoch_order(0, 0, 2, 3).shape == (0, 3)


@pytest.mark.parametrize("wrong", [(-1, 0, 5, 1), (0, -1, 5, 1), (0, 0, -5, 1), (0, 0, 5, 0)])
def test_an_order_of_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match="seed, epoch and count must be at least 0"):
        epoch_order(*wrong)


def test_a_process_can_read_its_share_of_each_batch():
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    split = Split(images, np.arange(20, dtype=np.int32))
    order = epoch_order(0, 0, 20, 6)
    whole = [x for x, _ in split.batches(order)]
    shares = [[x for x, _ in split.batches(order[:, part])] for part in (slice(3), slice(3, 6))]
    for batch, *parts in zip(whole, *shares, strict=True):
        np.testing.assert_array_equal(batch, np.concatenate(parts))


# Statistics.


def test_sums_are_exact_and_of_each_channel():
    images = np.random.default_rng(0).integers(0, 256, (700, 5, 4, 3), np.uint8)
    values = images.astype(np.int64)
    sums = channel_sums(images)
    np.testing.assert_array_equal(sums[0], values.sum(axis=(0, 1, 2)))
    np.testing.assert_array_equal(sums[1], (values**2).sum(axis=(0, 1, 2)))
    mean, std = normalisation_of(sums, 700 * 5 * 4)
    np.testing.assert_allclose(mean, values.mean(axis=(0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(std, values.std(axis=(0, 1, 2)) / 255, rtol=1e-12)


def test_the_largest_values_do_not_overflow():
    sums = channel_sums(np.full((300, 64, 64, 1), 255, np.uint8))
    assert sums.tolist() == [[300 * 4096 * 255], [300 * 4096 * 255**2]]
    assert normalisation_of(sums, 300 * 4096) == ((1.0,), (1.0,))


def test_a_small_deviation_is_not_lost():
    """In float64, one value that differs by 1 among a million is."""
    pixels = 10**9
    first, second = 255 * pixels - 1, 255**2 * pixels - 509
    _, (std,) = normalisation_of(np.array([[first], [second]]), pixels)
    assert std == pytest.approx(1 / np.sqrt(pixels) / 255, rel=1e-6)


def test_fingerprints_tell_where_names_end():
    labels, digests = np.zeros(2, np.int32), np.zeros((2, 16), np.uint8)
    prints = {
        fingerprint_of((1, 1, 1), classes, [(names, labels, digests)])
        for classes in (("a", "b"), ("ab",))
        for names in (("a", "bc"), ("ab", "c"), ("abc",))
    }
    assert len(prints) == 6


# Memory.


def meminfo(folder, kilobytes):
    (folder / "proc" / "self").mkdir(parents=True, exist_ok=True)
    (folder / "proc" / "meminfo").write_text(
        f"MemTotal: 99 kB\nMemAvailable:   {kilobytes} kB\nSwap: 0 kB\n"
    )


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def in_gigabytes(tmp_path):
    return available(tmp_path / "proc", tmp_path / "cgroup") / GIGABYTE


def test_memory_is_that_of_the_machine(tmp_path):
    meminfo(tmp_path, 16 * GIGABYTE // 1024)
    assert in_gigabytes(tmp_path) == pytest.approx(16)
    write(tmp_path / "cgroup", memory__max="max", memory__current=0)
    assert in_gigabytes(tmp_path) == pytest.approx(16)


@pytest.mark.parametrize("path", ["", "a/b", "a"])
def test_memory_is_that_of_a_control_group(tmp_path, path):
    """Of its own, or of one above it; what files take of it can be had."""
    meminfo(tmp_path, 16 * GIGABYTE // 1024)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/a/b\n")
    write(
        tmp_path / "cgroup" / path,
        memory__max=4 * GIGABYTE,
        memory__current=3 * GIGABYTE,
        memory__stat=f"anon 7\ninactive_file {2 * GIGABYTE}",
    )
    assert in_gigabytes(tmp_path) == pytest.approx(3)


def test_memory_is_that_of_a_control_group_of_the_first_version(tmp_path):
    meminfo(tmp_path, 16 * GIGABYTE // 1024)
    (tmp_path / "proc" / "self" / "cgroup").write_text("4:memory:/job\n3:cpu:/\n")
    write(
        tmp_path / "cgroup" / "memory" / "job",
        memory__limit_in_bytes=5 * GIGABYTE,
        memory__usage_in_bytes=GIGABYTE,
    )
    assert in_gigabytes(tmp_path) == pytest.approx(4)


def test_where_nothing_is_told_there_is_a_guess(tmp_path):
    assert 0 < in_gigabytes(tmp_path) < 10_000


def test_a_budget_is_half_of_it_or_what_was_asked_for():
    assert budget(2.5) == 2_500_000_000
    assert 0 < budget(None) <= available()


# Options.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "folder"}, "--data-dir must be given with --dataset folder: .*, got nothing"),
        ({"image_size": 0}, "--image-size must be at least 1, got 0"),
        ({"image_size": 20_000}, "--image-size must be at most 16,384, got 20000"),
        ({"channels": 4}, "--channels must be 1 or 3, got 4"),
        ({"fit": "squeeze"}, "--fit must be crop, pad or stretch, got squeeze"),
        ({"classes": ("1",)}, "--classes must be at least two names, got 1"),
        ({"classes": ("1", "2", "1")}, "--classes must be different names, got 1 twice"),
        ({"test_share": 0.0}, "--test-share must be above 0 and below 1, got 0.0"),
        ({"test_share": 1.0}, "--test-share must be above 0 and below 1, got 1.0"),
        ({"split_seed": -1}, "--split-seed must be at least 0, got -1"),
        ({"most_broken": 1.5}, "--most-broken must be between 0 and 1, got 1.5"),
        ({"memory_gb": 0.0}, "--memory-gb must be a positive number, got 0.0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        check_data_options(DataOptions(**options))


def test_what_a_run_recorded_is_what_it_had():
    options = DataOptions("folder", Path("here"), 32, 3, "pad", ("b", "a"), 0.3, 5, 0.2, 1.5)
    record = {**asdict(options), "data_dir": "here", "classes": ["b", "a"], "epochs": 3}
    assert recorded_options(json.loads(json.dumps(record))) == options
    assert recorded_options({"epochs": 3}) == DataOptions()


@pytest.mark.parametrize(
    "record",
    [{"image_size": "32"}, {"data_dir": 3}, {"classes": 3}, {"test_share": []}, {"dataset": "x"}],
)
def test_a_damaged_record_is_told(record):
    with pytest.raises(ConfigError):
        recorded_options(record)
