"""Tags of what is in an organization.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serein.services.organizations.rules.errors import constraint_violation, invalid_input

TAGS_MAX = 50


def tags_of_request(request: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a request, checked. Raises InvalidInput, ConstraintViolation."""
    tags: dict[str, str] = {}
    for tag in request.get("Tags") or ():
        key = tag["Key"]
        if key in tags:
            raise invalid_input("DUPLICATE_TAG_KEY")
        if key.lower().startswith("aws:"):
            raise invalid_input("INVALID_SYSTEM_TAGS_PARAMETER")
        tags[key] = tag["Value"]
    check_tag_count(len(tags))
    return tags


def check_tag_count(count: int) -> None:
    """Raises ConstraintViolation where a resource would have too many tags."""
    if count > TAGS_MAX:
        raise constraint_violation(
            "MAX_TAG_LIMIT_EXCEEDED",
            "You have exceeded the number of tags allowed on this resource.",
        )
