"""What CreateTable and UpdateTable accept: key schemas, attribute definitions, indexes, throughput.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serein.engines.expressions.errors import ValidationException, parameter_invalid
from serein.services.dynamodb.records import Index, KeyAttribute, Throughput
from serein.services.dynamodb.rules.names import check_name

LOCAL_INDEXES_MAX = 5
GLOBAL_INDEXES_MAX = 20
PROJECTED_ATTRIBUTES_MAX = 100
ATTRIBUTES_OF_KEY_MAX = 4
UNITS_MAX = 1_000_000_000_000

Keys = tuple[KeyAttribute, KeyAttribute | None]


def key_names(schema: Sequence[Mapping[str, str]]) -> list[str]:
    """The attribute names of a KeySchema, hash first. Raises ValidationException."""
    if len(schema) > 2:
        shown = ", ".join(
            f"KeySchemaElement(attributeName={e['AttributeName']}, keyType={e['KeyType']})"
            for e in schema
        )
        raise ValidationException(
            f"1 validation error detected: Value '[{shown}]' at 'keySchema' failed to satisfy "
            "constraint: Member must have length less than or equal to 2"
        )
    if schema[0]["KeyType"] != "HASH":
        raise ValidationException(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"
        )
    if len(schema) == 2:
        if schema[1]["KeyType"] != "RANGE":
            raise ValidationException(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"
            )
        if schema[0]["AttributeName"] == schema[1]["AttributeName"]:
            raise ValidationException(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name"
            )
    return [element["AttributeName"] for element in schema]


def index_key_names(schema: Sequence[Mapping[str, str]]) -> tuple[list[str], list[str]]:
    """The names of a global index's partition and sort key attributes, up to four of each. Raises.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
    """
    kinds = [element["KeyType"] for element in schema]
    if len(schema) <= 2 and kinds != ["HASH", "HASH"]:
        names = key_names(schema)
        return names[:1], names[1:]
    if kinds[0] != "HASH":
        raise ValidationException(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"
        )
    hashes = [element["AttributeName"] for element in schema if element["KeyType"] == "HASH"]
    sorts = [element["AttributeName"] for element in schema if element["KeyType"] == "RANGE"]
    if "HASH" in kinds[len(hashes) :]:
        raise ValidationException(
            "Invalid KeySchema: All HASH key elements must come before the RANGE key elements"
        )
    for kind, names in (("HASH", hashes), ("RANGE", sorts)):
        if len(names) > ATTRIBUTES_OF_KEY_MAX:
            raise ValidationException(
                f"Invalid KeySchema: The number of {kind} key elements exceeds the limit of "
                f"{ATTRIBUTES_OF_KEY_MAX}"
            )
    if len({*hashes, *sorts}) < len(schema):
        raise ValidationException("Invalid KeySchema: Some key elements have the same name")
    return hashes, sorts


def definitions_of(request: Mapping[str, Any]) -> dict[str, KeyAttribute]:
    """AttributeDefinitions by name. Raises ValidationException."""
    given = request.get("AttributeDefinitions") or []
    found: dict[str, KeyAttribute] = {}
    for entry in given:
        name = entry["AttributeName"]
        if name in found:
            raise parameter_invalid(f"Duplicate AttributeName in AttributeDefinitions: {name}")
        found[name] = KeyAttribute(name, entry["AttributeType"])
    return found


def check_definitions(
    definitions: Mapping[str, KeyAttribute],
    table_keys: Sequence[str],
    index_keys: Iterable[str],
    *,
    has_indexes: bool,
) -> None:
    """Every key attribute is defined, and every definition is a key's. Raises ValidationException."""
    used = list(dict.fromkeys([*table_keys, *index_keys]))
    undefined = [name for name in used if name not in definitions]
    listed = ", ".join(definitions)
    if undefined:
        if not has_indexes:
            raise ValidationException(
                "Invalid KeySchema: Some index key attribute have no definition"
            )
        raise parameter_invalid(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(undefined)}], AttributeDefinitions: [{listed}]"
        )
    if len(used) < len(definitions):
        if not has_indexes:
            raise parameter_invalid(
                "Number of attributes in KeySchema does not exactly match number of attributes "
                "defined in AttributeDefinitions"
            )
        raise parameter_invalid(
            "Some AttributeDefinitions are not used. "
            f"AttributeDefinitions: [{listed}], keys used: [{', '.join(used)}]"
        )


def key_attributes(names: Sequence[str], definitions: Mapping[str, KeyAttribute]) -> Keys:
    """The key attributes of these names."""
    return definitions[names[0]], definitions[names[1]] if len(names) > 1 else None


def check_index_lists(request: Mapping[str, Any], table_keys: Sequence[str]) -> None:
    """The secondary indexes of a CreateTable, by number and name and keys. Raises ValidationException."""
    local, global_ = request.get("LocalSecondaryIndexes"), request.get("GlobalSecondaryIndexes")
    if local is not None:
        if not local:
            raise parameter_invalid("List of LocalSecondaryIndexes is empty")
        if len(table_keys) < 2:
            raise parameter_invalid(
                "Table KeySchema does not have a range key, which is required when specifying a "
                "LocalSecondaryIndex"
            )
        if len(local) > LOCAL_INDEXES_MAX:
            raise parameter_invalid("Number of LocalSecondaryIndexes exceeds per-table limit of 5")
    if global_ is not None:
        if not global_:
            raise parameter_invalid("List of GlobalSecondaryIndexes is empty")
        if len(global_) > GLOBAL_INDEXES_MAX:
            raise parameter_invalid("GlobalSecondaryIndex count exceeds the per-table limit of 20")
    seen: set[str] = set()
    for given in [*(local or []), *(global_ or [])]:
        name = given["IndexName"]
        check_name(name)
        if name in seen:
            raise parameter_invalid(f"Duplicate index name: {name}")
        seen.add(name)
    for given in local or []:
        _check_local_keys(given, table_keys)
    for given in global_ or []:
        index_key_names(given["KeySchema"])
    check_projected_count([*(local or []), *(global_ or [])])


