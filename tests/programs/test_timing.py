"""The timer, by a clock that only the functions turn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.programs.timing import SHORTEST_SAMPLE, Timing, interleaved, ratio


class Machine:
    """Wall and CPU clocks, and functions that take what they are told."""

    def __init__(self, cores=1.0):
        self.now, self.busy, self.cores, self.calls = 0.0, 0.0, cores, []

    def function(self, name, *seconds):
        """Takes these seconds, one after another; then the last again and again."""
        left = list(seconds)

        def call():
            taken = left.pop(0) if len(left) > 1 else left[0]
            self.now += taken
            self.busy += self.cores * taken
            self.calls.append(name)

        return call

    def time(self, repetitions, **seconds):
        functions = {name: self.function(name, *s) for name, s in seconds.items()}
        return interleaved(functions, repetitions, wall=lambda: self.now, cpu=lambda: self.busy)


def test_quartiles_of_the_samples_without_the_first_call():
    """The first compiles, the second finds how many calls make a sample."""
    timing = Machine().time(5, f=(100.0, 50.0, 1.0, 5.0, 2.0, 4.0, 3.0))["f"]
    assert timing == Timing(
        median=3.0, low=2.0, high=4.0, utilisation=1.0, samples=(1.0, 5.0, 2.0, 4.0, 3.0)
    )


def test_functions_take_turns_and_another_begins_each_time():
    machine = Machine()
    timings = machine.time(4, a=(1.0,), b=(1.0,), c=(1.0,))
    assert list(timings) == ["a", "b", "c"]
    assert "".join(machine.calls) == "aa" + "bb" + "cc" + "abc" + "bca" + "cab" + "abc"


def test_short_calls_are_repeated():
    machine = Machine()
    timings = machine.time(3, short=(0.3e-3,), long=(5e-3,), just=(SHORTEST_SAMPLE,))
    assert timings["short"].samples == pytest.approx([0.3e-3] * 3)
    assert timings["long"].median == pytest.approx(5e-3)
    # one to compile; 1, 2, 4, 8 to find that 8 last 2.4 ms; three samples
    assert machine.calls.count("short") == 1 + (1 + 2 + 4 + 8) + 3 * 8
    assert machine.calls.count("long") == machine.calls.count("just") == 1 + 1 + 3


def test_utilisation():
    assert Machine(cores=1.5).time(2, f=(1.0,))["f"].utilisation == pytest.approx(1.5)
    assert Machine(cores=1.5).time(2, f=(1e-4,))["f"].utilisation == pytest.approx(1.5)


def test_results_are_waited_for():
    machine = Machine()

    class Pending:
        def block_until_ready(self):
            machine.now += 2.0
            return self

    timing = interleaved(
        {"f": lambda: {"y": Pending()}}, 2, wall=lambda: machine.now, cpu=lambda: 0.0
    )["f"]
    assert timing.median == 2.0


def test_jax_functions():
    timing = interleaved({"f": jax.jit(lambda: jnp.ones(3))}, 2)["f"]
    assert len(timing.samples) == 2
    assert timing.low <= timing.median <= timing.high


@pytest.mark.parametrize(("functions", "repetitions"), [({}, 3), ({"f": int}, 0)])
def test_nothing_to_time(functions, repetitions):
    with pytest.raises(ValueError, match="must be at least one"):
        interleaved(functions, repetitions)


def test_a_ratio_is_of_pairs():
    """The machine slows down to a tenth: the ratio does not."""
    base = np.geomspace(1.0, 10.0, 9)
    assert ratio(2 * base, base)[:3] == pytest.approx((2.0, 2.0, 2.0))
    assert ratio(base, 2 * base).median == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("n", "low", "high", "coverage"),
    [
        (1, 1, 1, 0.0),
        (5, 1, 5, 1 - 2 / 32),
        (6, 1, 6, 1 - 2 / 64),
        (8, 1, 8, 1 - 2 / 256),
        (9, 2, 8, 1 - 20 / 512),
        (20, 6, 15, 0.9586),
        (25, 8, 18, 0.9567),
    ],
)
def test_interval_of_a_median(n, low, high, coverage):
    """Values of published tables: the k-th smallest and k-th largest of n."""
    ratios = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    result = ratio(ratios, np.ones(n))
    assert (result.low, result.high) == (low, high)
    assert result.median == (n + 1) / 2
    assert result.coverage == pytest.approx(coverage, abs=1e-4)


def test_the_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    runs = [ratio(rng.lognormal(size=9), np.ones(9)) for _ in range(4000)]
    share = np.mean([r.low <= 1.0 <= r.high for r in runs])
    assert share == pytest.approx(runs[0].coverage, abs=0.01)  # three standard deviations


@pytest.mark.parametrize(("times", "base"), [([], []), ([1.0], [1.0, 2.0])])
def test_samples_that_are_no_pairs(times, base):
    with pytest.raises(ValueError, match="one sample per repetition of one run"):
        ratio(times, base)
