"""Names of tables and indexes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import re

from serein.engines.expressions.errors import ValidationException

_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
LENGTH_MIN, LENGTH_MAX = 3, 255


def check_name(name: str) -> None:
    """Names of tables and indexes. Raises ValidationException."""
    if not LENGTH_MIN <= len(name) <= LENGTH_MAX:
        raise ValidationException(
            "TableName must be at least 3 characters long and at most 255 characters long"
        )
    if _NAME.fullmatch(name) is None:
        raise ValidationException(
            f"1 validation error detected: Value '{name}' at 'tableName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )
