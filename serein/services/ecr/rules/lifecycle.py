"""Lifecycle policies: read, checked, and worked out over a repository's images.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import orjson

from serein.base.errors import AwsError
from serein.services.ecr.model import InvalidParameterException
from serein.services.ecr.records import Image

RULES_MAX = 50
PRIORITY_MAX = 2**31 - 1
_DAY_S = 86_400.0
_ACTION_WORDS = "instance failed to match exactly one schema (matched 0 out of 4)"
_SELECTION = frozenset(
    ("tagStatus", "tagPrefixList", "tagPatternList", "countType", "countUnit", "countNumber")
)
_ARCHIVING = ("sinceImagePulled", "sinceImageTransitioned")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: which images it speaks of, and which of those are too many or too old."""

    priority: int
    status: str  # tagged, untagged or any
    patterns: tuple[str, ...]  # all of which have to fit some tag
    days: int | None  # older ones expire
    count: int | None  # beyond so many, the oldest expire

    def speaks_of(self, image: Image) -> bool:
        """Whether an image's tags are what the rule asks for."""
        if self.status == "any":
            return True
        if self.status == "untagged":
            return not image.tags
        return bool(image.tags) and all(
            any(fnmatch.fnmatchcase(tag, pattern) for tag in image.tags)
            for pattern in self.patterns
        )


def _invalid(said: str) -> InvalidParameterException:
    return InvalidParameterException(
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
        f"'Lifecycle policy validation failure: {said}'"
    )


def parse_lifecycle(text: str) -> list[Rule]:
    """The rules of a policy by priority. Raises InvalidParameterException, or NotImplemented for the archive."""
    try:
        document = orjson.loads(text)
        given = document["rules"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _invalid("string is not a valid lifecycle policy JSON") from error
    if not isinstance(given, list) or not given or len(given) > RULES_MAX:
        raise _invalid(f"a policy has 1 to {RULES_MAX} rules")
    rules = sorted((_rule(one) for one in given), key=lambda rule: rule.priority)
    priorities = [rule.priority for rule in rules]
    if len(set(priorities)) != len(priorities):
        raise _invalid("rulePriority values must be unique")
    for status in ("untagged", "any"):
        if sum(rule.status == status for rule in rules) > 1:
            raise _invalid(f"there is more than one rule with tagStatus {status}")
    if any(rule.status == "any" for rule in rules[:-1]):
        raise _invalid("the rule with tagStatus any must have the highest rulePriority")
    return rules


def _rule(given: Any) -> Rule:
    if not isinstance(given, dict) or not isinstance(given.get("selection"), dict):
        raise _invalid(_ACTION_WORDS)
    selection, action = given["selection"], given.get("action")
    priority = given.get("rulePriority")
    if not isinstance(priority, int) or not 1 <= priority <= PRIORITY_MAX:
        raise _invalid("rulePriority must be a positive integer")
    if not isinstance(action, dict) or set(given) - {
        "rulePriority",
        "description",
        "selection",
        "action",
    }:
        raise _invalid(_ACTION_WORDS)
    if action.get("type") == "transition" or selection.get("countType") in _ARCHIVING:
        raise AwsError(
            "Serein has not implemented the archive storage class of ecr:PutLifecyclePolicy yet.",
            code="NotImplemented",
            status=501,
        )
    if action != {"type": "expire"} or set(selection) - _SELECTION:
        raise _invalid(_ACTION_WORDS)
    days, count = _counts(selection)
    status = selection.get("tagStatus")
    if status not in ("tagged", "untagged", "any"):
        raise _invalid(_ACTION_WORDS)
    return Rule(
        priority=priority,
        status=status,
        patterns=_patterns(selection, status),
        days=days,
        count=count,
    )


def _counts(selection: dict[str, Any]) -> tuple[int | None, int | None]:
    number = selection.get("countNumber")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _invalid("countNumber must be a positive integer")
    if selection.get("countType") == "imageCountMoreThan":
        if "countUnit" in selection:
            raise _invalid(_ACTION_WORDS)
        return None, number
    if selection.get("countType") == "sinceImagePushed" and selection.get("countUnit") == "days":
        return number, None
    raise _invalid(_ACTION_WORDS)


def _patterns(selection: dict[str, Any], status: str) -> tuple[str, ...]:
    prefixes, patterns = selection.get("tagPrefixList"), selection.get("tagPatternList")
    lists = [one for one in (prefixes, patterns) if one is not None]
    if (status == "tagged") != (len(lists) == 1):
        raise _invalid(_ACTION_WORDS)
    if status != "tagged":
        return ()
    found = lists[0]
    if not isinstance(found, list) or not found or not all(isinstance(t, str) for t in found):
        raise _invalid("instance type does not match any allowed primitive type")
    if prefixes is not None:
        return tuple(_literal(prefix) + "*" for prefix in prefixes)
    if any(pattern.count("*") > 4 for pattern in found):
        raise _invalid("a tag pattern has at most four wildcards")
    return tuple(_literal(pattern, star="*") for pattern in found)


def _literal(text: str, star: str = "[*]") -> str:
    """A text in which fnmatch finds nothing special but, where wanted, stars."""
    special = {"[": "[[]", "?": "[?]", "*": star}
    return "".join(special.get(letter, letter) for letter in text)


def expired(rules: Sequence[Rule], images: Iterable[Image], now: float) -> list[tuple[Image, int]]:
    """The images that go, each with the priority of its rule, oldest first.

    An image that a rule speaks of is no other's to expire, though it counts there. One that an index has in it stays
    until the index goes.
    """
    held = list(images)
    by_age = sorted(held, key=lambda image: (image.pushed_at, image.digest), reverse=True)
    within = {digest for image in held for digest in image.members}
    taken: set[str] = set()
    found: list[tuple[Image, int]] = []
    for rule in rules:
        spoken_of = [image for image in by_age if rule.speaks_of(image)]
        for position, image in enumerate(spoken_of):
            too_many = rule.count is not None and position >= rule.count
            too_old = rule.days is not None and now - image.pushed_at >= rule.days * _DAY_S
            stays = image.digest in taken or image.digest in within
            if not stays and (too_many or too_old):
                found.append((image, rule.priority))
        taken.update(image.digest for image in spoken_of)
    return sorted(found, key=lambda one: (one[0].pushed_at, one[0].digest))
