"""The filter program: its numbers against hand-computed ones, the picture it writes,
and what it refuses."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from experiments.filters import program
from experiments.filters.program import Config, command_line, main
from experiments.filters.responses import EDGE, PATCHES, edge_images, examples, responses


def test_responses_to_patches():
    """By hand: the filter has six taps of +-1 and three of 2, squares 6 + 12; the
    positive taps sum to 9, the negative to -3."""
    values = responses(np.stack(list(PATCHES.values())), "valid").reshape(-1, 3)
    expected = [[18, -18, 14], [-18, 18, -14], [6, -6, 0], [9, -9, 5], [-3, 3, -5]]
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_no_patch_in_0_to_1_gives_more_than_9_or_less_than_minus_3():
    """The response is linear in the patch, so its extremes are at patches of zeros and
    ones: all 512 of them."""
    patches = ((np.arange(512)[:, None] >> np.arange(9)) & 1).reshape(-1, 3, 3).astype(np.float32)
    values = responses(patches, "valid")[:, 0, 0, 0]
    assert (values.min(), values.max()) == (-3, 9)
    np.testing.assert_array_equal(patches[np.argmax(values)], PATCHES["bright where positive"])
    np.testing.assert_array_equal(patches[np.argmin(values)], PATCHES["bright where negative"])


def test_the_filter_minus_its_mean_answers_what_a_flat_patch_of_the_same_mean_does_not():
    patch = np.random.default_rng(0).random((1, 3, 3), np.float32)
    flat = np.full_like(patch, patch.mean())
    difference = responses(patch, "valid") - responses(flat, "valid")
    np.testing.assert_allclose(difference[..., 0], responses(patch, "valid")[..., 2], rtol=1e-5)


def test_the_examples_give_what_is_said_of_them():
    expected = [
        ([[4, 3], [2, 1]], [[1, 2], [3, 4]]),
        ([3, 2, 1, 0, 0], [1, 2, 3, 0, 0]),
        ([3, 2, 1], [2, 1, 0]),
        ([1, 1, 1], [-1, -1, -1]),
    ]
    for example, (cross_correlation, convolution) in zip(examples(), expected, strict=True):
        assert example.cross_correlation.tolist() == cross_correlation
        assert example.convolution.tolist() == convolution


def test_images_are_dark_at_the_border_and_answer_as_they_should():
    images = edge_images()
    for image in images.values():
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert border.max() == image.min() == 0
        assert 0.9 < image.max() <= 1
        filtered, opposite, _ = np.moveaxis(responses(image[None])[0], -1, 0)
        np.testing.assert_array_equal(opposite, -filtered)
    assert responses(images["rising bar"][None])[..., 0].max() == 9
    assert responses(images["level bar"][None])[..., 0].max() < 9


def test_it_prints_two_tables_and_writes_one_picture(tmp_path):
    printed = io.StringIO()
    path = main(Config(output=tmp_path / "new" / "folder"), Console(file=printed, width=100))
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = imread(path)
    assert picture.shape == (1800, 1680, 4)
    assert np.std(picture[..., :3]) > 0.05
    for text in ("flat, all 1", "-18", "[3 2 1 0 0]", "[-1 -1 -1]", f"picture in {path}"):
        assert text in printed.getvalue()
    assert " -0 " not in printed.getvalue()


def test_the_filter_is_the_documents():
    assert EDGE.tolist() == [[-1, -1, 2], [-1, 2, 1], [2, 1, 1]]
    assert EDGE.sum() == 6


# Refusals.


@pytest.mark.parametrize("folder", ["file", "file/inside"])
def test_an_output_that_is_no_folder_gives_one_line_and_status_2(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command_line(["--output", str(tmp_path / folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(
        f"filters: --output must be a folder that can be written: {tmp_path / folder}: "
    )
    assert printed.err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_a_failing_disk_leaves_no_picture(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(program, "write_whole", fail)
    assert command_line(["--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(": disk full\n")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_status_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        command_line(["--seed", "3"])
    assert "--seed" in capsys.readouterr().err


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line(["--help"])
    printed = capsys.readouterr().out
    for text in ("edge filter", "--output", "Folder of the picture"):
        assert text in printed
