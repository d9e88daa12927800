"""Contributor Insights: remembered and told, with the names of the rules that AWS would make; nothing is counted.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/contributorinsights_HowItWorks.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from serein.engines.expressions.errors import ValidationException
from serein.kernel.operations import Read, Tx, operation
from serein.kernel.pages import InvalidPageToken, decode_token, encode_token
from serein.services.dynamodb.access import find_table, table_or_index_of
from serein.services.dynamodb.model import (
    DescribeContributorInsightsInput,
    ListContributorInsightsInput,
    ResourceNotFoundException,
    UpdateContributorInsightsInput,
)
from serein.services.dynamodb.records import TABLES, Index, Insights, TableRecord

Request = Mapping[str, Any]
Answer = dict[str, Any]

PAGE_DEFAULT = 100
MODE_DEFAULT = "ACCESSED_AND_THROTTLED_KEYS"
LISTING = "dynamodb.insights"


@operation("UpdateContributorInsights", on=table_or_index_of)
def update_contributor_insights(tx: Tx, request: UpdateContributorInsightsInput) -> Answer:
    """Switch Contributor Insights of a table or index on or off."""
    table = find_table(tx, request["TableName"])
    index = _index_of(table, request)
    enabled = request["ContributorInsightsAction"] == "ENABLE"
    present = table.insights.get(request.get("IndexName", ""))
    mode = request.get("ContributorInsightsMode") or (present.mode if present else MODE_DEFAULT)
    changed = Insights(enabled=enabled, mode=mode, changed_at=tx.now)
    name = request.get("IndexName", "")
    tx.put(TABLES, replace(table, insights={**table.insights, name: changed}))
    return {
        **_place(table, index),
        "ContributorInsightsStatus": "ENABLING" if enabled else "DISABLING",
        "ContributorInsightsMode": mode,
    }


@operation("DescribeContributorInsights", on=table_or_index_of)
def describe_contributor_insights(read: Read, request: DescribeContributorInsightsInput) -> Answer:
    """Whether Contributor Insights of a table or index are on, and the names of their rules."""
    table = find_table(read, request["TableName"])
    index = _index_of(table, request)
    answer: Answer = {**_place(table, index), "ContributorInsightsStatus": "DISABLED"}
    insights = table.insights.get(request.get("IndexName", ""))
    if insights is None:
        return answer
    answer["LastUpdateDateTime"] = insights.changed_at
    if insights.enabled:
        answer["ContributorInsightsStatus"] = "ENABLED"
        answer["ContributorInsightsMode"] = insights.mode
        answer["ContributorInsightsRuleList"] = _rules(table, index, insights)
    return answer


@operation("ListContributorInsights")
def list_contributor_insights(read: Read, request: ListContributorInsightsInput) -> Answer:
    """Where Contributor Insights were ever set: of one table, or of all."""
    tables = (
        [find_table(read, request["TableName"])]
        if "TableName" in request
        else list(read.scan(TABLES, (read.account, read.region)))
    )
    told = [
        {
            **_place(table, None),
            **({"IndexName": name} if name else {}),
            "ContributorInsightsStatus": "ENABLED" if insights.enabled else "DISABLED",
            "ContributorInsightsMode": insights.mode,
        }
        for table in tables
        for name, insights in sorted(table.insights.items())
    ]
    start = 0
    if "NextToken" in request:
        try:
            start = int(str(decode_token(LISTING, request["NextToken"])[0]))
        except (InvalidPageToken, ValueError):
            raise ValidationException("Invalid NextToken") from None
    most = request.get("MaxResults") or PAGE_DEFAULT
    answer: Answer = {"ContributorInsightsSummaries": told[start : start + most]}
    if len(told) > start + most:
        answer["NextToken"] = encode_token(LISTING, str(start + most))
    return answer


def _index_of(table: TableRecord, request: Request) -> Index | None:
    name = request.get("IndexName")
    if name is None:
        return None
    for index in table.indexes:
        if index.name == name and index.global_:
            return index
    raise ResourceNotFoundException(
        f"Requested resource not found: Index: {name} for table: {table.name} not found"
    )


def _place(table: TableRecord, index: Index | None) -> Answer:
    return {"TableName": table.name, **({"IndexName": index.name} if index is not None else {})}


def _rules(table: TableRecord, index: Index | None, insights: Insights) -> list[str]:
    """The rules' names: of partition keys (PK) and of whole keys (SK), of the accessed (C) and the throttled (T)."""
    keyed: TableRecord | Index = table if index is None else index
    place = table.name if index is None else f"{table.name}-{index.name}"
    kinds = "CT" if insights.mode == MODE_DEFAULT else "T"
    return [
        f"DynamoDBContributorInsights-{key}{kind}-{place}-{int(insights.changed_at * 1000)}"
        for key in (("PK", "SK") if keyed.sort is not None else ("PK",))
        for kind in kinds
    ]
