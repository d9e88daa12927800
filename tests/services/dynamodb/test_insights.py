"""UpdateContributorInsights, DescribeContributorInsights, ListContributorInsights.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/contributorinsights_HowItWorks.html
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def test_insights_of_a_table(dynamodb, sorted_table):
    # recorded: test_dynamodb_describe_contributor_insights
    told = dynamodb.describe_contributor_insights(TableName=sorted_table)
    told.pop("ResponseMetadata")
    assert told == {"TableName": sorted_table, "ContributorInsightsStatus": "DISABLED"}
    answer = dynamodb.update_contributor_insights(
        TableName=sorted_table, ContributorInsightsAction="ENABLE"
    )
    assert answer["ContributorInsightsStatus"] == "ENABLING"
    told = dynamodb.describe_contributor_insights(TableName=sorted_table)
    assert told["ContributorInsightsStatus"] == "ENABLED"
    assert [rule.rsplit("-", 1)[0] for rule in told["ContributorInsightsRuleList"]] == [
        f"DynamoDBContributorInsights-{kind}-sorted" for kind in ("PKC", "PKT", "SKC", "SKT")
    ]
    dynamodb.update_contributor_insights(
        TableName=sorted_table, ContributorInsightsAction="DISABLE"
    )
    told = dynamodb.describe_contributor_insights(TableName=sorted_table)
    assert told["ContributorInsightsStatus"] == "DISABLED"
    assert "ContributorInsightsRuleList" not in told


def test_insights_of_indexes_and_their_listing(dynamodb, indexed):
    for name in ("by-g", "keys-of-g"):
        dynamodb.update_contributor_insights(
            TableName=indexed,
            IndexName=name,
            ContributorInsightsAction="ENABLE",
            ContributorInsightsMode="THROTTLED_KEYS",
        )
    told = dynamodb.describe_contributor_insights(TableName=indexed, IndexName="keys-of-g")
    assert len(told["ContributorInsightsRuleList"]) == 1
    first = dynamodb.list_contributor_insights(MaxResults=1)
    rest = dynamodb.list_contributor_insights(NextToken=first["NextToken"])
    listed = first["ContributorInsightsSummaries"] + rest["ContributorInsightsSummaries"]
    assert [one["IndexName"] for one in listed] == ["by-g", "keys-of-g"]
    assert all(one["ContributorInsightsMode"] == "THROTTLED_KEYS" for one in listed)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dynamodb.update_contributor_insights(
            TableName=indexed, IndexName="none", ContributorInsightsAction="ENABLE"
        )
