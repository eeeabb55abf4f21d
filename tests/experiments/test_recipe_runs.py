"""The recipes over several seeds: a line for each run, and a table of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.recipes import Config, main, table
from jaxcnn.programs.options import ConfigError


def line(recipe, seed, accuracy, **changed):
    return {
        "recipe": recipe,
        "options": "",
        "seed": seed,
        "accuracy": accuracy,
        "seconds": 60.0 * (seed + 1),
        "device": "1 x cpu: cpu",
        "cores": 2,
        **changed,
    }


def test_the_table_has_a_row_for_each_recipe_machine_and_note():
    rows = [
        *(line("digits", seed, accuracy) for seed, accuracy in enumerate((0.98, 0.99, 1.0))),
        line("digits", 0, 0.5, cores=4),
        line("digits", 0, 0.25, note="beside others"),
    ]
    found = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table(rows).splitlines()]
    assert found[2:] == [
        ["digits", "", "3", "**99.00%**", "1.00", "98.00, 99.00, 100.00", "2.0", WHERE, ""],
        ["digits", "", "1", "**50.00%**", "", "50.00", "1.0", WHERE.replace("2", "4"), ""],
        ["digits", "", "1", "**25.00%**", "", "25.00", "1.0", WHERE, "beside others"],
    ]


def test_the_table_goes_into_a_page(tmp_path, capsys):
    results, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    results.write_text(json.dumps(line("digits", 0, 0.98)) + "\n")
    page.write_text("before <!-- recipes -->old<!-- /recipes --> after")
    main(Config(table=True, results=results, page=page))
    assert page.read_text() == (
        f"before <!-- recipes -->\n{capsys.readouterr().out.strip()}\n<!-- /recipes --> after"
    )


WHERE = "1 x cpu: cpu, 2 cores"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a recipe is needed, default or cifar10 or digits or mnist, or --table"),
        ({"recipe": "no"}, "--recipe must be default or .*, got no"),
        ({"recipe": "digits", "seeds": (-1,)}, "--seed must be between 0 and"),
        ({"recipe": "digits", "page": Path("page.md")}, "--page goes with --table"),
    ],
    ids=["none", "unknown", "seed", "page"],
)
def test_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        main(Config(**options))


def test_a_run_adds_a_line(tmp_path, capfd):
    results = tmp_path / "results.jsonl"
    main(Config("default", (3,), ("--epochs=1",), results=results, note="n"))
    (row,) = map(json.loads, results.read_text().splitlines())
    assert (row["recipe"], row["options"], row["seed"], row["epochs"], row["note"]) == (
        "default",
        "--epochs=1",
        3,
        1,
        "n",
    )
    assert 0.3 < row["accuracy"] < 1
    assert "default, seed 3: " in capfd.readouterr().out
