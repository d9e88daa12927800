"""Names of tables and indexes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import re

from serein.engines.expressions.errors import ValidationException

_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


def check_name(name: str) -> None:
    """Names of tables and indexes. Raises ValidationException."""
    if _NAME.fullmatch(name) is None:
        raise ValidationException(
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters "
            "long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'"
        )
