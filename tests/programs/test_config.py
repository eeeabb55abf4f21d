"""The options of a training run: what makes no sense is refused in one line that has
the option, what came, and what is needed.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from jaxcnn.programs.train.config import Config, ConfigError, check, check_with_data
from jaxcnn.programs.train.optimizer import make_schedule

HUGE = 10**12


COUNTS = (
    "epochs",
    "batch_size",
    "accumulate",
    "steps_per_dispatch",
    "shift",
    "crop",
    "cutout",
    "seed",
    "image_size",
    "split_seed",
    "checkpoint_epochs",
)


OF_MACHINES = ("processes", "process_id")  # which `find_place` bounds


NUMBERS = (
    "learning_rate",
    "warmup_epochs",
    "momentum",
    "weight_decay",
    "clip_norm",
    "average_decay",
    "label_smoothing",
    "brightness",
    "contrast",
    "saturation",
    "mixup",
    "test_share",
    "most_broken",
    "memory_gb",
    "norm_rate",
    "checkpoint_minutes",
)


def test_there_is_a_bound_for_every_number():
    kinds = {field.name: field.type for field in fields(Config)}
    assert sorted(n for n, kind in kinds.items() if re.match("int|float", kind)) == sorted(
        [*COUNTS, *NUMBERS, "devices", *OF_MACHINES]
    )


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [-1, 2**31, HUGE, 10**4000])
def test_counts_have_an_end_on_both_sides(name, value):
    with pytest.raises(ConfigError) as caught:
        check(replace(Config(), **{name: value}))
    came = value if value < 10**4000 else r"10{39}\.\.\. \(4,001 characters\)"
    assert re.fullmatch(rf"--{name.replace('_', '-')} must be .*, got {came}", str(caught.value))


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308, -1e-300])
def test_numbers_are_finite_and_float32(name, value):
    with pytest.raises(
        ConfigError, match=rf"^--{name.replace('_', '-')} must be .*, got {re.escape(str(value))}$"
    ):
        check(replace(Config(), **{name: value}))


def test_the_largest_that_make_sense_are_taken():
    config = Config(
        epochs=10**6,
        batch_size=2**31 - 1,
        seed=2**31 - 1,
        warmup_epochs=1e6,
        weight_decay=1e38,
        clip_norm=1e-37,
    )
    check(
        replace(
            config,
            steps_per_dispatch=2**31 - 1,
            learning_rate=3e38,
            momentum=0.0,
            average_decay=0.0,
        )
    )
    check_with_data(
        Config(shift=7, cutout=8, batch_size=1437, epochs=5, accumulate=5), 1437, (8, 9, 1)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1438}, "--batch-size must be at most the 1,437 training images, got 1,438"),
        (
            {"epochs": 2, "batch_size": 1000, "accumulate": 3},
            "--accumulate must be at most the 2 batches of the run",
        ),
        (
            {"accumulate": HUGE},
            (
                "--accumulate must be at most the 1,320 batches of the run, or else there is no"
                " update, got 1000"
            ),
        ),
        (
            {"shift": 8},
            (
                "--shift must be less than the 8 pixels of an image, of which nothing would be"
                " left, got 8"
            ),
        ),
        ({"cutout": 9}, "--cutout must be at most the 8 pixels of an image, got 9"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(options, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        check_with_data(Config(**options), 1437, (8, 9, 1))


def test_more_steps_than_can_be_counted_are_refused():
    with pytest.raises(
        ConfigError,
        match=r"^--epochs must be at most 35,791, .* an epoch has 60,000 steps, got 1000000$",
    ):
        check_with_data(Config(epochs=10**6, batch_size=1), 60_000, (28, 28, 1))


def test_a_warm_up_longer_than_the_run_is_all_of_it():
    long, whole = (
        make_schedule(Config(warmup_epochs=epochs), epochs=2, updates_per_epoch=5)
        for epochs in (1e6, 2)
    )
    assert [float(long(i)) for i in range(10)] == [float(whole(i)) for i in range(10)]
