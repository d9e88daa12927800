"""The managed policies of AWS itself, all of them, with the documents that hold (older versions are not kept).

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
Written by tools/generate_aws_policies.py. The documents stay packed until one is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import msgspec

from serein.services.iam.records import ManagedPolicy, PolicyVersion

PREFIX: Final = "arn:aws:iam::aws:policy"
_UNPACKED_MAX: Final = 256


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    path: str
    version: int
    created_at: int
    updated_at: int
    offset: int
    size_bytes: int


@cache
def _index() -> Mapping[str, _Entry]:
    data = files("serein.services.iam").joinpath("data/aws_managed_policies.json").read_bytes()
    return MappingProxyType(msgspec.json.decode(data, type=dict[str, _Entry]))


@cache
def _packed() -> bytes:
    return files("serein.services.iam").joinpath("data/aws_managed_policies.bin").read_bytes()


def _entry_or_none(arn: str) -> _Entry | None:
    if not arn.startswith(PREFIX):
        return None
    entry = _index().get(arn.rpartition("/")[2])
    return entry if entry is not None and arn == _arn(entry, arn.rpartition("/")[2]) else None


def _arn(entry: _Entry, name: str) -> str:
    return f"{PREFIX}{entry.path}{name}"


def aws_policy_or_none(arn: str) -> ManagedPolicy | None:
    """AWS's policy of that ARN."""
    entry = _entry_or_none(arn)
    return None if entry is None else _policy(entry, arn.rpartition("/")[2])


def aws_policies() -> Iterator[ManagedPolicy]:
    """All of them, in the order of their names in lower case."""
    for name, entry in sorted(_index().items(), key=lambda each: each[0].lower()):
        yield _policy(entry, name)


def _policy(entry: _Entry, name: str) -> ManagedPolicy:
    digest = base64.b32encode(hashlib.sha256(_arn(entry, name).encode()).digest()).decode()
    return ManagedPolicy(
        account="aws",
        name=name,
        path=entry.path,
        id="ANPA" + digest[:17],
        created_at=float(entry.created_at),
        updated_at=float(entry.updated_at),
        default_version=entry.version,
    )


@lru_cache(_UNPACKED_MAX)
def aws_document_or_none(arn: str) -> str | None:
    """The document of AWS's policy of that ARN."""
    entry = _entry_or_none(arn)
    if entry is None:
        return None
    return zlib.decompress(_packed()[entry.offset : entry.offset + entry.size_bytes]).decode()


def aws_version_or_none(arn: str) -> PolicyVersion | None:
    """The version of AWS's policy that holds."""
    entry = _entry_or_none(arn)
    document = aws_document_or_none(arn)
    if entry is None or document is None:
        return None
    created_at = float(entry.updated_at)
    return PolicyVersion(arn=arn, number=entry.version, document=document, created_at=created_at)
