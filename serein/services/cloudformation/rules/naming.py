"""Names, ids and limits of stacks and change sets.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from serein.base.errors import AwsError

TEMPLATE_BODY_BYTES_MAX = 51_200
TAGS_MAX = 50
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*\Z")
_STACK_NAME_OR_ARN = "[a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*"
UPPER_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz"
SUFFIX_LENGTH = 12


class Invalid(AwsError):
    """CloudFormation's ValidationError, for what the rules find."""

    code = "ValidationError"
    status = 400


def check_stack_name(name: str) -> None:
    """A new stack's name. Raises Invalid in AWS's words."""
    problem = ""
    if not _STACK_NAME.match(name):
        problem = f"Member must satisfy regular expression pattern: {_STACK_NAME_OR_ARN}"
    elif len(name) > 128:
        problem = "Member must have length less than or equal to 128"
    if problem:
        raise Invalid(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: {problem}"
        )


def check_template_source(params: Mapping[str, Any], *, previous: bool = False) -> None:
    """Exactly one of TemplateBody, TemplateURL and (for updates) UsePreviousTemplate."""
    body, url = params.get("TemplateBody"), params.get("TemplateURL")
    use_previous = previous and params.get("UsePreviousTemplate") is True
    given = sum((body is not None, url is not None, use_previous))
    if given == 0:
        raise Invalid("Either Template URL or Template Body must be specified.")
    if given > 1:
        if use_previous:
            raise Invalid("You cannot specify both usePreviousTemplate and a template body or URL.")
        raise Invalid("You cannot specify both templateBody and templateURL.")
    if body is not None and len(body.encode()) > TEMPLATE_BODY_BYTES_MAX:
        raise Invalid(
            f"1 validation error detected: Value '{body}' at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {TEMPLATE_BODY_BYTES_MAX}"
        )


def tags_from(params: Mapping[str, Any]) -> dict[str, str]:
    """The request's tags. https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html"""
    items = params.get("Tags") or []
    if len(items) > TAGS_MAX:
        raise Invalid(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: "
            f"Member must have length less than or equal to {TAGS_MAX}"
        )
    tags: dict[str, str] = {}
    for item in items:
        if item["Key"].lower().startswith("aws:"):
            raise Invalid("aws: prefixed tag key names are not allowed for external use.")
        tags[item["Key"]] = item["Value"]
    return tags


def stack_summary_status(status: str) -> bool:
    """Whether a stack in `status` is being worked on."""
    return status.endswith("_IN_PROGRESS")
