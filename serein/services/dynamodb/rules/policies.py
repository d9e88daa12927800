"""Resource policies of tables and streams.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-considerations.html
"""

from __future__ import annotations

from serein.engines.expressions.errors import ValidationException
from serein.engines.policy import MalformedPolicy, parse_policy

POLICY_BYTES_MAX = 20 * 1024


def checked_policy(text: str) -> str:
    """The text of a policy that can be judged by. Raises ValidationException."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise ValidationException("Policy size exceeds the maximum size limit of 20 KB")
    try:
        parse_policy(text, "resource")
    except MalformedPolicy as error:
        raise ValidationException(f"Invalid policy document: {error}") from None
    return text
