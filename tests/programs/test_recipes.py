"""Recipes: options in a TOML file, by path or by name."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

import jaxcnn.programs.train.program
from jaxcnn.programs.train.config import (
    Config,
    ConfigError,
    NetworkOptions,
    check,
    from_command_line,
    read_recipe,
)
from jaxcnn.programs.train.recipe import shipped_names


def test_a_recipe_is_options_and_the_command_line_goes_before_it(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'model = "vgg"\nepochs = 3\nflip = true\nresume = false\nlearning_rate = 6e-3\n'
    )
    expected = Config(recipe=str(recipe), model="vgg", epochs=3, flip=True, learning_rate=6e-3)
    assert read_recipe(str(recipe)) == expected
    assert from_command_line(["--recipe", str(recipe), "--epochs", "5"], "train") == replace(
        expected, epochs=5
    )
    recipe.write_text("epoch = 3")
    with pytest.raises(ConfigError, match="no option: epoch; there are accumulate"):
        read_recipe(str(recipe))
    recipe.write_text('optimizer = "adamx"')
    with pytest.raises(ConfigError, match="'adamx' for argument '--optimizer'"):
        read_recipe(str(recipe))


def test_a_recipe_may_have_an_array_of_texts_and_a_number_out_of_two(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('dataset = "folder"\nclasses = ["cat", "big dog"]\nchannels = 3\n')
    config = read_recipe(str(recipe))
    assert (config.classes, config.channels) == (("cat", "big dog"), 3)
    for wrong, message in (
        ('classes = "cat"', 'classes must be an array of texts in quotes, got "cat"'),
        ("classes = [1, 2]", "classes must be an array of texts in quotes, got an array"),
        ('channels = "3"', 'channels must be a whole number, got "3"'),
        ("image_size = [1]", "image_size must be a whole number, got an array"),
    ):
        recipe.write_text(wrong)
        with pytest.raises(ConfigError, match=f"--recipe {recipe}: {re.escape(message)}$"):
            read_recipe(str(recipe))


# By name.


@pytest.mark.parametrize("name", shipped_names())
def test_the_shipped_recipes_make_sense(name, tmp_path, monkeypatch):
    """They are found from any folder."""
    monkeypatch.chdir(tmp_path)
    config = read_recipe(name)
    check(config)
    assert config == replace(config, recipe=name)
    assert config != Config(recipe=name)


def test_the_shipped_recipes_are_in_the_help():
    assert shipped_names() == ["cifar10", "digits", "mnist"]
    assert read_recipe("mnist").dataset == "mnist"
    told = inspect.getsource(NetworkOptions).partition("recipe: ")[2].partition(".")[0]
    assert all(name in told for name in shipped_names())


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            "minst",
            "--recipe must be cifar10, digits, mnist, or the path of a TOML file, got 'minst': did"
            " you mean mnist?",
        ),
        (
            "net",
            "--recipe must be cifar10, digits, mnist, or the path of a TOML file, got 'net'",
        ),
        ("mnist.toml", "--recipe mnist.toml cannot be read: No such file or directory"),
        ("./mnist", "--recipe ./mnist cannot be read: No such file or directory"),
    ],
)
def test_what_is_neither_a_name_nor_a_file_is_told_the_names(
    recipe, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_recipe(recipe)


def test_a_file_goes_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("epochs = 7")
    assert read_recipe("mine") == Config(recipe="mine", epochs=7)


# By path.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = false", "epochs must be a whole number, got false"),
        ("learning_rate = true", "learning_rate must be a number, got true"),
        ("clip_norm = false", "clip_norm must be a number, got false"),
        ('epochs = "3"', 'epochs must be a whole number, got "3"'),
        ("epochs = 3.0", "epochs must be a whole number, got 3.0"),
        ("epochs = [3]", "epochs must be a whole number, got an array"),
        ("[epochs]\nmost = 3", "epochs must be a whole number, got a table"),
        ("epochs = 2020-02-02", "epochs must be a whole number, got 2020-02-02"),
        ("epochs = 9223372036854775808", "epochs must be below 2^63, got 9223372036854775808"),
        (
            f"seed = 0x{'f' * 5000}",
            "seed must be below 2^63, got a number of more than 4,300 digits",
        ),
        ("flip = 1", "flip must be true or false, got 1"),
        ('flip = "yes"', 'flip must be true or false, got "yes"'),
        ("model = 3", "model must be a text in quotes, got 3"),
        ("output = true", "output must be a text in quotes, got true"),
    ],
    ids=lambda text: text[:40],
)
def test_a_value_of_another_type_is_refused_by_file_and_option(text, message, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    with pytest.raises(ConfigError, match=f"^--recipe {recipe}: {re.escape(message)}$"):
        read_recipe(str(recipe))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[train]\nepochs = 3", "has what is no option: train; there are accumulate"),
        (b'recipe = "other.toml"', "has what is no option: recipe; there are accumulate"),
        (b'"a\\nb" = 3', r"has what is no option: 'a\\nb'; there are"),
        (b"epochs = 3\nepochs = 4", "is not TOML: Cannot overwrite a value"),
        (b"epochs = " + b"9" * 5000, "is not TOML: Exceeds the limit"),
        (b"epochs = " + b"[" * 5000, "is not TOML: maximum recursion depth"),
        (b"\xff\xfee\0p\0", "cannot be read: 'utf-8' codec"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_recipe_is_refused(content, message, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^--recipe {recipe} {message}"):
        read_recipe(str(recipe))


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(
        b"\xef\xbb\xbfepochs = 3\r\nlearning_rate = 1\r\nweight_decay = 1e-4\r\nflip ="
        b" true\r\nresume = false\r\n"
    )
    expected = Config(recipe=str(recipe), epochs=3, learning_rate=1.0, weight_decay=1e-4, flip=True)
    assert read_recipe(str(recipe)) == expected
    assert from_command_line(["--recipe", str(recipe), "--epochs", "4"], "train") == replace(
        expected, epochs=4
    )


def test_a_text_that_looks_like_an_option_is_a_text(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('output = "--help"\ndata_dir = "a=b c"\nseed = -1\n')
    assert read_recipe(str(recipe)) == Config(
        recipe=str(recipe), output=Path("--help"), data_dir=Path("a=b c"), seed=-1
    )


def test_a_bad_choice_in_a_recipe_is_told_with_a_command_that_there_is(tmp_path, capsys):
    recipe = tmp_path / "r.toml"
    recipe.write_text('optimizer = "adamx"')
    assert jaxcnn.programs.train.program.command_line(["--recipe", str(recipe)]) == 2
    told = capsys.readouterr().err
    (command,) = re.findall(r"; (jaxcnn train --recipe .* --help) lists all", told)
    assert "'adamx' for argument '--optimizer'" in told
    assert command.split()[:3] == ["jaxcnn", "train", "--recipe"]
    with pytest.raises(SystemExit, match="0"):
        jaxcnn.programs.train.program.command_line(["--recipe", str(recipe), "--help"])
