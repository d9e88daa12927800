"""Unique ids, of the forms that AWS gives them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
"""

from __future__ import annotations

from serein.base.ids import BASE32, Randomness


def unique_id(prefix: str, randomness: Randomness) -> str:
    """`AIDA…`, `AROA…`, `AGPA…`, `ANPA…`, `AIPA…`: 21 characters."""
    return prefix + "".join(BASE32[byte & 31] for byte in randomness.token(17))
