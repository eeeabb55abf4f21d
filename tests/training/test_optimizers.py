"""Every optimiser that optax exports: it trains, or it is refused by name; and it never
deletes what is the caller's."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

from jaxcnn.training import init_train_state, make_train_step, scan_steps
from tests.daily import daily
from tests.training._optimizers import KEY, PARTS, REFUSED, TRAINS, exported, make, problem, quickly

pytestmark = pytest.mark.usefixtures("standard_promotion")


def test_the_tables_have_all_that_optax_exports():
    assert exported() <= {*TRAINS, *PARTS, *REFUSED}
    assert len(exported()) > 90
    assert set(PARTS.values()) <= {*TRAINS}


DAILY = {
    "adam",
    "adafactor",
    "sgd",
    "lion",
    "lbfgs",
    "polyak_sgd",
    "partition",
    "inject_hyperparams",
    "MultiSteps",
    "wrappers",
    "schedule_free_adamw",
    "reduce_on_plateau",
    "sam",
}


@pytest.mark.parametrize("name", daily(TRAINS, DAILY))
def test_optimisers_train_and_delete_nothing_of_the_callers(name):
    """In a scan, so that what goes in and what comes out are of one type; the state
    that goes in is donated."""
    kernel = jnp.array(
        [[0.1, 0.2], [0.9, 0.4], [0.5, 0.6]]
    )  # wrong: what counts is the first of three numbers
    model, xs, ys = problem(kernel)
    optimizer = make(TRAINS[name])
    state = init_train_state(model, optimizer, KEY, (1, 3))
    state, metrics = quickly(scan_steps(make_train_step(model, optimizer)), state, xs, ys)
    assert metrics["finite"].all()
    assert metrics["loss"][-1] < 0.99 * metrics["loss"][0], metrics["loss"]
    assert not kernel.is_deleted()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name):
    factory, message = REFUSED[name]
    model, xs, ys = problem()
    with pytest.raises(ValueError, match=message):
        optimizer = make(factory)
        make_train_step(model, optimizer)(
            init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0]
        )
