"""The parameters of a group: how long items and the answers of queries are kept.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.cluster-management.html#DAX.cluster-management.custom-settings.ttl
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from serein.services.dax.model import InvalidParameterValueException
from serein.services.dax.records import DEFAULT_TTL_MS, ParameterGroup
from serein.services.dax.rules.checks import TTL_MS_MAX

DEFAULT_GROUP = "default.dax1.0"
DEFAULT_DESCRIPTION = "Default parameter group for dax1.0"
QUERY_TTL = "query-ttl-millis"
RECORD_TTL = "record-ttl-millis"
# The words of https://docs.aws.amazon.com/cli/latest/reference/dax/describe-default-parameters.html
_DESCRIPTIONS = {
    QUERY_TTL: "Duration in milliseconds for queries to remain cached",
    RECORD_TTL: "Duration in milliseconds for records to remain valid in cache (Default: 0 = infinite)",
}


def described(group: ParameterGroup | None) -> list[dict[str, Any]]:
    """The parameters of a group, or the defaults, as they are told."""
    values = {
        QUERY_TTL: DEFAULT_TTL_MS if group is None else group.query_ttl_ms,
        RECORD_TTL: DEFAULT_TTL_MS if group is None else group.record_ttl_ms,
    }
    return [
        {
            "ParameterName": name,
            "ParameterType": "DEFAULT",
            "ParameterValue": str(value),
            "NodeTypeSpecificValues": [],
            "Description": _DESCRIPTIONS[name],
            "Source": "user",
            "DataType": "integer",
            "AllowedValues": "0-",
            "IsModifiable": "TRUE",
            "ChangeType": "IMMEDIATE",
        }
        for name, value in values.items()
    ]


def changed(group: ParameterGroup, wanted: Iterable[Any]) -> ParameterGroup:
    """The group with these parameters. Raises InvalidParameterValueException."""
    for one in wanted:
        name, text = one.get("ParameterName", ""), one.get("ParameterValue", "")
        if name not in _DESCRIPTIONS:
            raise InvalidParameterValueException(f"Invalid parameter name: {name}")
        if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > TTL_MS_MAX:
            raise InvalidParameterValueException(
                f"Invalid value for parameter {name}: {text}. Allowed values: 0-"
            )
        if name == QUERY_TTL:
            group = replace(group, query_ttl_ms=int(text))
        else:
            group = replace(group, record_ttl_ms=int(text))
    return group
