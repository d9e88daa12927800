"""The managed policies of AWS itself: those that serverless applications name, with their documents.

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
Long ones (ReadOnlyAccess, PowerUserAccess …) hold what concerns the services that Serein knows.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import orjson

from serein.services.iam.records import ManagedPolicy, PolicyVersion

_CREATED_AT = 1_423_180_800.0
"""6 February 2015, when managed policies came."""
_PREFIX = "arn:aws:iam::aws:policy"


@cache
def aws_policies() -> Mapping[str, tuple[ManagedPolicy, PolicyVersion]]:
    """By ARN, in the order of their names."""
    data = files("serein.services.iam").joinpath("data/aws_managed_policies.json").read_bytes()
    found = {}
    for name, told in orjson.loads(data).items():
        arn = f"{_PREFIX}{told['path']}{name}"
        digest = base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()
        policy = ManagedPolicy(
            account="aws",
            name=name,
            path=told["path"],
            id="ANPA" + digest[:17],
            created_at=_CREATED_AT,
            updated_at=_CREATED_AT,
        )
        document = orjson.dumps(told["document"], option=orjson.OPT_INDENT_2).decode()
        found[arn] = (
            policy,
            PolicyVersion(arn=arn, number=1, document=document, created_at=_CREATED_AT),
        )
    return MappingProxyType(found)
