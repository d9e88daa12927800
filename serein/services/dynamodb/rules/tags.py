"""Limits of tags.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serein.engines.expressions.errors import ValidationException, parameter_invalid

TAGS_MAX = 50


def check_tags(present: Mapping[str, str], added: Sequence[Mapping[str, Any]]) -> None:
    """Raises ValidationException: too many, twice the same, reserved."""
    keys = [tag["Key"] for tag in added]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise parameter_invalid(f"Duplicate tag keys found: {twice}")
    if any(key.startswith("aws:") for key in keys):
        raise ValidationException("Tag keys cannot start with aws:")
    if len({*present, *keys}) > TAGS_MAX:
        raise parameter_invalid("Too many tags: a table can have at most 50 tags")
