"""Lifecycle rules: which objects one is about, and when what it says is due.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from serein.services.s3.records import StoredObject

DAY_S = 86_400
Rule = Mapping[str, Any]


def enabled(configuration: Mapping[str, Any] | None) -> list[Rule]:
    """The rules that are in force."""
    rules = (configuration or {}).get("Rules", ())
    return [rule for rule in rules if rule.get("Status") == "Enabled"]


def prefix_of(rule: Rule) -> str:
    """The key prefix that a rule is about."""
    chosen = rule.get("Filter") or {}
    both = chosen.get("And") or {}
    return str(rule.get("Prefix") or chosen.get("Prefix") or both.get("Prefix") or "")


def applies(rule: Rule, found: StoredObject) -> bool:
    """Whether a rule is about this version: by prefix, tags and size."""
    if not found.key.startswith(prefix_of(rule)):
        return False
    chosen = rule.get("Filter") or {}
    both = chosen.get("And") or {}
    tags = [*(both.get("Tags") or ()), *([chosen["Tag"]] if chosen.get("Tag") else ())]
    if any(found.tags.get(tag["Key"]) != tag.get("Value", "") for tag in tags):
        return False
    for conditions in (chosen, both):
        least, most = conditions.get("ObjectSizeGreaterThan"), conditions.get("ObjectSizeLessThan")
        if least is not None and found.size <= least:
            return False
        if most is not None and found.size >= most:
            return False
    return True


def days_after(since: float, days: float) -> float:
    """Midnight UTC after `days` days, as S3 rounds: the next one, unless that very second is midnight."""
    due = since + days * DAY_S
    return -(-due // DAY_S) * DAY_S


def expires_at(rule: Rule, found: StoredObject) -> float | None:
    """When the rule expires a current version that it is about; None when it does not."""
    expiration = rule.get("Expiration") or {}
    if expiration.get("Days") is not None:
        return days_after(found.modified_at, expiration["Days"])
    if expiration.get("Date") is not None:
        return float(expiration["Date"])
    return None


def expiration_header(rules: Iterable[Rule], found: StoredObject) -> str:
    """`x-amz-expiration` of a current version: the earliest of its rules ("" for none)."""
    due: list[tuple[float, str]] = []
    for rule in rules:
        when = expires_at(rule, found)
        if when is not None and applies(rule, found):
            due.append((when, rule["ID"]))
    if not due:
        return ""
    when, name = min(due)
    return f'expiry-date="{formatdate(when, usegmt=True)}", rule-id="{quote(name, safe="-_.")}"'
