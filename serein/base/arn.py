"""Amazon resource names: `arn:partition:service:region:account:resource`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import msgspec

PARTITION = "aws"


class Arn(msgspec.Struct, frozen=True):
    """The six parts of an ARN; `resource` keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_arn(text: str) -> Arn:
    """The parts of `text`. Raises ValueError when it is no ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[2] or not parts[5]:
        raise ValueError(f"not an ARN: {text!r}")
    return Arn(parts[1], parts[2], parts[3], parts[4], parts[5])


def arn_or_none(text: str) -> Arn | None:
    """The parts of `text`, or None when it is no ARN."""
    try:
        return parse_arn(text)
    except ValueError:
        return None


def make_arn(service: str, region: str, account: str, resource: str) -> str:
    """An ARN of the partition that Serein stands for."""
    return f"arn:{PARTITION}:{service}:{region}:{account}:{resource}"