def check_projected_count(indexes: Iterable[Mapping[str, Any]], present: int = 0) -> None:
    """All indexes of a table project at most 100 attributes by name. Raises ValidationException."""
    count = present + sum(
        len((given.get("Projection") or {}).get("NonKeyAttributes") or ()) for given in indexes
    )
    if count > PROJECTED_ATTRIBUTES_MAX:
        raise parameter_invalid(
            "The total number of non-key attributes projected into the secondary indexes of the "
            f"table exceeds the limit of {PROJECTED_ATTRIBUTES_MAX}"
        )


def _check_local_keys(given: Mapping[str, Any], table_keys: Sequence[str]) -> None:
    names = key_names(given["KeySchema"])
    name = given["IndexName"]
    if len(names) < 2:
        raise parameter_invalid(f"Index KeySchema does not have a range key for index: {name}")
    if names[0] != table_keys[0]:
        raise parameter_invalid(
            "Index KeySchema does not have the same leading hash key as table KeySchema for "
            f"index: {name}. index hash key: {names[0]}, table hash key: {table_keys[0]}"
        )


def make_index(
    given: Mapping[str, Any],
    definitions: Mapping[str, KeyAttribute],
    *,
    id: str,
    global_: bool,
    pay_per_request: bool,
    status: str = "ACTIVE",
) -> Index:
    """An index as a request describes it. Raises ValidationException."""
    name = given["IndexName"]
    projection = given.get("Projection") or {}
    kind = projection.get("ProjectionType")
    included = projection.get("NonKeyAttributes")
    if kind is None:
        raise parameter_invalid("Unknown ProjectionType: null")
    if kind == "INCLUDE" and not included:
        raise parameter_invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if kind != "INCLUDE" and included:
        raise parameter_invalid(f"ProjectionType is {kind}, but NonKeyAttributes is specified")
    throughput = Throughput()
    if global_:
        throughput = index_throughput(given, pay_per_request)
    if included and len(set(included)) < len(included):
        twice = next(one for one in included if included.count(one) > 1)
        raise parameter_invalid(f"NonKeyAttributes contains duplicate attribute: {twice}")
    hashes, sorts = index_key_names(given["KeySchema"])
    hash_keys = [definitions[one] for one in hashes]
    sort_keys = [definitions[one] for one in sorts]
    return Index(
        spread=True,
        id=id,
        name=name,
        global_=global_,
        hash=hash_keys[0],
        sort=sort_keys[0] if sort_keys else None,
        more_hash=tuple(hash_keys[1:]),
        more_sort=tuple(sort_keys[1:]),
        warm=dict(given.get("WarmThroughput") or {}),
        projection=kind,
        included=tuple(included or ()),
        throughput=throughput,
        on_demand=dict(given.get("OnDemandThroughput") or {}),
        status=status,
    )


def index_throughput(given: Mapping[str, Any], pay_per_request: bool) -> Throughput:
    """The throughput of a global index. Raises ValidationException."""
    throughput = given.get("ProvisionedThroughput")
    name = given["IndexName"]
    if pay_per_request:
        if throughput:
            raise parameter_invalid(
                f"ProvisionedThroughput should not be specified for index: {name} when "
                "BillingMode is PAY_PER_REQUEST"
            )
        return Throughput()
    if not throughput:
        raise parameter_invalid(f"ProvisionedThroughput must be specified for index: {name}")
    return throughput_of(throughput, f" for index {name}")


def throughput_of(given: Mapping[str, int], place: str = "") -> Throughput:
    """Units as a request gives them. Raises ValidationException."""
    for member in ("ReadCapacityUnits", "WriteCapacityUnits"):
        if given[member] > UNITS_MAX:
            raise ValidationException(
                f"Given value {given[member]} for {member} is out of bounds{place}"
            )
    return Throughput(read=given["ReadCapacityUnits"], write=given["WriteCapacityUnits"])


def table_throughput(request: Mapping[str, Any]) -> Throughput:
    """The throughput of a table to be created. Raises ValidationException."""
    throughput = request.get("ProvisionedThroughput")
    if request.get("BillingMode", "PROVISIONED") == "PAY_PER_REQUEST":
        if throughput:
            raise parameter_invalid(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when "
                "BillingMode is PAY_PER_REQUEST"
            )
        return Throughput()
    if not throughput:
        raise parameter_invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is "
            "PROVISIONED"
        )
    return throughput_of(throughput)


def stream_view(specification: Mapping[str, Any] | None) -> str:
    """The view type of a StreamSpecification that enables a stream; "" for none. Raises."""
    if not specification:
        return ""
    view: str = specification.get("StreamViewType") or ""
    if specification["StreamEnabled"]:
        if not view:
            raise parameter_invalid("StreamViewType is required when StreamEnabled is true")
        return view
    if view:
        raise parameter_invalid("StreamViewType can only be specified when StreamEnabled is true")
    return ""


def indexed_names(request: Mapping[str, Any]) -> list[str]:
    """The key attributes of all secondary indexes of a CreateTable."""
    return [
        element["AttributeName"]
        for parameter in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes")
        for given in request.get(parameter) or []
        for element in given["KeySchema"]
    ]
