"""Does oneDNN, called by threads and on two devices at once, ever hang or give another
result?

    python -m experiments.onednn_stress --seconds 60
    python -m experiments.onednn_stress --seconds 600 --dtypes float32 bfloat16

A process for each dtype draws problems that oneDNN takes, and compares all three maps
with lax, in whole numbers. Then it computes a few in threads and on two virtual
devices, and compares each result with the first. This process watches: one that says
nothing for `--silence` seconds hangs, and is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Timer
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw
from jaxcnn.check.cases import ConvCase
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops.convolution.functions import conv
from jaxcnn.ops.convolution.methods import LAX, ONEDNN, Problem, onednn
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.onednn.trial import results
from jaxcnn.programs.options import ConfigError, require_count

PROGRAM = "python -m experiments.onednn_stress"
SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 6, 6, 4), (3, 3, 4, 8), {"padding": 1}),
    ((1, 5, 8), (1, 8, 16), {}),
    ((4, 9, 7, 6), (3, 2, 3, 4), {"stride": 2, "groups": 2}),
    ((1, 3, 4, 3, 2), (2, 2, 2, 2, 2), {}),
    ((4, 28, 28, 64), (3, 3, 8, 64), {"padding": 1, "groups": 8}),
    ((6, 40, 40, 12), (3, 3, 1, 12), {"padding": 1, "groups": 12}),
)
THREADS = len(SHAPES)
CALLS = 100  # of a thread, before it says that it lives


class StressError(RuntimeError):
    """A process hung, died, or computed something else."""


@dataclass(frozen=True)
class Config:
    """Call oneDNN from threads and on two devices, and watch for hangs."""

    dtypes: tuple[str, ...] = certain_dtypes()
    """In which it computes; by default all that are certain here."""
    drawn: int = 100
    """How many problems are drawn for each dtype."""
    seed: int = 0
    """Of the problems."""
    seconds: int = 60
    """How long threads call then."""
    silence: int = 60
    """Seconds without a sign of life after which a process counts as hung."""


def main(config: Config) -> None:
    """Try each dtype in a process of its own; print the number of calls.

    Raises:
      ConfigError: if an option makes no sense.
      StressError: at the first process that hangs, dies or is wrong.
    """
    for name in ("drawn", "seconds", "silence"):
        require_count(name, getattr(config, name))
    unknown = [dtype for dtype in config.dtypes if dtype not in certain_dtypes()]
    if unknown or not config.dtypes:
        there = ", ".join(certain_dtypes()) or "none"
        raise ConfigError(f"--dtypes must be among those that are certain here, {there}")
    for dtype in config.dtypes:
        print(f"{dtype}: {watched(dtype, config):,} calls, all right and alike")


def watched(dtype: str, config: Config) -> int:
    """The number of calls that a process made."""
    code = (
        "from experiments.onednn_stress import calls, drawn;"
        f" drawn({dtype!r}, {config.drawn}, {config.seed}); calls({dtype!r}, {config.seconds})"
    )
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    words = [sys.executable, "-u", "-c", code]
    count, problem = 0, "none"
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while True:
            watchdog = Timer(config.silence, process.kill)
            watchdog.start()
            line = process.stdout.readline()
            hung = not watchdog.is_alive() and not line
            watchdog.cancel()
            if not line:
                break
            number, _, text = line.strip().partition(" ")
            count, problem = count + int(number), text or problem
        status = process.wait()
    after = f"after {count:,} calls; the last problem drawn was {problem}"
    if hung:
        raise StressError(f"{dtype} hung: no call was done in {config.silence} s, {after}")
    if status:
        raise StressError(f"{dtype} ended with status {status}, {after}")
    return count


def drawn(dtype: str, count: int, seed: int) -> None:
    """Compare all maps of so many problems with lax, and those of a batch, as the trial
    of a jaxlib does; say each problem beforehand.

    Raises:
      ArithmeticError: at the first number that is not right.
    """
    rng, found = np.random.default_rng(seed), 0
    while found < count:
        x_shape, w_shape, options = draw_problem(rng)
        try:
            problem = Problem.of(x_shape, w_shape, **options)
        except ValueError:  # the window is larger than the padded image
            continue
        if not onednn.takes(problem._replace(accumulation_dtype=np.dtype("float32")), dtype):
            continue
        print(f"5 x {x_shape}, w {w_shape}, {options}", flush=True)
        case = ConvCase("drawn", x_shape, w_shape, options)
        one, other = (results(case, method, dtype) for method in (ONEDNN, LAX))
        if not all(np.array_equal(values, other[name]) for name, values in one.items()):
            raise ArithmeticError(f"{x_shape}, {w_shape}, {options} in {dtype} is not lax's")
        found += 1


def draw_problem(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...], Any]:
    """Shapes of x and w, and options of `jaxcnn.conv`: small, of every kind."""
    axes = int(rng.choice([1, 2, 2, 2, 3]))

    def some(*numbers: int) -> tuple[int, ...]:
        return tuple(rng.choice(numbers, axes).tolist())

    space = some(1, 2, 3, 4, 6) if axes == 3 else some(1, 2, 3, 4, 5, 7, 9, 12, 20)
    taps = some(1, 1, 2, 3) if axes == 3 else some(1, 1, 2, 3, 3, 4, 5)
    images, groups = int(rng.choice([1, 1, 2, 3, 8])), int(rng.choice([1, 1, 1, 2, 4, 8]))
    c, o = rng.choice([1, 1, 2, 3, 4, 8, 16, 17, 32], 2).tolist()
    options = {
        "stride": some(1, 1, 1, 2, 2, 3, 4),
        "padding": tuple(zip(*(some(0, 0, 0, 1, 1, 2, 3, 5) for _ in "lh"), strict=True)),
        "dilation": some(1, 1, 1, 2, 3),
        "groups": groups,
    }
    return (images, *space, groups * c), (*taps, c, groups * o), options


def calls(dtype: str, seconds: int) -> None:
    """Compute for so many seconds, and print how many calls were made, now and then.

    Raises:
      ArithmeticError: if two results of one call differ.
    """
    end = time.monotonic() + seconds
    threads = range(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda thread: _of_a_thread(thread, dtype, end), threads))


def _of_a_thread(thread: int, dtype: str, end: float) -> None:
    x_shape, w_shape, options = SHAPES[thread % len(SHAPES)]
    rng = np.random.default_rng(0)
    device = jax.devices()[thread % 2]
    x, w = (
        jax.device_put(jnp.asarray(draw.integers(rng, shape), dtype), device)
        for shape in (x_shape, w_shape)
    )

    @jax.jit
    def both(x: jax.Array, w: jax.Array) -> tuple[jax.Array, ...]:
        y, pull = jax.vjp(lambda x, w: conv(x, w, method=ONEDNN, **options), x, w)
        return y, *pull(y)

    first = jax.device_get(both(x, w))
    while time.monotonic() < end:
        for _ in range(CALLS):
            found = both(x, w)
        for a, b in zip(first, jax.device_get(found), strict=True):
            if not np.array_equal(a, b):
                raise ArithmeticError(f"a result of {x_shape} in {dtype} is not the first one")
        print(f"{CALLS}\n", end="", flush=True)  # whole lines, of all threads


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""
    return run_program(
        "onednn_stress", lambda: main(parse(Config, PROGRAM, arguments)), failed=(StressError,)
    )


if __name__ == "__main__":
    sys.exit(command_line())
