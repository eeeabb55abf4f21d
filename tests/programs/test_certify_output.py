"""Where `jaxcnn certify` cannot write is told before anything is judged."""

from __future__ import annotations

from certify_helpers import nothing_is_judged

from jaxcnn.programs.certify import report
from jaxcnn.programs.certify.program import command_line
from jaxcnn.programs.output import claimed


def test_an_output_that_is_no_folder_is_told_before_anything_is_judged(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(report, "judged", nothing_is_judged)
    path = tmp_path / "a file"
    path.write_text("mine")
    options = ["--operations", "relu", "--cases", "2d", "--random", "0", "--processes", "1"]
    assert command_line([*options, "--output", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"jaxcnn certify: --output must be a folder that can be written: {path}")
    assert path.read_text() == "mine"
    (tmp_path / "folder" / "report.html").mkdir(parents=True)
    assert command_line([*options, "--output", str(tmp_path / "folder")]) == 2
    assert "--output must be a folder for files: " in capsys.readouterr().err


def test_an_output_that_another_program_writes_is_told_before_anything_is_judged(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(report, "judged", nothing_is_judged)
    with claimed(tmp_path):
        assert command_line(["--operations", "relu", "--output", str(tmp_path)]) == 2
    assert "is being written by another program" in capsys.readouterr().err
