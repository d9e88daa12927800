"""Ids of the forms that AWS gives them.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html
"""

from __future__ import annotations

from serein.base.ids import LOWER_ALPHANUMERIC, Randomness, new_text


def organization_id(randomness: Randomness) -> str:
    """`o-` and ten letters or digits."""
    return "o-" + new_text(randomness, LOWER_ALPHANUMERIC, 10)


def root_id(randomness: Randomness) -> str:
    """`r-` and four."""
    return "r-" + new_text(randomness, LOWER_ALPHANUMERIC, 4)


def unit_id(root: str, randomness: Randomness) -> str:
    """`ou-`, the root's four, and eight of its own."""
    return f"ou-{root[2:]}-" + new_text(randomness, LOWER_ALPHANUMERIC, 8)


def policy_id(randomness: Randomness) -> str:
    """`p-` and ten."""
    return "p-" + new_text(randomness, LOWER_ALPHANUMERIC, 10)


def handshake_id(randomness: Randomness) -> str:
    """`h-` and 32."""
    return "h-" + new_text(randomness, LOWER_ALPHANUMERIC, 32)


def opening_id(randomness: Randomness) -> str:
    """`car-` and 32."""
    return "car-" + new_text(randomness, LOWER_ALPHANUMERIC, 32)


def account_id(randomness: Randomness) -> str:
    """Twelve digits, the first of them not 0."""
    return new_text(randomness, "123456789", 1) + new_text(randomness, "0123456789", 11)


def resource_policy_id(randomness: Randomness) -> str:
    """`rp-` and eight."""
    return "rp-" + new_text(randomness, LOWER_ALPHANUMERIC, 8)
