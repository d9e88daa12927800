"""Fixtures: a client, and tables of the usual kinds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud

PER_REQUEST = {"BillingMode": "PAY_PER_REQUEST"}


def definitions(**types: str) -> list[dict[str, str]]:
    """AttributeDefinitions: `definitions(pk="S", n="N")`."""
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


def schema(hash_name: str, sort_name: str = "") -> list[dict[str, str]]:
    """A KeySchema."""
    found = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    if sort_name:
        found.append({"AttributeName": sort_name, "KeyType": "RANGE"})
    return found


def index(
    name: str, keys: list[dict[str, str]], kind: str = "ALL", *included: str
) -> dict[str, Any]:
    """A secondary index of a table billed per request."""
    projection: dict[str, Any] = {"ProjectionType": kind}
    if included:
        projection["NonKeyAttributes"] = list(included)
    return {"IndexName": name, "KeySchema": keys, "Projection": projection}


@pytest.fixture
def dynamodb(cloud: Cloud) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture
def simple(dynamodb: Any) -> str:
    """A table with a hash key `pk` (S)."""
    dynamodb.create_table(
        TableName="simple",
        AttributeDefinitions=definitions(pk="S"),
        KeySchema=schema("pk"),
        **PER_REQUEST,
    )
    return "simple"


@pytest.fixture
def sorted_table(dynamodb: Any) -> str:
    """A table with `pk` (S) and `sk` (N)."""
    dynamodb.create_table(
        TableName="sorted",
        AttributeDefinitions=definitions(pk="S", sk="N"),
        KeySchema=schema("pk", "sk"),
        **PER_REQUEST,
    )
    return "sorted"


@pytest.fixture
def indexed(dynamodb: Any) -> str:
    """A table with `pk`, `sk` (S), two global indexes and one local."""
    dynamodb.create_table(
        TableName="indexed",
        AttributeDefinitions=definitions(pk="S", sk="S", g="S", n="N"),
        KeySchema=schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            index("by-g", schema("g", "n")),
            index("keys-of-g", schema("g"), "KEYS_ONLY"),
            index("some-of-g", schema("g", "sk"), "INCLUDE", "x"),
        ],
        LocalSecondaryIndexes=[index("local-n", schema("pk", "n"), "KEYS_ONLY")],
        **PER_REQUEST,
    )
    return "indexed"
