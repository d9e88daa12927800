"""Names, paths and tags, and what AWS says of bad ones.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from serein.base.errors import AwsError
from serein.services.iam.model import InvalidInputException, LimitExceededException
from serein.wire.validate import Failure

_PATH = re.compile(r"/|/[\x21-\x7e]+/")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
TAGS_MAX = 50


class ValidationError(AwsError):
    """A request that breaks a rule of form."""

    code = "ValidationError"
    status = 400


def invalid(failures: Sequence[Failure], operation: str) -> AwsError | None:
    """IAM's words for what does not fit the model. It repeats no values and no enumerations.

    Recorded: `test_user_match_id_mismatch`, `test_invalid_update_parameters`. Names have sentences of their own.
    """
    first = failures[0]
    if first.kind == "pattern" and first.member.endswith(("Name", "AccountAlias")):
        allowed = "+=,.@_-"
        return ValidationError(
            f"The specified value for {first.path} is invalid. It must contain only alphanumeric characters "
            f"and/or the following: {allowed}"
        )
    if first.kind == "pattern" and first.member in ("Path", "PathPrefix"):
        return bad_path(first.path)
    told = []
    for failure in failures:
        constraint = failure.constraint
        if failure.kind == "enum":
            constraint = "Member must satisfy enum value set"
        shown = " null" if failure.value is None else ""
        told.append(f"Value{shown} at '{failure.path}' failed to satisfy constraint: {constraint}")
    noun = "error" if len(told) == 1 else "errors"
    return ValidationError(f"{len(told)} validation {noun} detected: {'; '.join(told)}")


def bad_path(member: str) -> ValidationError:
    """A path that is none."""
    return ValidationError(
        f"The specified value for {member} is invalid. It must begin and end with / and contain only alphanumeric "
        "characters and/or / characters."
    )


def path_of(request: Mapping[str, Any]) -> str:
    """The request's path, `/` if it has none. Raises ValidationError."""
    path: str = request.get("Path") or "/"
    if not _PATH.fullmatch(path) or "//" in path:
        raise bad_path("path")
    return path


def tags_of_request(request: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a request, checked. Raises InvalidInput, ValidationError."""
    given = request.get("Tags") or ()
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for tag in given:
        key = tag["Key"]
        if key.lower() in seen:
            raise InvalidInputException(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            )
        if key.lower().startswith("aws:"):
            raise InvalidInputException(
                "Tag keys may not start with aws:, which is reserved for AWS's own tags."
            )
        if not _TAG.fullmatch(key) or not _TAG.fullmatch(tag["Value"]):
            raise ValidationError(
                "Tag keys and values may hold letters, numbers, spaces and _ . : / = + - @ only."
            )
        seen.add(key.lower())
        tags[key] = tag["Value"]
    check_tag_count(len(tags))
    return tags


def check_tag_count(count: int) -> None:
    """Raises LimitExceeded where a resource would have too many tags."""
    if count > TAGS_MAX:
        raise LimitExceededException("The number of tags has reached the maximum limit.")
