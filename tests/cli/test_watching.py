"""What a deployment is watched by, and variables from a `.env` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from serein.cli.env_files import give_variables, read_env_file
from serein.cli.live_code import say_syntax_errors
from serein.cli.logs import Line, View, is_platform, pattern_of
from serein.cli.package import function_sources, local_sources
from serein.cli.watching import changed, state_of, wait_for_change, watched

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {CodeUri: shared}}
Resources:
  Own: {Type: "AWS::Serverless::Function", Properties: {CodeUri: own}}
  Shared: {Type: "AWS::Serverless::Function", Properties: {AutoPublishAlias: live}}
  Plain: {Type: "AWS::Lambda::Function", Properties: {Code: plain}}
  Stored: {Type: "AWS::Lambda::Function", Properties: {Code: {S3Bucket: b, S3Key: k}}}
  Inline: {Type: "AWS::Serverless::Function", Properties: {InlineCode: "x"}}
  Layer: {Type: "AWS::Serverless::LayerVersion", Properties: {ContentUri: layer}}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    for name in ("own", "shared", "plain", "layer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text("pass\n")
    return path


def test_what_a_template_is_made_of(template: Path, tmp_path: Path):
    assert {path.name for path in local_sources(template)} == {"own", "shared", "plain", "layer"}
    functions = {one.logical_id: one for one in function_sources(template)}
    assert {name: one.source.name for name, one in functions.items()} == {
        "Own": "own",
        "Shared": "shared",
        "Plain": "plain",
    }
    assert [name for name, one in functions.items() if one.publishes] == ["Shared"]
    assert watched(template, None)[0] == template
    template.write_text("Resources: [")
    assert local_sources(template) == []
    assert watched(template, tmp_path / ".env") == [template, tmp_path / ".env"]


def test_saved_deleted_renamed(template: Path, tmp_path: Path):
    paths = watched(template, None)
    before = state_of(paths)
    app = tmp_path / "own" / "app.py"
    app.rename(tmp_path / "own" / "main.py")
    (tmp_path / "plain" / "app.py").unlink()
    (tmp_path / "layer" / "new.py").write_text("")
    (tmp_path / "layer" / ".app.py.swp").write_text("an editor's own")
    (tmp_path / "layer" / "__pycache__").mkdir()
    (tmp_path / "layer" / "__pycache__" / "new.pyc").write_text("x")
    names = [
        Path(file).relative_to(tmp_path).as_posix() for file in changed(before, state_of(paths))
    ]
    assert names == ["layer/new.py", "own/app.py", "own/main.py", "plain/app.py"]


def test_several_files_are_one_change(template: Path, tmp_path: Path):
    paths = watched(template, None)
    before = state_of(paths)
    writes = iter(("one.py", "two.py", "", ""))

    def sleep(_: float) -> None:
        name = next(writes)
        if name:
            (tmp_path / "own" / name).write_text("pass\n")

    files, after = wait_for_change(paths, before, sleep)
    assert [Path(file).name for file in files] == ["one.py", "two.py"]
    assert changed(before, after) == files


def test_syntax_errors_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    broken = tmp_path / "app.py"
    broken.write_text("def handler(\n")
    (tmp_path / "fine.py").write_text("x = 1\n")
    say_syntax_errors([str(broken), str(tmp_path / "fine.py"), str(tmp_path / "gone.py"), "a.js"])
    told = capsys.readouterr().err
    assert "app.py:1: SyntaxError" in told
    assert told.count("SyntaxError") == 1


def test_variables_of_a_file(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text(
        "# local\n"
        "PLAIN=value # said\n"
        "export EXPORTED=1\n"
        "EMPTY=\n"
        'QUOTED="two\\nlines # not said"\n'
        "SINGLE='as $it is'\n"
        "URL=postgresql://a:b#c@host/db?x=1\n"
    )
    assert read_env_file(path) == {
        "PLAIN": "value",
        "EXPORTED": "1",
        "EMPTY": "",
        "QUOTED": "two\nlines # not said",
        "SINGLE": "as $it is",
        "URL": "postgresql://a:b#c@host/db?x=1",
    }
    path.write_text("no variable\n")
    with pytest.raises(click.ClickException, match=r"\.env:1: 'no variable' is not NAME=VALUE"):
        read_env_file(path)


def test_functions_are_given_variables():
    template: dict[str, Any] = {
        "Resources": {
            "A": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Environment": {"Variables": {"X": "template", "Y": "kept"}}},
            },
            "B": {"Type": "AWS::Lambda::Function"},
            "C": {"Type": "AWS::SQS::Queue"},
        }
    }
    give_variables(template, {"X": "file"})
    resources = template["Resources"]
    assert resources["A"]["Properties"]["Environment"]["Variables"] == {"X": "file", "Y": "kept"}
    assert resources["B"]["Properties"]["Environment"]["Variables"] == {"X": "file"}
    assert "Properties" not in resources["C"]


def test_texts_and_patterns():
    assert pattern_of(None) is None
    assert pattern_of("ERROR in") == '"ERROR in"'
    assert pattern_of('say "x"') == '"say \\"x\\""'
    assert pattern_of('{ $.level = "ERROR" }') == '{ $.level = "ERROR" }'
    assert is_platform("START RequestId: 1 Version: $LATEST")
    assert not is_platform("STARTing")
    assert sorted([Line(2, "b", "g", "m"), Line(1, "c", "g", "m")])[0].at_ms == 1
    assert View(None, ["g"], None, False, False) is not None
