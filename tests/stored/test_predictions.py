"""Probabilities of images: by the definition, whatever the batch."""

from __future__ import annotations

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.stored import model as of_models
from jaxcnn.stored.description import Normalisation
from jaxcnn.stored.inference import make_logits, normalised
from tests.stored._stored_models import ABOUT, OWN, arrays, build, images, own_arrays

MEAN, STD = 0.4, 0.2


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "mirror"])
def stored(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    jaxcnn.save(folder, *own_arrays(), **OWN | {"mirror": request.param})
    return jaxcnn.load(folder, model=build)


def expected(stored, x: np.ndarray) -> np.ndarray:
    """By the definition, in NumPy but for the network."""

    def logits(x):
        scaled = ((x.astype(np.float32) / 255 - MEAN) / STD).astype(np.float32)
        return np.asarray(build(4).apply(*own_arrays(), jnp.asarray(scaled))[0])

    found = logits(x)
    if stored.mirror:
        found = (found + logits(x[:, :, ::-1])) / 2
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_probabilities(count, stored):
    x = images(count)
    found = stored.predict(x)
    assert (found.dtype, found.shape) == (np.float32, (count, 3))
    np.testing.assert_allclose(found, expected(stored, x), rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_one_image_and_an_array_of_jax(stored):
    x = images(1)
    one = stored.predict(x[0])
    assert one.shape == (3,)
    for again in (stored.predict(x)[0], stored.predict(jnp.asarray(x))[0]):
        np.testing.assert_array_equal(again, one)


def test_a_mirror_image_has_the_same_probabilities_where_they_are_averaged(stored):
    x = images(3)
    same = np.allclose(stored.predict(x), stored.predict(x[:, :, ::-1]), rtol=1e-6)
    assert same == stored.mirror


def test_many_images_are_predicted_in_batches_of_a_few_sizes(stored, monkeypatch):
    monkeypatch.setattr(of_models, "MOST_IMAGES", 4)
    sizes = []
    predict = stored._predict
    monkeypatch.setitem(
        vars(stored), "_predict", lambda *given: (sizes.append(len(given[2])), predict(*given))[1]
    )
    x = images(11)
    np.testing.assert_allclose(stored.predict(x), expected(stored, x), rtol=1e-5)
    stored.predict(x[:5])
    assert sizes == [4, 4, 4, 4, 1]


@pytest.mark.parametrize(
    ("shape", "batch"), [((8, 8, 1), 1024), ((32, 32, 3), 256), ((224, 224, 3), 4)], ids=str
)
def test_larger_images_come_in_smaller_batches(shape, batch, stored):
    size, channels = shape[:2], shape[2]
    about = of_models.Description(**vars(stored.description) | {"image_size": size})
    about = of_models.Description(**vars(about) | {"channels": channels})
    assert of_models.StoredModel(stored.model, {}, {}, about, stored.logits).batch == batch


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (images(2) / 255, r"images must be uint8 of .*, got float64: values from 0 to 255"),
        (images(2).astype(np.int32), "got int32"),
        (images(2)[..., 0], r"got shape \(2, 8, 8\): is the channel axis missing\?"),
        (images(2)[0, ..., 0], r"got shape \(8, 8\): is the channel axis missing\?"),
        (images(2).repeat(2, axis=1), r"got shape \(2, 16, 8, 1\): bring them to the model's size"),
        (images(2).repeat(3, axis=3), r"\(n, 8, 8, 1\) or \(8, 8, 1\), got shape \(2, 8, 8, 3\)$"),
        ([[1]], r"images must be an array, uint8 of shape .*, got \[\[1\]\]"),
    ],
    ids=["floats", "ints", "no channels", "one without", "size", "colour", "list"],
)
def test_images_that_do_not_fit_are_refused(x, message, stored):
    with pytest.raises(ValueError, match=message):
        stored.predict(x)


def test_logits_are_a_pure_function(stored):
    """They can be differentiated, and exported with other params."""
    x = jnp.asarray(images(2))
    logits = jax.jit(stored.logits)(stored.params, stored.state, x)
    assert (logits.dtype, logits.shape) == (jnp.float32, (2, 3))
    np.testing.assert_allclose(
        jax.nn.softmax(logits, axis=-1), stored.predict(images(2)), rtol=1e-6
    )
    gradients = jax.grad(lambda p: jnp.sum(stored.logits(p, stored.state, x)))(stored.params)
    assert float(jnp.abs(gradients["0_conv"]["w"]).max()) > 0


def test_in_64_bits_a_model_is_loaded_and_gives_the_same(stored, tmp_path):
    jaxcnn.save(tmp_path / "model", *own_arrays(), **OWN)
    with jax.enable_x64(True):
        found = jaxcnn.load(tmp_path / "model", model=build)
        assert found.params["0_conv"]["w"].dtype == jnp.float32
        probabilities = found.predict(images(2))
    assert probabilities.dtype == np.float32
    if not stored.mirror:
        np.testing.assert_allclose(probabilities, stored.predict(images(2)), rtol=1e-6)


def test_normalisation_is_per_channel():
    x = np.array([0, 128, 255], np.uint8).reshape(1, 1, 1, 3)
    found = normalised(jnp.asarray(x), Normalisation((0.1, 0.2, 0.3), (1.0, 2.0, 4.0)))
    wanted = [(0 - 0.1) / 1, (128 / 255 - 0.2) / 2, (1 - 0.3) / 4]
    np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-6)
    assert found.dtype == jnp.float32


def test_the_rules_of_autodiff_give_the_same_logits(stored):
    x = jnp.asarray(images(2))
    logits = make_logits(
        stored.model, stored.normalisation, mirror=stored.mirror, ops=jaxcnn.AUTODIFF
    )
    np.testing.assert_allclose(
        logits(stored.params, stored.state, x),
        stored.logits(stored.params, stored.state, x),
        rtol=1e-4,
    )


def test_a_model_that_is_not_used_any_more_is_freed(tmp_path):
    jaxcnn.save(tmp_path / "model", *arrays(), **ABOUT)
    found = jaxcnn.load(tmp_path / "model")
    found.predict(images(1))
    kept = weakref.ref(found)
    del found
    gc.collect()
    assert kept() is None
