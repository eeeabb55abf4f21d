"""What an optimiser is given: the gradient; the loss as a value and as a function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import init_train_state, make_train_step
from tests.training._optimizers import KEY, problem

pytestmark = pytest.mark.usefixtures("standard_promotion")


def spy(*names: str, others: bool = True) -> optax.GradientTransformationExtraArgs:
    """Gradient descent whose state is what it was given, by name, with functions
    evaluated at the parameters."""

    def init(params):
        values = {
            "value": jnp.zeros(()),
            "value_fn": jnp.zeros(()),
            "obj_fn": jnp.zeros(()),
            "grad": params,
            "grad_fn": params,
        }
        return {name: values[name] for name in names}

    def update(updates, state, params, **extra):
        given = {name: extra[name] for name in names}
        calls = {"value_fn": (params,), "obj_fn": (params,), "grad_fn": (params, 0)}
        seen = {
            name: value(*calls[name]) if name in calls else value for name, value in given.items()
        }
        return jax.tree.map(lambda g: -0.1 * g, updates), seen

    def strict(updates, state, params, *, value, value_fn):
        return update(updates, state, params, value=value, value_fn=value_fn)

    return optax.GradientTransformationExtraArgs(init, update if others else strict)


def noisy():
    """A model whose loss depends on the key, in batches of one."""
    return layers.serial(layers.batch_norm(), layers.dropout(0.5), layers.dense(2))


@pytest.mark.slow
def test_an_update_is_given_the_loss_and_its_gradient_as_values_and_as_functions():
    """On the same batch, with the same key: with dropout, they would differ
    otherwise."""
    optimizer = spy("value", "grad", "value_fn", "obj_fn", "grad_fn")
    x, y = jax.random.normal(KEY, (16, 3)), jnp.arange(16) % 2
    state = init_train_state(noisy(), optimizer, KEY, x.shape)
    state, metrics = make_train_step(noisy(), optimizer)(state, x, y)
    seen = state.opt_state
    for name in ("value", "value_fn", "obj_fn"):
        np.testing.assert_allclose(seen[name], metrics["loss"], rtol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        seen["grad"],
        seen["grad_fn"],
    )
    assert np.any(seen["grad"]["2_dense"]["w"] != 0)


@pytest.mark.parametrize("chained", [False, True])
def test_an_update_need_not_take_all_of_it(chained):
    optimizer = spy("value", "value_fn", others=False)
    model, xs, ys = problem()
    outer = optax.chain(optax.clip(1.0), optimizer) if chained else optimizer
    state = init_train_state(model, outer, KEY, (1, 3))
    state, metrics = make_train_step(model, outer)(state, xs[0], ys[0])
    seen = state.opt_state[1] if chained else state.opt_state
    np.testing.assert_allclose([seen["value"], seen["value_fn"]], 2 * [metrics["loss"]], rtol=1e-6)


def test_an_update_that_takes_nothing_more_is_given_nothing():
    def update(updates, state, params=None, *args, **kwargs):
        assert not args
        assert not kwargs
        return updates, state

    model, xs, ys = problem()
    optimizer = optax.GradientTransformation(lambda params: (), update)
    make_train_step(model, optimizer)(init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0])


def test_an_error_of_the_optimisers_own_stays_what_it_is():
    def update(updates, state, params):
        raise KeyError("of its own")

    model, xs, ys = problem()
    optimizer = optax.GradientTransformation(lambda params: (), update)
    with pytest.raises(KeyError, match="of its own"):
        make_train_step(model, optimizer)(
            init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0]
        )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(optax.sgd(0.1), optax.adam(0.1), id="without moments"),
        pytest.param(optax.adam(0.1), optax.lbfgs(), id="line search"),
        pytest.param(optax.chain(optax.clip(1.0), optax.adam(0.1)), optax.adam(0.1), id="longer"),
    ],
)
def test_the_state_of_another_optimiser_is_refused(first, second):
    model, xs, ys = problem()
    with pytest.raises(
        ValueError, match=r"state must be made with this optimizer .* opt_state differs at"
    ):
        make_train_step(model, second)(init_train_state(model, first, KEY, (1, 3)), xs[0], ys[0])
