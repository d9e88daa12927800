"""Wildcards: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""

from __future__ import annotations

import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serein.engines.policy.wildcards import (
    compile_any,
    compile_arn_pattern,
    compile_pattern,
    pattern_of,
)

TEXT = st.text(alphabet="ab:*?/", max_size=12)


def naive(pattern: str, value: str) -> bool:
    """The reference: a regular expression, which is right and may be slow."""
    text = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(text, value, re.DOTALL) is not None


@given(TEXT, st.text(alphabet="ab:/", max_size=16))
def test_equals_the_naive_reference(pattern: str, value: str) -> None:
    assert compile_pattern(pattern_of(pattern))(value) == naive(pattern, value)


@given(st.lists(TEXT, max_size=5), st.text(alphabet="ab:/", max_size=16))
def test_any_of_several_is_the_union(patterns: list[str], value: str) -> None:
    together = compile_any([pattern_of(text) for text in patterns], compile_pattern)
    assert together(value) == any(naive(text, value) for text in patterns)


@given(
    st.lists(st.text(alphabet="ab*?", max_size=4), min_size=6, max_size=7),
    st.lists(st.text(alphabet="ab", max_size=4), min_size=6, max_size=7),
)
def test_arns_are_compared_part_by_part(pattern: list[str], value: list[str]) -> None:
    expected = all(naive(p, v) for p, v in zip(pattern[:5], value[:5], strict=True)) and naive(
        ":".join(pattern[5:]), ":".join(value[5:])
    )
    assert compile_arn_pattern(pattern_of(":".join(pattern)))(":".join(value)) == expected


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b", True),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", False),
        ("arn:aws:iam::123456789012:user/Development/product_1234/*", "arn:aws:iam::123456789012:user/Development/product_1234/x", True),
        ("arn:aws:sqs:*:123456789012:*", "arn:aws:sqs:eu-west-1:123456789012:q", True),
        ("arn:aws:sqs:*:q", "arn:aws:sqs:eu-west-1:123456789012:q", False),
        ("arn:aws:sqs", "arn:aws:sqs:eu-west-1:123456789012:q", True),
        ("*", "anything", True),
        ("arn:aws:s3:::*", "*", False),
    ],
)  # fmt: skip
def test_resources(pattern: str, value: str, expected: bool) -> None:
    assert compile_arn_pattern(pattern_of(pattern), complete=True)(value) is expected


@pytest.mark.parametrize("pattern", ["a*" * 40 + "b", "?*" * 40 + "b", "*a?" * 30 + "c"])
def test_no_catastrophe(pattern: str) -> None:
    match = compile_pattern(pattern_of(pattern))
    begun = perf_counter()
    assert not match("a" * 2000)
    assert perf_counter() - begun < 0.5
