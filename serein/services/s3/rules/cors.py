"""Cross-origin rules: which one lets a request in, and the headers that it gives.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
Rule = Mapping[str, Any]


def matching(
    rules: Sequence[Rule], origin: str, method: str, headers: Sequence[str] = ()
) -> Rule | None:
    """The first rule that allows this origin, method and (in a preflight) these request headers."""
    for rule in rules:
        if (
            method in rule["AllowedMethods"]
            and _origin_in(rule, origin) is not None
            and all(_allows_header(rule, header) for header in headers)
        ):
            return rule
    return None


def _origin_in(rule: Rule, origin: str) -> str | None:
    """The pattern of the rule that an origin fits."""
    return next((p for p in rule["AllowedOrigins"] if _fits(p, origin)), None)


def _allows_header(rule: Rule, header: str) -> bool:
    return any(_fits(p.lower(), header.lower()) for p in rule.get("AllowedHeaders") or ())


def _fits(pattern: str, text: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def headers_of(rule: Rule, origin: str, asked: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What an answer to `origin` says under this rule; `asked` are the headers a preflight asks for."""
    anyone = _origin_in(rule, origin) == "*"
    out = [
        ("Access-Control-Allow-Origin", "*" if anyone else origin),
        ("Access-Control-Allow-Methods", ", ".join(rule["AllowedMethods"])),
    ]
    if asked:
        out.append(("Access-Control-Allow-Headers", ", ".join(name.lower() for name in asked)))
    if rule.get("ExposeHeaders"):
        out.append(("Access-Control-Expose-Headers", ", ".join(rule["ExposeHeaders"])))
    if rule.get("MaxAgeSeconds") is not None:
        out.append(("Access-Control-Max-Age", str(rule["MaxAgeSeconds"])))
    if not anyone:
        out.append(("Access-Control-Allow-Credentials", "true"))
    out.append(("Vary", VARY))
    return out


def asked_headers(value: str) -> list[str]:
    """The names in Access-Control-Request-Headers."""
    return [name.strip() for name in value.split(",") if name.strip()]
