"""What drove an answer: the gradient and the maps, against their definitions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stored_runs import write_run, write_statistics_run

import jaxcnn
from jaxcnn import layers
from jaxcnn.programs.predict.explaining import Explainer, last_features
from jaxcnn.programs.predict.picture import picture
from tests.stored._stored_models import ABOUT, arrays, build, drawn, images


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """A network that ends in a mean over space and a dense layer."""
    folder = tmp_path_factory.mktemp("pooled")
    return jaxcnn.load(write_statistics_run(folder), model=build)


def logit(stored, image: np.ndarray, label: int) -> float:
    """By the library, of pixels that need not be whole numbers."""
    x = jnp.asarray(image, jnp.float32)[None]
    return float(stored.logits(stored.params, stored.state, x)[0, label])


def test_the_input_gradient_is_the_slope_of_the_logit(pooled):
    image = images(1)[0]
    found = Explainer(pooled)(image, 1).gradient
    assert found.shape == (8, 8)
    step = 0.5
    for row, column in ((0, 0), (3, 4), (7, 2)):
        up, down = (image.astype(np.float32) for _ in range(2))
        up[row, column] += step
        down[row, column] -= step
        slope = (logit(pooled, up, 1) - logit(pooled, down, 1)) / (2 * step) * 255
        assert found[row, column] == pytest.approx(abs(slope), rel=0.05, abs=0.02)


def test_the_class_activation_map_is_the_answer_place_by_place(pooled):
    """Its mean is the logit without the bias, where nothing was cut off at 0."""
    image = images(1)[0]
    params = pooled.params
    x = (jnp.asarray(image, jnp.float32)[None] / 255 - 0.4) / 0.2
    features = layers.outputs(pooled.model, params, pooled.state, x)["2_relu"][0]
    for label in range(3):
        found = Explainer(pooled)(image, label)
        assert (found.method, found.layer) == ("class activation map", "2_relu")
        places = np.asarray(features @ params["4_dense"]["w"][:, label])
        np.testing.assert_allclose(found.places, np.maximum(places, 0), rtol=1e-4, atol=1e-5)
        bias = float(params["4_dense"]["b"][label])
        assert places.mean() + bias == pytest.approx(logit(pooled, image, label), abs=1e-4)


def test_grad_cam_is_the_weighted_sum_of_features(tmp_path):
    jaxcnn.save(tmp_path / "lenet", *arrays(), **ABOUT)
    stored = jaxcnn.load(tmp_path / "lenet")
    image = images(1)[0]
    found = Explainer(stored)(image, 2)
    assert (found.method, found.layer) == ("Grad-CAM", "4_relu")
    x = (jnp.asarray(image, jnp.float32)[None] / 255 - 0.4) / 0.2
    features = layers.outputs(stored.model, stored.params, stored.state, x)["4_relu"]
    assert found.places.shape == features.shape[1:3] == (4, 4)

    def rest(features):
        for entry, part in stored.model.parts[5:]:
            features, _ = part.apply(stored.params.get(entry, {}), {}, features)
        return features[0, 2]

    alpha = jax.jit(jax.grad(rest))(features)[0].mean(axis=(0, 1))
    wanted = np.maximum(np.asarray(features[0] @ alpha), 0)
    np.testing.assert_allclose(found.places, wanted, rtol=1e-4, atol=1e-6)


def test_grad_cam_is_the_class_activation_map_up_to_a_factor(pooled, tmp_path):
    """The same network, its end in a layer of its own: nothing says that it pools."""

    def wrapped(width):
        parts = [part for _, part in build(width).parts]
        return layers.serial(*parts[:3], layers.serial(*parts[3:]))

    params = {k: v for k, v in pooled.params.items() if k != "4_dense"}
    params |= {"3_serial": {"1_dense": pooled.params["4_dense"]}}
    about = {"model": None, "arguments": {"width": 4}, "classes": ["a", "b", "c"]}
    about |= {"image_size": 8, "normalisation": pooled.normalisation}
    jaxcnn.save(tmp_path / "wrapped", params, pooled.state, **about)
    image = images(1)[0]
    other = Explainer(jaxcnn.load(tmp_path / "wrapped", model=wrapped))(image, 0)
    assert (other.method, other.layer) == ("Grad-CAM", "2_relu")
    wanted = Explainer(pooled)(image, 0).places
    np.testing.assert_allclose(64 * other.places, wanted, rtol=1e-4, atol=1e-5)


def test_maps_are_averaged_over_mirror_images_where_the_model_is(tmp_path):
    stored = {}
    for mirror in (False, True):
        folder = write_run(tmp_path / str(mirror), mirror=mirror)
        stored[mirror] = jaxcnn.load(folder, model=lambda: build_of_runs())
    image = images(1)[0]
    explain = Explainer(stored[True])
    found, other = explain(image, 2), explain(image[:, ::-1], 2)
    np.testing.assert_allclose(found.places, other.places[:, ::-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.gradient, other.gradient[:, ::-1], rtol=1e-4, atol=1e-5)
    plain = Explainer(stored[False])(image, 2)  # whose kernels of one tap have no direction
    np.testing.assert_allclose(found.places, plain.places, rtol=1e-4, atol=1e-5)
    assert not np.allclose(plain.places, plain.places[:, ::-1])


def build_of_runs():
    return layers.serial(layers.conv(2, 1), layers.global_avg_pool(), layers.dense(3))


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        (jaxcnn.models.lenet(3), "4_relu"),
        (jaxcnn.models.resnet(3, features=(2, 4), blocks=1), "6_relu"),
        (jaxcnn.models.vgg(3, features=((2,), (3,)), hidden=(4,)), "6_relu"),
        (layers.serial(layers.conv(2, 3), layers.max_pool(2), layers.flatten()), "0_conv"),
        (layers.serial(layers.flatten(), layers.dense(3)), None),
        (layers.dense(3), None),
        (layers.residual(layers.conv(1, 3)), None),
        (layers.serial(layers.max_pool(2), layers.relu(), layers.flatten()), None),
    ],
    ids=["lenet", "resnet", "vgg", "no activation", "no places", "one layer", "parallel", "none"],
)
def test_the_features_are_those_behind_the_last_convolution(model, layer):
    params, state = drawn(model)
    found = last_features(model, params, state, (1, 8, 8, 1))
    assert (None if found is None else model.parts[found][0]) == layer


def test_a_network_without_places_has_the_gradient_alone(tmp_path):
    def flat():
        return layers.serial(layers.flatten(), layers.dense(2))

    about = {"model": None, "classes": ["a", "b"], "image_size": 8, "channels": 1}
    jaxcnn.save(tmp_path / "flat", *drawn(flat()), **about)
    found = Explainer(jaxcnn.load(tmp_path / "flat", model=flat))(images(1)[0], 0)
    assert (found.places, found.method, found.layer) == (None, "", "")
    assert len(picture(images(1)[0], found, "a.png", 0, ["a"], 0.5).axes) == 2


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_says_what_it_shows(channels, pooled):
    image = images(1)[0].repeat(channels, axis=2)
    explanation = Explainer(pooled)(images(1)[0], 0)
    figure = picture(image, explanation, "x/$a_b$\n.png", 1, ["dog", "cat"], 0.25)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["as the network saw it", "input gradient", "class activation map, 2_relu"]
    assert figure.get_suptitle() == r"$a_b$\n.png" + "\ncat, 25.0%"
    figure.draw_without_rendering()
