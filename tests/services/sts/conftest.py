"""Fixtures of STS's tests."""

from __future__ import annotations

from tests.services.iam.conftest import document, iam, refused, role, trust, user

__all__ = ["document", "iam", "refused", "role", "trust", "user"]
