"""Canonical users: the ids by which S3's answers and ACLs name accounts.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/finding-canonical-user-id.html
"""

from __future__ import annotations

import hashlib


def canonical_id(account: str) -> str:
    """The 64 hexadecimal digits that stand for an account."""
    return hashlib.sha256(f"serein canonical user {account}".encode()).hexdigest()


def owner(account: str) -> dict[str, str]:
    """An account as an Owner element (S3 gives no display names any more)."""
    return {"ID": canonical_id(account)}
