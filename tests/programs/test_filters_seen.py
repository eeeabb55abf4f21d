"""What excites filters: the search against brute force, the part that is marked, and
the climb along the gradient."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filter_runs import apart, loaded, save

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.programs.data.splits import Split
from jaxcnn.programs.filters import ascent
from jaxcnn.programs.filters.chosen import convolutions
from jaxcnn.programs.filters.exciting import search
from jaxcnn.programs.filters.learned import box_of
from tests.naive import conv_and_gradients
from tests.stored._stored_models import images

FIRST, SECOND = "0_conv", "3_residual/inner/1_batch_norm"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("deep"))


@pytest.fixture(scope="module")
def answers(stored):
    """(images, path) -> (n, h', w', o): what the layers give for uint8 images."""
    outputs = jax.jit(partial(layers.outputs, stored.model))

    def given(x: np.ndarray, path: str) -> np.ndarray:
        x = (jnp.asarray(x, jnp.float32) / 255 - 0.4) / 0.2
        return np.asarray(outputs(stored.params, stored.state, x)[path])

    return given


def split_of(count: int) -> Split:
    return Split(images(count), np.arange(count, dtype=np.int32) % 3)


# Which layers and filters there are.


def test_convolutions_with_their_answers(stored):
    found = convolutions(Path("run"), stored)
    assert [(each.path, each.answers) for each in found] == [
        (FIRST, FIRST),
        ("3_residual/inner/0_conv", SECOND),
        ("3_residual/inner/3_conv", "3_residual/inner/3_conv"),
    ]
    assert [each.field.size for each in found] == [(3, 3), (8, 8), (8, 8)]
    assert [each.channels for each in found] == [1, 3, 3]
    assert [each.size for each in found] == [(8, 8), (4, 4), (4, 4)]


def test_a_filter_of_a_group_knows_its_inputs(tmp_path):
    def model():
        return models.mobilenet(3, stem=(4, 1), blocks=((6, 1),))

    found = convolutions(tmp_path, jaxcnn.load(save(tmp_path, model()), model=model))
    assert [each.path for each in found] == ["0_conv", "3_conv", "6_conv"]
    assert [each.groups for each in found] == [1, 4, 1]
    assert [list(each.inputs(2)) for each in found] == [[0], [2], [0, 1, 2, 3]]


def test_where_branches_see_differently_nothing_is_marked(tmp_path):
    found = convolutions(tmp_path, jaxcnn.load(save(tmp_path, apart()), model=apart))
    assert [each.path for each in found] == ["0_conv", "1_residual/inner", "1_residual/shortcut"]
    assert [each.field is None for each in found] == [False, True, True]
    assert box_of(None, (0, 0)) is None


# The images that excite a filter most.


def test_the_search_finds_what_brute_force_finds(stored, answers):
    """Of the first layer, by the definition's loops; of the deeper one, image by
    image."""
    split = split_of(20)
    found = search(stored, {FIRST: [0, 2], SECOND: [1]}, split, np.arange(20), 4)
    x = (split.images / 255 - 0.4) / 0.2
    own = stored.params[FIRST]
    w = np.asarray(own["w"])
    window = jaxcnn.Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1))
    y, *_ = conv_and_gradients(x, w, np.zeros((20, 8, 8, 3)), window, 1)
    first = y + np.asarray(own["b"])
    second = np.concatenate([answers(split.images[[i]], SECOND) for i in range(20)])
    for path, filters, values in ((FIRST, [0, 2], first), (SECOND, [1], second)):
        for number, exciting in zip(filters, found.exciting[path], strict=True):
            largest = values[..., number].reshape(20, -1)
            order = np.argsort(-largest.max(axis=1), kind="stable")[:4]
            assert [each.image for each in exciting] == order.tolist()
            for each in exciting:
                place = int(largest[each.image].argmax())
                assert each.position == divmod(place, values.shape[2])
                assert each.answer == pytest.approx(largest[each.image, place], rel=1e-4)
    np.testing.assert_allclose(found.probabilities, stored.predict(split.images), rtol=1e-4)


def test_a_part_of_the_images_in_batches_gives_numbers_of_the_split(stored, monkeypatch):
    monkeypatch.setattr("jaxcnn.programs.filters.exciting.MOST_AT_ONCE", 4)
    split, chosen = split_of(20), np.array([19, 3, 4, 0, 11, 7])
    done: list[int] = []
    (exciting,) = search(stored, {FIRST: [1]}, split, chosen, 9, done.append).exciting[FIRST]
    assert sorted(each.image for each in exciting) == sorted(chosen.tolist())
    assert [each.answer for each in exciting] == sorted((e.answer for e in exciting), reverse=True)
    assert done == [4, 2]
    (whole,) = search(stored, {FIRST: [1]}, split, np.arange(20), 20).exciting[FIRST]
    assert [each for each in whole if each.image in chosen] == exciting


def test_the_marked_part_alone_gives_the_answer(stored, answers):
    split = split_of(20)
    for convolution in convolutions(Path("run"), stored)[:1]:
        path = convolution.answers
        (exciting,) = search(stored, {path: [1]}, split, np.arange(20), 3).exciting[path]
        for each in exciting:
            box = box_of(convolution.field, each.position)
            part = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
            changed = images(1, seed=5)[0]
            changed[part] = split.images[each.image][part]
            row, column = each.position
            assert answers(changed[None], path)[0, row, column, 1] == pytest.approx(each.answer)
            changed[part] = 255 - changed[part]
            assert answers(changed[None], path)[0, row, column, 1] != pytest.approx(each.answer)


# Images that are made.


def test_the_climb_raises_the_answer_to_the_picture_as_it_is_shown(stored, answers):
    made = ascent.ascend(stored, SECOND, [0, 2], (2, 1), steps=40, seed=0)
    shown = answers(made.images, SECOND)[[0, 1], 2, 1, [0, 2]]
    np.testing.assert_allclose(made.reached, shown, rtol=1e-4)
    best = answers(split_of(200).images, SECOND)[..., [0, 2]].max(axis=(0, 1, 2))
    assert np.all(made.reached > made.start)
    assert np.all(made.reached > best)


def test_the_same_seed_makes_the_same_images(stored):
    first, again, other = (
        ascent.ascend(stored, SECOND, [1], (2, 2), steps=5, seed=seed) for seed in (3, 3, 4)
    )
    assert first.images.tobytes() == again.images.tobytes()
    assert first.images.tobytes() != other.images.tobytes()


def test_without_a_penalty_a_linear_filter_gets_its_bound(stored, monkeypatch):
    """White where the kernel is positive, black where it is negative: no image in [0,
    1] gives more."""
    monkeypatch.setattr(ascent, "SMOOTH", 0.0)
    monkeypatch.setattr(ascent, "DECAY", 0.0)
    made = ascent.ascend(stored, FIRST, [0, 1, 2], (4, 4), steps=300, seed=0)
    w = np.asarray(stored.params[FIRST]["w"])[:, :, 0]
    bound = np.where(w > 0, w * (1 - 0.4) / 0.2, w * (0 - 0.4) / 0.2).sum(axis=(0, 1))
    bound += np.asarray(stored.params[FIRST]["b"])
    assert np.all(made.reached <= bound + 1e-3)
    np.testing.assert_allclose(made.reached, bound, rtol=0.05)


def test_jitter_lets_a_filter_see_around_its_field(stored, monkeypatch):
    """By one pixel in images of 8x8: more than the field of 3x3 is changed, and nothing
    beyond a rim of 1."""
    for name in ("SMOOTH", "DECAY", "NOISE"):
        monkeypatch.setattr(ascent, name, 0.0)
    made = ascent.ascend(stored, FIRST, [0], (4, 4), steps=8, seed=0)
    rows, columns = np.nonzero(made.images[0, :, :, 0] != round(0.4 * 255))
    assert rows.min() >= 2 and columns.min() >= 2 and rows.max() <= 6 and columns.max() <= 6
    assert len(rows) > 9


def test_the_roughness_is_the_gradient_of_the_total_variation():
    x = jnp.asarray(np.random.default_rng(0).random((1, 4, 5, 2), np.float32))

    def variation(x):
        return sum(jnp.sum(jnp.diff(x, axis=axis) ** 2) for axis in (1, 2)) / 2

    np.testing.assert_allclose(ascent.roughness(x), jax.grad(variation)(x), atol=1e-5)
