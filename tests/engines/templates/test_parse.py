"""Reading templates: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html"""

from __future__ import annotations

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from serein.engines.templates import TemplateError, parse_template, parse_value


def test_short_forms_are_written_out() -> None:
    assert parse_value(
        "a: !GetAtt X.Y.Z\nb: !Sub\n  - a${x}\n  - x: !Ref Q\nc: !If [a, !Ref b, {Condition: x}]"
    ) == {
        "a": {"Fn::GetAtt": ["X", "Y.Z"]},
        "b": {"Fn::Sub": ["a${x}", {"x": {"Ref": "Q"}}]},
        "c": {"Fn::If": ["a", {"Ref": "b"}, {"Condition": "x"}]},
    }


def test_dates_stay_strings_and_scalars_have_yaml_types() -> None:
    text = "a: 2010-09-09\nb: [1, 017, 1.5, yes, .nan, 1e5, '3', ~]\n012: x\ntrue: y"
    assert parse_value(text) == {
        "a": "2010-09-09",
        "b": [1, 15, 1.5, True, ".nan", "1e5", "3", None],
        "012": "x",
        "true": "y",
    }


def test_aliases_are_followed() -> None:
    assert parse_value("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}


def test_json_error_place() -> None:
    """recording: templates: test_validate_invalid_json_template_should_fail"""
    with pytest.raises(TemplateError) as caught:
        parse_template('{"this is invalid JSON"}')
    assert (
        caught.value.message == "Template format error: JSON not well-formed. (line 1, column 25)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: *b",
        "&a [*a]",
        "a: &a {b: *a}",
        "x: !!python/object:os.x y",
        "x: !!binary aGk=",
        "x: !Unknown y",
        "? [a]\n: b",
        "<<: {a: b}",
        "a: b\n---\nc: d",
        "[" * 1000,
        '{"a":' * 2000,
        "a: \x00",
        'a: "\\ud800"',
        '{"a": NaN}',
    ],
)
def test_bad_documents(text: str) -> None:
    with pytest.raises(TemplateError, match="Template format error"):
        parse_value(text)


def test_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(TemplateError, match="too large"):
        parse_value("\n".join(lines))


@pytest.mark.parametrize("text", ["", "just text", "[1]", "a"])
def test_not_a_map(text: str) -> None:
    with pytest.raises(TemplateError, match="unsupported structure"):
        parse_template(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_json_is_read_as_it_is(document: dict[str, object]) -> None:
    assert parse_value(orjson.dumps(document).decode()) == document


@settings(max_examples=300)
@given(st.text(max_size=300) | st.text("{}[]&*!:-|>'\"ab \n#?,%", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_template(text)
    except TemplateError:
        pass


@given(
    st.dictionaries(
        st.text("abcdefg", min_size=1, max_size=5),
        st.integers(-(2**63), 2**63 - 1) | st.text("xyz", max_size=9),
    )
)
def test_yaml_dumps_are_read_back(document: dict[str, object]) -> None:
    assert parse_value("---\n" + yaml.safe_dump(document)) == document
